"""R2*, R1, PD and MTsat of multi-echo FLASH: exact without noise, unbiased and efficient with it."""

import numpy as np
import pytest
import torch

from qontrast.fits.decay import fit_decay
from qontrast.fits.dual_flip import Excitation, fit_dual_flip
from qontrast.fits.methods import MultiParameter
from qontrast.fits.rician import information
from qontrast.fits.spoiling import IDEAL, PUBLISHED, published_spoiling
from qontrast.physics.gradient_echo import SPGR, mt_saturation
from qontrast.physics.tissue import TissueMaps

TIMES = np.concatenate([np.arange(1, 9), np.arange(1, 9), np.arange(1, 7)]) * 2.3e-3
CONTRAST = np.repeat([0, 1, 2], [8, 8, 6])
SIGMA = 40.0


def scans(tr_pd=0.025, tr_t1=0.025):
    return tuple(Excitation(np.deg2rad(a), tr) for a, tr in ((6, tr_pd), (21, tr_t1), (6, tr_pd)))


def tissue(count, seed=5):
    rng = np.random.default_rng(seed)
    draw = {"r1": (0.5, 1.2), "pd": (5000, 8000), "mt": (0.003, 0.018), "r2star": (8, 40), "b1": (0.8, 1.2)}
    return {n: rng.uniform(*limits, count) for n, limits in draw.items()}


def echoes(t, protocol):
    """By the library's own sequence, so that the fit inverts what `qontrast simulate` makes."""
    # A batch of voxels, each with its own angle and saturation on the spot: no transmit field is left to apply.
    r1, pd, r2star = (torch.from_numpy(t[n])[:, None, None, None, None] for n in ("r1", "pd", "r2star"))
    local = torch.from_numpy(mt_saturation(t["mt"], t["b1"]))[:, None, None, None, None]
    maps = TissueMaps(pd=pd, r1=r1, r2star=r2star, mt=local)
    columns = []
    for time, kind in zip(TIMES, CONTRAST, strict=True):
        angle = torch.from_numpy(protocol[kind].flip_angle * t["b1"])
        sequence = SPGR(float(time), protocol[kind].repetition_time, angle, bool(kind == 2))
        columns.append(sequence.signal(maps).reshape(-1).numpy())
    return np.stack(columns, axis=1)


def noisy(signal, sigma, seed=6):
    noise = np.random.default_rng(seed).normal(0, sigma, (2, *signal.shape))
    return np.hypot(signal + noise[0], noise[1])


def fitted(data, sigma, t, protocol, spoiling=IDEAL):
    method = MultiParameter(TIMES, CONTRAST, protocol, spoiling)
    estimate = method.estimate(data, np.full(len(data), sigma), t["b1"])
    assert estimate.converged.all()
    return method.maps(estimate, t["b1"])


@pytest.mark.parametrize("times", [(0.025, 0.025), (0.0237, 0.0187)])
def test_without_noise_the_maps_come_back(times):
    t, protocol = tissue(40), scans(*times)
    maps = fitted(echoes(t, protocol), 1e-3, t, protocol)
    assert maps.valid.all()
    for suffix, name in (("R1map", "r1"), ("PDmap", "pd"), ("MTsat", "mt"), ("R2starmap", "r2star")):
        np.testing.assert_allclose(maps.values[suffix], t[name], rtol=1e-5, err_msg=suffix)


def by_differences(t, protocol, names=("r1", "pd", "mt", "r2star")):
    """Cramer-Rao bounds ``[voxel, 4]`` of numerical derivatives of the library's own signals."""
    slopes = []
    for name in names:
        step = 1e-4 * t[name]
        up, down = ({**t, name: t[name] + s} for s in (step, -step))
        slopes.append((echoes(up, protocol) - echoes(down, protocol)) / (2 * step[:, None]))
    slope, weight = np.stack(slopes, axis=2), information(echoes(t, protocol) / SIGMA) / SIGMA**2
    bound = np.linalg.inv(np.einsum("vnp,vn,vnq->vpq", slope, weight, slope))
    return np.sqrt(np.einsum("vpp->vp", bound))


