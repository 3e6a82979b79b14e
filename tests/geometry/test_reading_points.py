"""Feature maps read at points of the image that they were made of."""

import pytest
import torch

from qontrast.geometry.points import read_points
from qontrast.geometry.reading import Reading


def ramps(shape, stride):
    """A map of each voxel's own place in the image: the middle of the voxels that it spans."""
    axes = [(torch.arange(n) + 0.5) * stride - 0.5 for n in shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_a_map_of_places_gives_the_places_back(stride):
    shape = (12, 8, 10)
    far = torch.tensor(shape) * stride - 0.5 * (stride + 1)
    low = 0.5 * (stride - 1)
    points = low + (far - low) * torch.rand(1, 50, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(read_points(ramps(shape, stride), points, stride), points, rtol=0, atol=1e-4)


def test_whole_voxels_are_read_as_they_are():
    features = torch.randn(2, 3, 4, 5, 6, generator=torch.Generator().manual_seed(1))
    points = torch.tensor([[[0, 0, 0], [3, 4, 5], [1, 2, 3]]]).float().repeat(2, 1, 1)
    found = read_points(features, points)
    for number, (x, y, z) in enumerate([(0, 0, 0), (3, 4, 5), (1, 2, 3)]):
        torch.testing.assert_close(found[:, number], features[:, :, x, y, z])


def test_gradients_reach_the_features_and_half_precision_is_read_in_single():
    features = torch.randn(1, 2, 3, 3, 3).bfloat16().requires_grad_()
    found = read_points(features, torch.ones(1, 1, 3))
    assert found.dtype == torch.float32
    found.sum().backward()
    assert float(features.grad[0, :, 1, 1, 1].sum()) == 2


def test_a_map_of_one_voxel_is_the_same_everywhere():
    features = torch.full((1, 1, 1, 1, 1), 3.0)
    assert read_points(features, 15 * torch.rand(1, 4, 3), 16).flatten().tolist() == [3.0] * 4


def noise(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def read(features, places, stride=1):
    """Of one map, ``[place, channel]``."""
    return read_points(features[None], places[None].to(features.dtype), stride)[0]


def test_features_are_read_as_the_geometry_reads_images():
    features = noise(3, 6, 5, 7).float()
    places = torch.rand(20, 3, generator=torch.Generator().manual_seed(3)) * torch.tensor([5.0, 4.0, 6.0])
    wanted = Reading(places[:, None, None], (6, 5, 7))(features[None])[0, :, :, 0, 0].T
    torch.testing.assert_close(read(features, places), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_a_map_of_block_means_of_a_ramp_reads_the_ramp_at_every_stride(stride):
    index = torch.stack(torch.meshgrid(*(torch.arange(n).double() for n in (16, 12, 8)), indexing="ij"))
    pooled = torch.nn.functional.avg_pool3d(index[None], stride)[0]
    reach = (stride - 1) / 2
    places = reach + torch.rand(30, 3, generator=torch.Generator().manual_seed(1)) * (
        torch.tensor([15.0, 11.0, 7.0]) - 2 * reach
    )
    torch.testing.assert_close(read(pooled, places, stride), places.double(), rtol=0, atol=1e-5)


def test_beyond_the_outermost_centres_the_border_goes_on_and_one_voxel_is_everywhere():
    features = noise(2, 3, 3, 3)
    ends = read(features, torch.tensor([[-4.0, 0.0, 0.0], [99.0, 99.0, 99.0]]), 2)
    torch.testing.assert_close(ends, torch.stack((features[:, 0, 0, 0], features[:, 2, 2, 2])))
    single = read(noise(2, 1, 1, 1), torch.tensor([[3.0, 8.0, 0.0]]), 16)
    torch.testing.assert_close(single[0], noise(2, 1, 1, 1).flatten())
