"""Complex noise, Rician after the magnitude."""

import math

import pytest
import torch

from qontrast.artefacts.encoding import Encoding
from qontrast.artefacts.kspace import Resolution
from qontrast.artefacts.noise import ComplexNoise, draw_noise
from qontrast.basics.errors import InputError
from qontrast.basics.randomness import derive


def half_bright(level=1.0, edge=24):
    """Signal in one half of the volume, air in the other."""
    signal = torch.zeros(1, 1, edge, edge, edge, dtype=torch.float64)
    signal[:, :, : edge // 2] = level
    return signal


def test_air_is_rayleigh():
    signal, noise = half_bright(), ComplexNoise(snr=20.0, seed=1)
    sigma = float(noise.sigma(signal))
    assert sigma == pytest.approx(1 / 20)
    air = noise(signal).abs()[:, :, 12:]
    assert float(air.mean()) == pytest.approx(sigma * math.sqrt(math.pi / 2), rel=0.03)
    assert float(air.var()) == pytest.approx((2 - math.pi / 2) * sigma**2, rel=0.05)


@pytest.mark.parametrize("snr", [5.0, 20.0, 80.0])
def test_the_stated_snr_is_the_measured_one(snr):
    bright = ComplexNoise(snr, seed=2)(half_bright(level=0.3))[:, :, :12]
    assert float(bright.real.mean() / bright.real.std()) == pytest.approx(snr, rel=0.04)
    assert float(bright.imag.std() / bright.real.std()) == pytest.approx(1.0, abs=0.04)
    both = torch.stack([bright.real.flatten(), bright.imag.flatten()])
    assert abs(float(torch.corrcoef(both)[0, 1])) < 0.06
    if snr >= 20:
        magnitude = bright.abs()
        assert float(magnitude.mean() / magnitude.std()) == pytest.approx(snr, rel=0.04)


@pytest.mark.parametrize("snr", [1.0, 2.0, 4.0])
def test_the_second_moment_is_rician(snr):
    magnitude = ComplexNoise(snr, seed=3)(half_bright()).abs()[:, :, :12]
    assert float(magnitude.square().mean()) == pytest.approx(1 + 2 / snr**2, rel=0.05)


def test_the_snr_does_not_depend_on_how_bright_the_image_is():
    noise = ComplexNoise(10.0, seed=4)
    torch.testing.assert_close(noise(half_bright(700.0)), 700 * noise(half_bright(1.0)))


def test_each_image_of_a_batch_has_its_own_sigma_and_both_components_share_it():
    signal = torch.cat([half_bright(1.0, 8), half_bright(5.0, 8)])
    assert ComplexNoise(10.0, seed=5).sigma(signal).flatten().tolist() == pytest.approx([0.1, 0.5])
    two = torch.cat([half_bright(1.0, 8), -half_bright(0.2, 8)], dim=1)
    noise = ComplexNoise(10.0, seed=5)
    assert noise.sigma(two).flatten().tolist() == pytest.approx([0.1])
    added = noise(two) - two
    assert float(added[:, 1].real.std() / added[:, 0].real.std()) == pytest.approx(1.0, abs=0.2)


def test_infinite_snr_means_no_noise():
    clean = half_bright(edge=8)
    assert torch.equal(ComplexNoise(math.inf, seed=6)(clean).abs(), clean)


def test_the_seed_decides():
    signal = half_bright(edge=8)
    assert torch.equal(ComplexNoise(9.0, 7)(signal), ComplexNoise(9.0, 7)(signal))
    assert not torch.equal(ComplexNoise(9.0, 7)(signal), ComplexNoise(9.0, 8)(signal))
    assert draw_noise(9.0, derive(0)) == draw_noise(9.0, derive(0))
    assert draw_noise(9.0, derive(0)).seed != draw_noise(9.0, derive(1)).seed
    assert draw_noise(9.0, derive(0)).snr == 9.0


@pytest.mark.parametrize("snr", [0.0, -3.0, math.nan])
def test_a_senseless_snr_is_refused(snr):
    with pytest.raises(InputError, match=r"noise: found an SNR of .*a number above 0"):
        ComplexNoise(snr, seed=0)


def moments_of_chi(level, coils, draws=200_000):
    """Mean and mean square of the root of the sum of squares of ``coils`` coils with noise of deviation 1, slowly."""
    generator = derive(5)
    real, imaginary = (torch.randn((coils, draws), generator=generator, dtype=torch.float64) for _ in range(2))
    real += level / math.sqrt(coils)
    power = (real.square() + imaginary.square()).sum(dim=0)
    return float(power.sqrt().mean()), float(power.sqrt().std()), power


@pytest.mark.parametrize("coils", [2, 4, 8, 20, 32, 64])
@pytest.mark.parametrize("snr", [3.0, 20.0])
def test_the_sum_of_squares_of_coils_is_non_central_chi(coils, snr):
    bright = ComplexNoise(snr, 4, coils)(half_bright(edge=40)).abs()[:, :, :20] * snr
    mean, spread, power = moments_of_chi(snr, coils)
    assert float(bright.mean()) == pytest.approx(mean, rel=0.01)
    assert float(bright.std()) == pytest.approx(spread, rel=0.05)
    assert float(bright.square().mean()) == pytest.approx(snr**2 + 2 * coils, rel=0.01)
    shares = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95], dtype=torch.float64)
    found, expected = bright.flatten().quantile(shares), power.sqrt().quantile(shares)
    torch.testing.assert_close(found, expected, rtol=0.01, atol=0.02)


@pytest.mark.parametrize("coils", [1, 8, 32])
def test_air_has_the_floor_of_so_many_coils(coils):
    """sqrt(pi / 2) (2n - 1)!! / (2^(n-1) (n-1)!) sigma (Constantinides et al. 1997)."""
    air = ComplexNoise(10.0, 6, coils)(half_bright(edge=40)).abs()[:, :, 20:]
    floor = math.sqrt(2) * math.exp(math.lgamma(coils + 0.5) - math.lgamma(coils))
    assert float(air.mean()) == pytest.approx(0.1 * floor, rel=0.01)


def test_the_noise_of_two_components_is_independent():
    signal = half_bright().repeat(1, 2, 1, 1, 1)
    added = ComplexNoise(10.0, 7)(signal) - signal
    both = torch.stack([added[:, 0].real.flatten(), added[:, 1].real.flatten()])
    assert abs(float(torch.corrcoef(both)[0, 1])) < 0.03


def test_coils_keep_the_sign_of_the_signal():
    signed = -half_bright()
    assert float(ComplexNoise(20.0, 8, 8)(signed).real[:, :, :12].max()) < 0


def test_no_coil_at_all_is_refused():
    with pytest.raises(InputError, match="found 0 coils"):
        ComplexNoise(10.0, 0, 0)


def test_what_rings_in_air_does_not_change_the_noise():
    """Were the ringing outside of this bright ball taken for signal, the noise would be 0.58 times as strong."""
    place = torch.stack(torch.meshgrid(*[torch.linspace(-1, 1, 40)] * 3, indexing="ij"))
    ball = (place.square().sum(dim=0) < 0.3).float()[None, None]
    coarse = Encoding(tuple(Resolution(axis, 6.0, 2.0) for axis in range(3)))
    noise = torch.stack([(ComplexNoise(20.0, seed)(ball, coarse) - coarse(ball)).real for seed in range(4)])
    assert float(noise.std()) == pytest.approx(1 / 20, rel=0.03)
    assert float(ComplexNoise(20.0, 0).sigma(coarse(ball))) == pytest.approx(0.58 / 20, rel=0.02)
