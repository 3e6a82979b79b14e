"""Normal draws from a table."""

import math

import pytest
import torch

from qontrast.basics.white_noise import white_noise

COUNT = 1 << 20


def test_the_distribution_is_normal():
    """Kolmogorov and Smirnov: at a million draws 0.0016 is passed in one of a hundred draws."""
    drawn = white_noise((COUNT,), 3).double().sort().values
    expected = 0.5 * (1 + torch.erf(drawn / math.sqrt(2)))
    steps = torch.arange(1, COUNT + 1, dtype=torch.float64) / COUNT
    assert float((expected - steps).abs().max()) < 1.63 / math.sqrt(COUNT)
    for power, moment, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert float((drawn**power).mean()) == pytest.approx(moment, abs=4 * math.sqrt(spread / COUNT))
    assert 4.1 < float(drawn[-1]) < 4.5


@pytest.mark.parametrize("lag", [1, 2, 3, 4, 7, 64, 4096])
def test_draws_are_independent_of_those_before(lag):
    drawn = white_noise((COUNT,), 5)
    for one in (drawn, drawn.square() - 1):
        assert abs(float((one[lag:] * one[:-lag]).mean() / one.square().mean())) < 4 / math.sqrt(COUNT)


def test_a_seed_gives_the_same_draws_and_another_seed_others():
    one, again, other = white_noise((3, 5, 7), 1), white_noise((3, 5, 7), 1), white_noise((3, 5, 7), 2)
    assert torch.equal(one, again)
    assert one.shape == (3, 5, 7)
    assert not bool((one == other).any())
    assert white_noise((0, 4), 1).shape == (0, 4)


def test_seeds_that_follow_one_another_are_not_alike():
    together = torch.stack([white_noise((1 << 16,), seed) for seed in range(6)])
    correlations = torch.corrcoef(together) - torch.eye(6)
    assert float(correlations.abs().max()) < 5 / 256