def test_unbiased_efficient_and_with_honest_errors():
    few, copies, protocol = tissue(20), 800, scans()
    bounds = by_differences(few, protocol)
    signal = np.repeat(echoes(few, protocol), copies, axis=0)
    t = {n: np.repeat(v, copies) for n, v in few.items()}
    maps = fitted(noisy(signal, SIGMA), SIGMA, t, protocol)
    pairs = (("R1map", "r1"), ("PDmap", "pd"), ("MTsat", "mt"), ("R2starmap", "r2star"))
    for column, (suffix, name) in enumerate(pairs):
        error = (maps.values[suffix] - t[name]).reshape(20, copies)
        relative = np.median(error, axis=1) / few[name]
        assert abs(np.median(relative)) < 0.01, suffix
        ratio = 1.4826 * np.median(np.abs(error - np.median(error, axis=1)[:, None]), axis=1) / bounds[:, column]
        assert 0.95 < np.median(ratio) < 1.05, suffix
        z = (error / maps.errors[suffix].reshape(20, copies)).reshape(-1)
        assert 0.95 < 1.4826 * np.median(np.abs(z)) < 1.05, suffix


def test_covariance_of_amplitudes_is_that_of_repetitions():
    few, copies, protocol = tissue(1), 6000, scans()
    data = noisy(np.repeat(echoes(few, protocol), copies, axis=0), SIGMA)
    estimate = fit_decay(data, TIMES, CONTRAST, np.full(copies, SIGMA))
    ratio = np.cov(estimate.values.T) / estimate.covariance.mean(axis=0)
    np.testing.assert_allclose(ratio, 1.0, atol=0.12)


def test_published_spoiling_is_found_by_protocol_and_undone():
    angles = (np.deg2rad(6), np.deg2rad(21))
    spoiling = published_spoiling((0.025, 0.025), angles)
    assert spoiling is PUBLISHED[25.0, 25.0, 6.0, 21.0]
    assert published_spoiling((0.0251, 0.025), angles) is None
    b1, r1 = np.array([0.9, 1.0, 1.13]), np.array([0.7, 0.7, 0.7])
    a, b = spoiling.at(b1)
    apparent = b * r1 / (1 - a * r1)
    assert apparent[2] / r1[2] == pytest.approx(0.954, abs=2e-3)
    two = scans()[:2]
    ratio = [np.sin(s.flip_angle * b1) / (1 - np.cos(s.flip_angle * b1) * np.exp(-0.025 * apparent)) for s in two]
    amplitudes = np.stack(ratio, axis=1)
    found = fit_dual_flip(amplitudes, np.tile(np.eye(2), (3, 1, 1)), two, b1, spoiling=spoiling)
    np.testing.assert_allclose(found.values["r1"], r1, rtol=1e-6)


def test_amplitudes_that_no_r1_explains_are_marked():
    # The T1-weighted signal cannot exceed the PD-weighted by more than the ratio of the sines.
    amplitudes = np.array([[100.0, 400.0], [400.0, 10.0], [400.0, 350.0]])
    found = fit_dual_flip(amplitudes, np.tile(np.eye(2), (3, 1, 1)), scans()[:2], np.ones(3))
    assert found.valid.tolist() == [False, False, True]
    assert found.values["r1"][:2].tolist() == [0, 0]
    assert np.isfinite(found.errors["r1"]).all()


def test_mt_saturation_is_nominal_at_nominal_field_and_grows_with_power():
    b1 = np.array([0.0, 0.5, 1.0, 1.13])
    np.testing.assert_allclose(mt_saturation(np.full(4, 0.01), b1) / 0.01, [0, 0.33333333, 1, 1.1662353], rtol=1e-6)
