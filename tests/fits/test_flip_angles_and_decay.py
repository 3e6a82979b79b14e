"""T1 from variable flip angles, T2 from echoes: exact without noise, unbiased and efficient with it."""

import numpy as np
import pytest

from qontrast.fits.methods import SingleDecay, VariableFlip
from qontrast.fits.rician import information

FLIPS, TR = np.deg2rad([2, 5, 10, 15, 20, 26]), 0.015


def vfa(m0, r1, b1):
    angle, e = FLIPS * b1[:, None], np.exp(-TR * r1)[:, None]
    return m0[:, None] * np.sin(angle) * (1 - e) / (1 - np.cos(angle) * e)


def noisy(signal, sigma, seed=11):
    noise = np.random.default_rng(seed).normal(0, sigma, (2, *signal.shape))
    return np.hypot(signal + noise[0], noise[1])


def robust(x):
    return 1.4826 * np.median(np.abs(x - np.median(x)))


def test_variable_flip_angles_without_noise():
    t1, b1 = np.geomspace(0.3, 5, 50), np.linspace(0.7, 1.3, 50)
    m0 = np.linspace(500, 5000, 50)
    method = VariableFlip(FLIPS, np.full(6, TR))
    maps = method.maps(method.estimate(vfa(m0, 1 / t1, b1), np.full(50, 1e-4), b1), b1)
    np.testing.assert_allclose(maps.values["T1map"], t1, rtol=1e-5)
    np.testing.assert_allclose(maps.values["PDmap"], m0, rtol=1e-5)


@pytest.mark.parametrize("t1", [0.8, 1.4, 3.0])
def test_variable_flip_angles_with_noise(t1):
    count, sigma, m0 = 20_000, 4.0, 1500.0
    ones = np.ones(count)
    clean = vfa(m0 * ones[:1], ones[:1] / t1, ones[:1])[0]
    data = noisy(np.tile(clean, (count, 1)), sigma)
    method = VariableFlip(FLIPS, np.full(6, TR))
    maps = method.maps(method.estimate(data, sigma * ones, ones), ones)
    found = maps.values["T1map"][maps.valid]
    assert maps.valid.mean() > 0.999
    assert np.median(found) == pytest.approx(t1, rel=0.01)
    h = 1e-4
    slope = np.stack(
        [
            (vfa(m0 * (1 + d) * ones[:1], ones[:1] / (t1 * (1 + e)), ones[:1])[0] - clean) / h
            for d, e in ((h, 0), (0, h))
        ]
    )
    bound = t1 * np.sqrt(np.linalg.inv(slope * information(clean / sigma) / sigma**2 @ slope.T)[1, 1])
    # In the rate the distribution is the more symmetric: compare there.
    assert robust(1 / found) * t1**2 == pytest.approx(bound, rel=0.05)
    z = (1 / found - 1 / t1) / (maps.errors["T1map"][maps.valid] / found**2)
    assert robust(z) == pytest.approx(1.0, abs=0.06)


def test_magnitudes_near_the_noise_do_not_shorten_t1():
    count, ones = 20_000, np.ones(20_000)
    clean = vfa(1500 * ones[:1], ones[:1] / 1.2, ones[:1])[0]
    data = noisy(np.tile(clean, (count, 1)), 15.0)  # the signals are 28 to 68
    method = VariableFlip(FLIPS, np.full(6, TR))
    maps = method.maps(method.estimate(data, 15 * ones, ones), ones)
    assert np.median(1 / maps.values["T1map"][maps.valid]) == pytest.approx(1 / 1.2, rel=0.04)


@pytest.mark.parametrize(("suffix", "step"), [("T2map", 0.012), ("T2starmap", 0.004)])
def test_decay_times_without_noise(suffix, step):
    times = np.arange(1, 9) * step
    truth = np.geomspace(2 * step, 20 * step, 30)
    method = SingleDecay(times, suffix)
    signal = 700 * np.exp(-times / truth[:, None])
    maps = method.maps(method.estimate(signal, np.full(30, 1e-3), np.ones(30)), np.ones(30))
    np.testing.assert_allclose(maps.values[suffix], truth, rtol=1e-5)


def test_decay_times_with_noise_at_the_bound():
    times, sigma, t2, count = np.arange(1, 17) * 0.01, 20.0, 0.08, 20_000
    clean = 600 * np.exp(-times / t2)
    method = SingleDecay(times, "T2map")
    estimate = method.estimate(noisy(np.tile(clean, (count, 1)), sigma), np.full(count, sigma), np.ones(count))
    maps = method.maps(estimate, np.ones(count))
    slope = np.stack([clean / 600, clean * times / t2**2])
    bound = np.sqrt(np.linalg.inv(slope * information(clean / sigma) / sigma**2 @ slope.T)[1, 1])
    assert np.median(maps.values["T2map"]) == pytest.approx(t2, rel=0.01)
    assert robust(maps.values["T2map"]) == pytest.approx(bound, rel=0.04)
    assert robust((maps.values["T2map"] - t2) / maps.errors["T2map"]) == pytest.approx(1.0, abs=0.04)


def test_signals_without_decay_have_no_time():
    times = np.arange(1, 9) * 0.01
    method = SingleDecay(times, "T2map")
    estimate = method.estimate(np.full((1, 8), 500.0), np.ones(1), np.ones(1))
    maps = method.maps(estimate, np.ones(1))
    assert not maps.valid[0]
    assert maps.values["T2map"][0] == 0
