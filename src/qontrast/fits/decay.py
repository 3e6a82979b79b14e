"""Decay over echoes: one rate in each voxel, one amplitude for each contrast.

S_k(TE) = A_k exp(-TE R). With several contrasts that share R2* this is ESTATICS: Weiskopf et al. 2014
(doi:10.3389/fnins.2014.00278); with one it is the mono-exponential fit of T2 or T2*.
"""

import numpy as np

from qontrast.fits.scoring import Estimate, maximise

FASTEST_RATE = 5000.0  # 1/s: T2 of 0.2 ms, below the first echo of any imaging sequence


def fit_decay(data: np.ndarray, echo_times: np.ndarray, contrast: np.ndarray, sigma: np.ndarray) -> Estimate:
    """Maximum-likelihood amplitudes and rate under Rician noise.

    The rate is free to fall below zero, as noise makes it where there is hardly any decay: a limit would bias its mean.

    Args:
        data: magnitudes ``[voxel, echo]``, the echoes of all contrasts.
        echo_times: s, ``[echo]``.
        contrast: of each echo, 0 to K - 1, ``[echo]``.
        sigma: of the noise, ``[voxel]``.

    Returns:
        ``values`` ``[voxel, K + 1]``: K amplitudes at TE = 0 in the units of the data, then the rate in 1/s.
    """
    member = (contrast[:, None] == np.arange(contrast.max() + 1)).astype(np.float64)
    slowest = -1.0 / (echo_times.max() - echo_times.min())

    def model(values: np.ndarray, _: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        decay = np.exp(-values[:, -1:] * echo_times)
        signal = values[:, :-1] @ member.T * decay
        return signal, np.concatenate((decay[:, :, None] * member, -(echo_times * signal)[:, :, None]), axis=2)

    amplitudes = member.shape[1]
    # An amplitude of 0 is a stationary point of the likelihood: it stays a little above.
    low = np.array([*[1e-3 * float(np.median(sigma))] * amplitudes, slowest])
    high = np.array([*[np.inf] * amplitudes, FASTEST_RATE])
    return maximise(model, data, start_of_decay(data, echo_times, member, sigma), sigma, bounds=(low, high))


def start_of_decay(data: np.ndarray, echo_times: np.ndarray, member: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Weighted log-linear least squares ``[voxel, K + 1]``, weights M^2, with the noise's power taken off."""
    power = np.maximum(np.square(data) - np.square(sigma[:, None]), np.square(0.3 * sigma[:, None]))
    log, weight = 0.5 * np.log(power), power
    mass = weight @ member
    centre = ((weight * log) @ member) / mass
    middle = ((weight * echo_times) @ member) / mass
    x, y = echo_times - middle @ member.T, log - centre @ member.T
    rate = -(weight * x * y).sum(axis=1) / (weight * x * x).sum(axis=1)
    amplitude = np.exp(np.clip(centre + middle * rate[:, None], -60.0, 60.0))
    return np.concatenate((amplitude, rate[:, None]), axis=1)
