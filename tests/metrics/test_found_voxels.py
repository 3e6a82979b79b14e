"""Voxels that are looked for in another contrast by their features."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qontrast.basics.errors import InputError
from qontrast.metrics.correspondence import correspondence


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


LINE = torch.stack((torch.arange(10.0), torch.zeros(10), torch.zeros(10)), dim=1)


def test_voxels_that_find_themselves_and_what_chance_would_give():
    found = correspondence(torch.eye(10), torch.eye(10), LINE, tolerance=1.5)
    assert (found.exact, found.within) == (1, 1)
    assert found.chance == pytest.approx(0.1)
    assert found.chance_within == pytest.approx((8 * 3 + 2 * 2) / 100)


def test_swapped_neighbours_are_wrong_but_near_and_swapped_ends_are_far():
    features, order = torch.eye(10), list(range(10))
    order[3], order[4] = 4, 3
    found = correspondence(features, features[order], LINE, tolerance=1.0)
    assert (found.exact, found.within) == (pytest.approx(0.8), pytest.approx(1.0))
    order = list(range(10))
    order[0], order[9] = 9, 0
    found = correspondence(features, features[order], LINE, tolerance=1.0)
    assert (found.exact, found.within) == (pytest.approx(0.8), pytest.approx(0.8))


def test_features_that_are_all_the_same_find_by_chance_alone():
    same = torch.tensor([0.3, -1.0, 2.0]).expand(10, 3)
    found = correspondence(same, same, LINE, tolerance=2.0)
    assert found.exact == pytest.approx(found.chance)
    assert found.within == pytest.approx(found.chance_within)


@given(st.integers(0, 99), st.floats(1e-3, 1e3))
def test_neither_rotation_nor_scale_matters(seed, scale):
    a, b = noise(12, 5, seed=seed), noise(12, 5, seed=seed + 1)
    places, turn = 9 * noise(12, 3, seed=seed + 2), torch.linalg.qr(noise(5, 5, seed=seed + 3)).Q
    assert correspondence(scale * a @ turn, b @ turn, places) == correspondence(a, b, places)


def test_too_few_or_unequal_voxels_are_refused():
    for a, b, places in (
        (torch.ones(1, 3), torch.ones(1, 3), LINE[:1]),
        (torch.ones(3, 3), torch.ones(4, 3), LINE[:3]),
        (torch.ones(3, 3), torch.ones(3, 3), LINE[:4]),
    ):
        with pytest.raises(InputError, match="row by row"):
            correspondence(a, b, places)
    bad = torch.eye(3)
    bad[1, 1] = math.inf
    with pytest.raises(InputError, match="1 of 3 that are not finite"):
        correspondence(bad, torch.eye(3), LINE[:3])
