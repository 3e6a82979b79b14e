"""InfoNCE between voxels, against its definition written out."""

import math

import pytest
import torch

from qontrast.basics.errors import InputError
from qontrast.losses.dense_info_nce import dense_info_nce


def points(crops=3, count=6, width=4, seed=0):
    draw = torch.Generator().manual_seed(seed)
    a, b = (torch.randn((crops, count, width), generator=draw) for _ in range(2))
    return a, b, 4 * torch.rand((crops, count, 3), generator=draw)


def by_hand(a, b, places, bank, first, temperature, apart):
    """One way, from a to b."""
    total, crops, count = 0.0, len(a), a.shape[1]

    def like(x, y):
        x, y = x.double(), y.double()
        return math.exp(float(x @ y / (x.norm() * y.norm())) / temperature)

    for crop in range(crops):
        others = [row for other in range(len(bank)) if other != first + crop for row in bank[other]]
        for i in range(count):
            near = [float((places[crop, i] - places[crop, k]).norm()) for k in range(count)]
            below = sum(like(a[crop, i], b[crop, k]) for k in range(count) if k == i or near[k] >= apart)
            below += sum(like(a[crop, i], row) for row in others)
            total -= math.log(like(a[crop, i], b[crop, i]) / below)
    return total / (crops * count)


@pytest.mark.parametrize("apart", [0.0, 2.0, 100.0])
@pytest.mark.parametrize("first", [0, 1])
def test_it_is_its_definition(apart, first):
    a, b, places = points()
    one, other, _ = points(crops=4, count=2, seed=5)
    found = dense_info_nce(a, b, places, (one, other), first, 0.2, apart)
    wanted = by_hand(a, b, places, other, first, 0.2, apart) + by_hand(b, a, places, one, first, 0.2, apart)
    assert float(found) == pytest.approx(wanted / 2, rel=1e-5)


def test_own_crops_in_the_bank_change_nothing():
    a, b, places = points()
    wild = 100 * torch.ones(3, 2, 4)
    alone = dense_info_nce(a[:1], b[:1], places[:1], (wild[:1], wild[:1]))
    again = dense_info_nce(a[:1], b[:1], places[:1], (-wild[:1], a[:1, :2]))
    torch.testing.assert_close(alone, again)


def test_neighbours_are_no_negatives():
    a, b, places = points(crops=1)
    places = 0.1 * places
    bank = (a[:, :1], b[:, :1])
    assert float(dense_info_nce(a, b, places, bank, apart=1.0)) == pytest.approx(0, abs=1e-6)
    assert float(dense_info_nce(a, b, places, bank, apart=0.0)) > 0.1


@pytest.mark.parametrize("apart", [0.0, 2.0])
def test_a_voxel_drawn_twice_is_not_its_own_negative(apart):
    a, b, _ = points(crops=1, count=4)
    far = 100 * torch.arange(4.0)[None, :, None].expand(1, 4, 3)
    bank = (a[:, :1], b[:, :1])
    once = float(dense_info_nce(a, b, far, bank, apart=apart))
    twice = float(dense_info_nce(*(torch.cat((v, v), dim=1) for v in (a, b, far)), bank, apart=apart))
    # Each of the others is there twice, the voxel itself once.
    assert once < twice < once + math.log(2)


def test_what_makes_no_sense_is_refused():
    a, b, places = points()
    with pytest.raises(InputError, match="2 or more"):
        dense_info_nce(a[:, :1], b[:, :1], places[:, :1], (a, b))
    with pytest.raises(InputError, match="above 0"):
        dense_info_nce(a, b, places, (a, b), temperature=0.0)
