"""How many directions embeddings use, how they spread, and whether an anatomy is found in another contrast."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qontrast.basics.errors import InputError
from qontrast.metrics.representation import alignment, effective_rank, retrieval, uniformity


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def turned(features, seed=1):
    """A random rotation or reflection of so many dimensions."""
    return torch.linalg.qr(noise(features, features, seed=seed)).Q


@given(st.integers(1, 20), st.integers(0, 20))
def test_orthogonal_embeddings_have_as_many_directions_as_there_are(count, more):
    assert effective_rank(torch.eye(count, count + more)) == pytest.approx(count)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 99))
def test_embeddings_on_one_line_have_rank_1(count, features, seed):
    line = noise(count, 1, seed=seed) @ noise(1, features, seed=seed + 1)
    assert effective_rank(line) == pytest.approx(1.0, abs=1e-6)


def test_the_rank_of_known_singular_values_is_the_exponential_of_their_entropy():
    found = effective_rank(turned(2, 3) @ torch.diag(torch.tensor([3.0, 1.0], dtype=torch.float64)) @ turned(2))
    assert found == pytest.approx(math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25)))


@given(st.floats(1e-6, 1e6), st.integers(0, 99))
def test_neither_rotation_nor_scale_nor_order_changes_any_measure_but_scale_of_single_ones(scale, seed):
    one, other = noise(9, 5, seed=seed), noise(9, 5, seed=seed + 1)
    turn, order = turned(5), torch.randperm(9, generator=torch.Generator().manual_seed(seed))
    moved = [scale * x[order] @ turn for x in (one, other)]
    assert effective_rank(moved[0]) == pytest.approx(effective_rank(one))
    assert uniformity(moved[0]) == pytest.approx(uniformity(one))
    assert alignment(*moved) == pytest.approx(alignment(one, other))
    before, after = (retrieval(torch.stack(pair, dim=1)) for pair in ((one, other), moved))
    assert after.accuracy == pytest.approx(before.accuracy)


def test_the_rank_is_bounded_and_that_of_nothing_is_0():
    assert 29 < effective_rank(noise(2000, 30)) <= 30
    assert effective_rank(noise(7, 30)) <= 7
    assert effective_rank(torch.zeros(4, 3)) == 0.0


def test_distances_of_partners_on_the_sphere():
    one = noise(6, 4)
    assert alignment(one, 3 * one) == pytest.approx(0, abs=1e-12)
    assert alignment(one, -one) == pytest.approx(4)
    east, north = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 5.0]])
    assert alignment(east, north) == pytest.approx(2)
    assert alignment(east, north, power=1) == pytest.approx(math.sqrt(2))
    assert alignment(torch.cat((east, east)), torch.cat((north, -east))) == pytest.approx(3)


def test_uniformity_of_one_point_of_a_cross_and_of_noise():
    assert uniformity(noise(1, 4).expand(5, 4)) == pytest.approx(0, abs=1e-9)
    assert uniformity(torch.eye(6)) == pytest.approx(-4)
    assert uniformity(torch.eye(6), sharpness=1.0) == pytest.approx(-2)
    two = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    assert uniformity(two) == pytest.approx(math.log((math.exp(-8) + 2 * math.exp(-4)) / 3))
    assert uniformity(noise(500, 512)) == pytest.approx(-4, abs=0.05)


def test_an_anatomy_is_found_where_contrasts_agree_and_never_where_they_are_permuted():
    anatomy = noise(5, 1, 8)
    same = anatomy + 0.01 * noise(5, 3, 8, seed=1)
    assert retrieval(same).accuracy == 1
    assert retrieval(same).chance == pytest.approx(0.2)
    rolled = torch.cat((anatomy, anatomy.roll(1, 0)), dim=1)
    assert retrieval(rolled).accuracy == 0


def test_one_wrong_contrast_of_three_spoils_four_of_six_pairs():
    anatomy = noise(5, 1, 8)
    assert retrieval(torch.cat((anatomy, anatomy, anatomy.roll(1, 0)), dim=1)).accuracy == pytest.approx(1 / 3)


@pytest.mark.parametrize("same", [torch.zeros(4), torch.tensor([0.3, -2.0, 1.7, 0.1])])
def test_embeddings_that_are_all_the_same_are_found_by_chance(same):
    assert retrieval(same.expand(7, 3, 4)).accuracy == pytest.approx(1 / 7)


def test_noise_is_found_by_chance():
    found = [retrieval(noise(6, 4, 10, seed=seed)).accuracy for seed in range(40)]
    assert sum(found) / 40 == pytest.approx(1 / 6, abs=0.02)


def test_a_contrast_that_is_merely_added_to_every_anatomy_hides_none():
    assert retrieval(noise(6, 1, 16) + 0.2 * noise(1, 4, 16, seed=1)).accuracy == 1


MEASURES = (
    effective_rank,
    uniformity,
    lambda x: alignment(x, x),
    lambda x: retrieval(x[:, None].expand(-1, 2, -1)),
)


@pytest.mark.parametrize("measure", MEASURES)
def test_what_is_not_finite_or_not_there_is_refused(measure):
    bad = noise(5, 3)
    bad[2, 1] = math.nan
    with pytest.raises(InputError, match="not finite"):
        measure(bad)
    with pytest.raises(InputError):
        measure(torch.zeros(0, 3))


def test_too_few_to_compare_are_refused():
    with pytest.raises(InputError, match="1 anatomies in 3 contrasts"):
        retrieval(torch.ones(1, 3, 2))
    with pytest.raises(InputError, match="two or more"):
        uniformity(torch.ones(1, 3))
    with pytest.raises(InputError, match="row by row"):
        alignment(torch.ones(2, 3), torch.ones(3, 3))
