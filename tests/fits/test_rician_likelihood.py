"""The Rician likelihood: its mean, its information, and noise told from residuals."""

import numpy as np
import pytest

from qontrast.fits.decay import fit_decay
from qontrast.fits.methods import SingleDecay, estimate_noise
from qontrast.fits.noise import difference_noise
from qontrast.fits.rician import expected, in_phase, information


def magnitudes(rng, signal, sigma):
    noise = rng.normal(0, sigma, (2, *np.shape(signal)))
    return np.hypot(signal + noise[0], noise[1])


@pytest.mark.parametrize("snr", [0.0, 0.7, 2.0, 6.0])
def test_mean_and_information_against_samples(snr):
    rng = np.random.default_rng(1)
    m = magnitudes(rng, np.full(400_000, snr), 1.0)
    assert expected(np.array(snr), 1.0) == pytest.approx(m.mean(), abs=4e-3)
    score = in_phase(m, np.full(m.shape, snr), 1.0) - snr
    assert score.mean() == pytest.approx(0.0, abs=5e-3)
    assert information(np.array([snr]))[0] == pytest.approx(np.mean(score**2), abs=8e-3)


def test_information_grows_to_that_of_gaussian_noise():
    snr = np.linspace(0, 60, 400)
    values = information(snr)
    assert values[0] == 0
    assert (np.diff(values) >= -1e-9).all()
    assert values[-1] == pytest.approx(1, abs=1e-3)


def test_noise_is_told_from_residuals_and_outliers_do_not_matter():
    rng = np.random.default_rng(2)
    times = np.arange(1, 9) * 2.3e-3
    signal = 400 * np.exp(-np.outer(rng.uniform(10, 40, 6000), times))
    data = magnitudes(rng, signal, 50.0)
    method = SingleDecay(times, "T2starmap")
    assert estimate_noise(method, data, np.ones(len(data))) == pytest.approx(50, rel=0.02)
    data[:300, 3] += 2000
    assert estimate_noise(method, data, np.ones(len(data))) == pytest.approx(50, rel=0.05)


def test_noise_of_one_image_from_differences():
    rng = np.random.default_rng(3)
    smooth = 100 * np.sin(np.indices((30, 32, 28)).sum(0) / 12)
    image = smooth + rng.normal(0, 3.0, smooth.shape)
    everywhere = np.ones(image.shape, bool)
    assert difference_noise(image, everywhere) == pytest.approx(3.0, rel=0.03)
    image[10:, :, 14:] += 500  # a border
    assert difference_noise(image, everywhere) == pytest.approx(3.0, rel=0.05)
    assert difference_noise(image[:, :, :1], everywhere[:, :, :1]) == pytest.approx(3.0, rel=0.1)
    image[:15] = np.nan
    everywhere[:15] = False
    assert difference_noise(image, everywhere) == pytest.approx(3.0, rel=0.05)
    assert difference_noise(image, np.zeros(image.shape, bool)) == 0.0


def test_decay_of_weak_signals_is_not_lifted_by_the_noise_floor():
    rng = np.random.default_rng(4)
    times = np.arange(1, 13) * 0.01
    data = magnitudes(rng, np.tile(250 * np.exp(-20 * times), (20_000, 1)), 50.0)
    fitted = fit_decay(data, times, np.zeros(12, int), np.full(len(data), 50.0))
    rate = fitted.values[:, 1]
    assert np.median(rate) == pytest.approx(20.0, rel=0.02)
    # The last echo is 23, below the noise of 50: least squares of the magnitudes is far off.
    line = -np.polyfit(times, np.log(data).T, 1)[0]
    assert np.median(line) < 15
