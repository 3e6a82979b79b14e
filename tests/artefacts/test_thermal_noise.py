"""Complex noise, Rician after the magnitude."""

import math

import pytest
import torch

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
