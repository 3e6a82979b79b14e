"""Normal draws from a table."""

import math

import numpy as np
import pytest
import torch

from qontrast.basics.white_noise import complex_white_noise, white_noise

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


def test_bits_are_those_of_numpy():
    bits = np.random.Generator(np.random.SFC64(11)).integers(0, 1 << 16, 5001, dtype=np.uint16)
    levels = white_noise((1 << 20,), 3).unique()
    assert len(levels) == 1 << 16
    assert torch.equal(white_noise((5001,), 11), levels[torch.from_numpy(bits.astype(np.int64))])


def test_real_and_imaginary_parts_are_independent():
    real, imaginary = complex_white_noise((COUNT,), 4).double()
    assert torch.equal(real.float(), white_noise((COUNT,), 4))
    for power in (1, 2, 3):
        for other in (1, 2, 3):
            one, two = (v - v.mean() for v in (real**power, imaginary**other))
            assert abs(float((one * two).mean() / (one.std() * two.std()))) < 4 / math.sqrt(COUNT)
    # The magnitude is Rayleigh's: by Kolmogorov and Smirnov as above, as the imaginary part is normal.
    steps = torch.arange(1, COUNT + 1, dtype=torch.float64) / COUNT
    magnitude = (1 - torch.exp(-0.5 * (real.square() + imaginary.square()))).sort().values
    normal = (0.5 * (1 + torch.erf(imaginary / math.sqrt(2)))).sort().values
    for found in (magnitude, normal):
        assert float((found - steps).abs().max()) < 1.63 / math.sqrt(COUNT)
    angle = ((torch.atan2(imaginary, real) / math.pi + 1) / 2).sort().values
    assert float((angle - steps).abs().max()) < 1.63 / math.sqrt(COUNT)


def test_seeds_that_follow_one_another_are_not_alike():
    together = torch.stack([white_noise((1 << 16,), seed) for seed in range(6)])
    correlations = torch.corrcoef(together) - torch.eye(6)
    assert float(correlations.abs().max()) < 5 / 256
