"""Reading an image at coordinates, from the block that they touch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RegularGridInterpolator

from qontrast.basics.randomness import derive
from qontrast.basics.spline import sample_along_axes
from qontrast.geometry.reading import Reading, askew
from qontrast.geometry.sample import average_blocks, box_slices, occupied, sample, touched, whole
from qontrast.geometry.warp import WarpRanges, draw_warp

SHAPE = (7, 6, 5)


def volume(shape=SHAPE, channels=2):
    return torch.rand((1, channels, *shape), generator=torch.Generator().manual_seed(2))


def every_voxel(shape=SHAPE):
    return torch.stack(torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in shape), indexing="ij"), dim=-1)


def by_hand(image, point):
    """Trilinear interpolation of ``[channel, x, y, z]`` at one point, zero outside, one corner at a time."""
    total = torch.zeros(image.shape[0])
    base = [int(p // 1) for p in point]
    for corner in range(8):
        offset = [(corner >> axis) & 1 for axis in range(3)]
        index = [b + o for b, o in zip(base, offset, strict=True)]
        weight = 1.0
        for p, b, o in zip(point, base, offset, strict=True):
            weight *= (p - b) if o else 1 - (p - b)
        if all(0 <= i < n for i, n in zip(index, image.shape[1:], strict=True)):
            total += weight * image[:, index[0], index[1], index[2]]
    return total


@pytest.mark.parametrize("nearest", [False, True])
def test_at_its_own_voxels_an_image_is_itself(nearest):
    read = sample(volume(), whole(SHAPE), every_voxel(), nearest=nearest)
    torch.testing.assert_close(read, volume(), rtol=0, atol=1e-5)


def test_an_integer_shift_moves_whole_voxels():
    read = sample(volume(), whole(SHAPE), every_voxel() + torch.tensor([2.0, -1.0, 0.0]))
    torch.testing.assert_close(read[:, :, :5, 1:], volume()[:, :, 2:, :-1], rtol=0, atol=1e-5)
    assert float(read[:, :, 5:].max()) < 1e-5
    assert float(read[:, :, :, 0].max()) < 1e-5


def test_interpolation_is_that_of_the_eight_corners():
    points = torch.rand(40, 3, generator=torch.Generator().manual_seed(3)) * 9 - 1.5
    read = sample(volume(), whole(SHAPE), points.reshape(40, 1, 1, 3))[0, :, :, 0, 0]
    expected = torch.stack([by_hand(volume()[0], p) for p in points.tolist()], dim=-1)
    torch.testing.assert_close(read, expected, rtol=0, atol=2e-5)


def test_nearest_reads_only_values_that_are_there():
    labels = torch.randint(0, 9, (1, 1, *SHAPE)).float()
    points = torch.rand(6, 6, 6, 3) * 4
    read = sample(labels, whole(SHAPE), points, nearest=True)
    index = points.round().long()
    assert torch.equal(read[0, 0], labels[0, 0][index[..., 0], index[..., 1], index[..., 2]])


@settings(max_examples=80, deadline=None)
@given(
    low=st.tuples(*[st.floats(-4, 8)] * 3),
    extent=st.tuples(*[st.floats(0, 5)] * 3),
    nearest=st.booleans(),
    seed=st.integers(0, 99),
)
def test_the_touched_block_is_all_that_is_needed(low, extent, nearest, seed):
    points = torch.tensor(low) + torch.tensor(extent) * torch.rand(3, 3, 3, 3, generator=derive(seed))
    if nearest:  # halfway between two voxels either is right
        points = torch.where((points - points.floor() - 0.5).abs() < 0.01, points + 0.02, points)
    box = touched(points, SHAPE)
    for (start, stop), count in zip(box, SHAPE, strict=True):
        assert 0 <= start < stop <= count
    block = volume()[(slice(None), slice(None), *box_slices(box))]
    from_block, from_all = (sample(v, b, points, nearest=nearest) for v, b in ((block, box), (volume(), whole(SHAPE))))
    torch.testing.assert_close(from_block, from_all, rtol=0, atol=3e-5)


def test_the_touched_block_is_not_larger_than_needed():
    points = torch.tensor([[1.2, 3.0, 0.5], [2.8, 3.0, 1.5]]).reshape(2, 1, 1, 3)
    assert touched(points, SHAPE) == ((1, 4), (3, 4), (0, 3))


@pytest.mark.parametrize("away", [(-9.0, 0.0, 0.0), (20.0, 0.0, 0.0), (0.0, -3.0, 30.0), (0.0, 0.0, 5.1)])
def test_a_view_that_misses_the_grid_is_empty(away):
    points = every_voxel((2, 2, 1)) + torch.tensor(away)
    box = touched(points, SHAPE)
    read = sample(volume()[(slice(None), slice(None), *box_slices(box))], box, points)
    assert (read == 0).all()


def test_a_grid_one_voxel_thick_is_zero_beside_its_voxel():
    plane = torch.ones(1, 1, 4, 4, 1)
    heights = torch.tensor([-2.0, -1.0, -0.25, 0.0, 0.5, 1.0, 7.0])
    points = torch.stack([torch.ones(7), torch.ones(7), heights], dim=-1).reshape(1, 1, 7, 3)
    assert sample(plane, whole((4, 4, 1)), points).flatten().tolist() == pytest.approx([0, 0, 0.75, 1, 0.5, 0, 0])


def test_a_real_view_reads_the_same_from_its_block():
    shape, spacing = (24, 22, 20), (1.0, 1.1, 1.2)
    warp = draw_warp(WarpRanges(), torch.tensor([4.0, 11.0, 15.0]), (8, 8, 8), 2.0, spacing, derive(1))
    points, image = warp.coordinates(2), volume(shape, 1)
    box = touched(points, shape)
    assert box != whole(shape)
    block = image[(slice(None), slice(None), *box_slices(box))]
    torch.testing.assert_close(sample(block, box, points), sample(image, whole(shape), points), rtol=0, atol=1e-4)


def test_blocks_are_averaged():
    image = volume((4, 6, 8))
    means = average_blocks(image, 2)
    assert means.shape == (1, 2, 2, 3, 4)
    torch.testing.assert_close(means[0, 1, 1, 2, 3], image[0, 1, 2:4, 4:6, 6:8].mean())
    torch.testing.assert_close(means.mean(), image.mean())
    assert torch.equal(average_blocks(image, 1), image)


def test_occupied_is_the_tightest_box():
    mask = torch.zeros(SHAPE, dtype=torch.bool)
    assert occupied(mask) is None
    mask[2, 3, 4] = True
    assert occupied(mask) == ((2, 3), (3, 4), (4, 5))
    mask[5, 1, 0] = True
    assert occupied(mask) == ((2, 6), (1, 4), (0, 5))
    assert occupied(torch.ones(SHAPE, dtype=torch.bool)) == whole(SHAPE)
    assert int(mask[box_slices(occupied(mask))].sum()) == int(mask.sum())


def test_reading_along_axes_is_reading_point_by_point():
    values = torch.randn(2, 5, 6, 7, generator=torch.Generator().manual_seed(1))
    axes = [torch.tensor([0.0, 1.25, 4.0]), torch.tensor([0.5, 3.0]), torch.tensor([-1.0, 2.2, 5.9, 6.0])]
    read = sample_along_axes(values, axes)
    clamped = [axes[0], axes[1], axes[2].clamp(0, 6)]
    points = torch.stack(torch.meshgrid(*clamped, indexing="ij"), dim=-1)
    expected = sample(values[None], whole((5, 6, 7)), points)[0]
    torch.testing.assert_close(read, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("nearest", [False, True])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf, 1e12])
def test_points_that_are_nowhere_harm_no_others(nearest, value):
    points = every_voxel().clone()
    points[1, 2, 1] = value
    read = Reading(points, SHAPE)
    found = (read.nearest if nearest else read)(volume())
    rest = torch.ones(SHAPE, dtype=torch.bool)
    rest[1, 2, 1] = False
    assert torch.equal(found[..., rest], volume()[..., rest])
    assert not found[..., 1, 2, 1].nan_to_num().any()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.float16, torch.float64])
def test_blends_of_any_kind_of_voxel_are_single_precision_at_least(dtype):
    values = (50 * volume()).to(dtype)
    found = sample(values, whole(SHAPE), every_voxel() * 0.9)
    expected = sample(values.double(), whole(SHAPE), every_voxel() * 0.9)
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int32, torch.int64, torch.float16, torch.float64])
def test_the_nearest_voxel_may_be_anything(dtype):
    labels = (10 * torch.rand(1, 2, *SHAPE, generator=derive(4))).to(dtype)
    found = sample(labels, whole(SHAPE), every_voxel() + 0.3, nearest=True)
    assert found.dtype == dtype
    assert torch.equal(found, labels)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_that_lie_inside_and_rows_that_do_not_are_read_alike(dtype):
    """Whichever rows come before and after: those inside are asked for a row ahead, those at the border are not."""
    generator = torch.Generator().manual_seed(4)
    images = torch.rand((1, 3, 9, 8, 7), generator=generator, dtype=dtype)
    points = torch.rand((5, 6, 11, 3), generator=generator) * torch.tensor([7.9, 6.9, 5.9])
    away = torch.rand((5, 6, 1, 1), generator=generator) < 0.4
    points = torch.where(away, points * 1.6 - 2.0, points)
    found = Reading(points, (9, 8, 7))(images)
    padded = torch.nn.functional.pad(images[0], (1,) * 6).numpy()
    axes = [np.arange(-1, n + 1) for n in (9, 8, 7)]
    for channel in range(3):
        expected = RegularGridInterpolator(axes, padded[channel], bounds_error=False, fill_value=0.0)(points.numpy())
        np.testing.assert_allclose(found[0, channel].numpy(), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64])
def test_a_grid_that_lies_askew_reads_its_points_and_the_border_beyond(dtype):
    image = torch.randn((2, 1, 9, 8, 7), generator=derive(5), dtype=dtype)
    matrix = torch.linalg.matrix_exp(torch.tensor([[0.0, -0.3, 0.1], [0.3, 0.0, 0.2], [-0.1, -0.2, 0.0]]).double())
    first = torch.tensor([-0.7, 1.9, -1.3], dtype=torch.float64)
    points = every_voxel((9, 8, 7)).double() @ matrix.T + first
    within = torch.minimum(points.clamp(min=0), torch.tensor([8.0, 7.0, 6.0]).double())
    expected = Reading(within, (9, 8, 7))(image)
    torch.testing.assert_close(askew(image, matrix, first), expected, rtol=0, atol=1e-5)
    flat = image[..., :1]
    torch.testing.assert_close(askew(flat, torch.eye(3).double(), torch.zeros(3).double()), flat, rtol=0, atol=0)
