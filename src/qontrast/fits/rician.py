"""Magnitude noise: the Rician likelihood of a signal, its score, its information, and the noise level of residuals.

A magnitude M of a signal A in complex noise of standard deviation s (per part) has the density
M / s^2 exp(-(M^2 + A^2) / (2 s^2)) I0(M A / s^2); Rice 1944, Gudbjartsson and Patz 1995 (doi:10.1002/mrm.1910340618).
"""

from functools import cache

import numpy as np
from scipy.special import i0e, i1e, ive
from scipy.stats import chi2

_STEP = 1.0 / 64.0
_LARGEST = 32.0  # beyond this ratio of signal to noise the information is that of Gaussian noise within 0.05 %


def expected(amplitude: np.ndarray, sigma: np.ndarray | float) -> np.ndarray:
    """Mean of the magnitude of a signal ``amplitude`` (any shape) in noise ``sigma``, in the same units."""
    half = np.square(amplitude / sigma) / 4.0
    mean: np.ndarray = np.asarray(
        sigma * np.sqrt(np.pi / 2.0) * ((1.0 + 2.0 * half) * ive(0, half) + 2.0 * half * ive(1, half))
    )
    return mean


def in_phase(data: np.ndarray, amplitude: np.ndarray, sigma: np.ndarray | float) -> np.ndarray:
    """The part of a magnitude that is in phase with the signal, in expectation: M I1(x) / I0(x), x = M A / s^2.

    Least squares of a model against it climbs the likelihood (it is the E-step over the unknown phase), and
    (in_phase - A) / s^2 is the score with respect to A.
    """
    x = data * amplitude / np.square(sigma)
    part: np.ndarray = data * i1e(x) / i0e(x)
    return part


def information(snr: np.ndarray) -> np.ndarray:
    """Fisher information of one magnitude about its signal, relative to 1/s^2: 0 without signal, towards 1 with it.

    Args:
        snr: signal over noise, A / s, any shape.
    """
    table = _information_table()
    place = np.minimum(np.abs(snr), _LARGEST - _STEP) / _STEP
    below = place.astype(np.intp)
    return table[below] + (place - below) * (table[below + 1] - table[below])


@cache
def _information_table() -> np.ndarray:
    """E[(m I1/I0(m a) - a)^2] under the density of m, by quadrature, for a = 0, 1/64, ..., 32."""
    snr = np.arange(0.0, _LARGEST + _STEP / 2, _STEP)[:, None]
    deviation = np.arange(-9.0, 9.0, 0.02)[None, :]
    m = np.maximum(snr + deviation, 0.0)
    density = m * np.exp(-0.5 * np.square(m - snr)) * i0e(m * snr)
    score = in_phase(m, np.broadcast_to(snr, m.shape), 1.0) - snr
    table: np.ndarray = (density * np.square(score)).sum(axis=1) / density.sum(axis=1)
    return table


def noise_level(data: np.ndarray, predicted: np.ndarray, parameters: int, sigma: np.ndarray | float) -> float:
    """One step towards the noise level from a fit's residuals: iterate it together with the fit.

    The squared distance of every voxel, less the part of the noise that is out of phase with the signal, is
    sigma^2 times chi-squared with n - p degrees of freedom where the signal is well above the noise; the median over
    voxels shrugs off vessels and motion.

    Args:
        data, predicted: ``[voxel, measurement]``.
        parameters: how many were fitted to each voxel.
        sigma: the present estimate, a number or ``[voxel, 1]``.

    Returns:
        The next estimate.
    """
    return float(np.sqrt(np.median(residual_variance(data, predicted, parameters, sigma))))


def residual_variance(
    data: np.ndarray, predicted: np.ndarray, parameters: int, sigma: np.ndarray | float
) -> np.ndarray:
    """Each voxel's estimate of sigma^2 ``[voxel]``, whose median over voxels is that of the truth."""
    count = data.shape[1]
    squares = np.square(data) + np.square(predicted) - 2.0 * predicted * in_phase(data, predicted, sigma)
    freedom = count - parameters
    total = squares.sum(axis=1) - count * np.square(np.broadcast_to(sigma, (len(data), 1))[:, 0])
    estimate: np.ndarray = np.maximum(total, 0.0) / chi2.median(freedom)
    return estimate
