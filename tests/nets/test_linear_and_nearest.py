"""Segmentation heads that learn little or nothing, against slow obvious implementations."""

import pytest
import torch
import torch.nn.functional as F

from qontrast.basics.errors import InputError
from qontrast.nets.encoder import CNNEncoder
from qontrast.nets.linear_probe import LinearProbe
from qontrast.nets.neighbours import NEVER, Neighbours
from qontrast.nets.vit import ViTEncoder

TINY = (2, 3, 4, 5, 6)


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return CNNEncoder(TINY).eval()


def image(*shape, seed=1):
    return torch.randn((1, 1, *shape), generator=torch.Generator().manual_seed(seed))


def stacked(encoder, given):
    """All levels, enlarged and side by side."""
    grid = given.shape[2:]
    return [F.interpolate(one, size=grid, mode="trilinear") for one in encoder.features(given)]


def test_the_probe_is_one_convolution_on_all_enlarged_levels(encoder):
    probe = LinearProbe(encoder, 4).eval()
    given = image(32, 16, 32)
    weight = torch.cat([level.weight for level in probe.levels], dim=1)
    with torch.no_grad():
        expected = F.conv3d(torch.cat(stacked(encoder, given), dim=1), weight, probe.levels[0].bias)
        torch.testing.assert_close(probe(given), expected, rtol=1e-4, atol=1e-5)
    learned = sum(p.numel() for name, p in probe.named_parameters() if not name.startswith("encoder."))
    assert learned == 4 * (sum(TINY) + 1)


def test_other_shapes_are_mirrored_and_cropped_back(encoder):
    for net in (LinearProbe(encoder, 3), filled(encoder, 3)):
        with pytest.warns(UserWarning, match="mirrored"), torch.no_grad():
            assert net.eval()(image(33, 20, 16)).shape == (1, 3, 33, 20, 16)


def filled(encoder, classes, size=50, neighbours=3):
    net = Neighbours(encoder, classes, neighbours=neighbours).eval()
    bank = F.normalize(torch.randn((size, sum(encoder.features_per_level)), generator=torch.Generator().manual_seed(5)))
    net.keep(bank, torch.arange(size) % classes)
    return net


def test_neighbours_are_those_of_the_highest_mean_cosine_of_levels(encoder):
    net, given = filled(encoder, 3), image(32, 16, 16)
    with torch.no_grad():
        net.keep(
            net.describe(image(32, 16, 16, seed=2)).movedim(1, -1).reshape(-1, sum(TINY))[::400], torch.arange(21) % 3
        )
        found, levels = net(given), stacked(encoder, given)
    for x, y, z in [(0, 0, 0), (5, 9, 2), (31, 15, 15), (16, 8, 8)]:
        similarity = []
        for other in net.bank:
            parts = zip(levels, other.split(list(TINY)), strict=True)
            similarity.append(
                sum(float(F.cosine_similarity(one[0, :, x, y, z], part, dim=0)) for one, part in parts) / 5
            )
        nearest = sorted(range(21), key=lambda i: -similarity[i])[:3]
        shares = torch.tensor([sum(int(net.truth[i]) == c for i in nearest) / 3 for c in range(3)])
        torch.testing.assert_close(found[0, :, x, y, z].exp(), shares.clamp(min=NEVER))


def test_a_voxel_of_the_bank_finds_itself(encoder):
    given = image(32, 16, 16)
    net = Neighbours(encoder, 4, neighbours=1).eval()
    truth = torch.randint(4, (32 * 16 * 16,), generator=torch.Generator().manual_seed(3))
    net.keep(net.describe(given).movedim(1, -1).flatten(0, 3), truth)
    assert torch.equal(net(given).argmax(dim=1).flatten(), truth)


def test_a_bank_of_fewer_voxels_than_neighbours_is_refused(encoder):
    with pytest.raises(InputError, match="20 with 7 labelled voxels"):
        Neighbours(encoder, 2).keep(torch.zeros(7, sum(TINY)), torch.zeros(7, dtype=torch.long))


def test_they_go_on_a_transformer_too():
    encoder = ViTEncoder((4, 8, 8, 16, 48), image_size=32, hidden=96, depth=4, heads=4).eval()
    with torch.no_grad():
        for net in (LinearProbe(encoder, 2).eval(), filled(encoder, 2)):
            assert net(image(32, 32, 32)).shape == (1, 2, 32, 32, 32)
