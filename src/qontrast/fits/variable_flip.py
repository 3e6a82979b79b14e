"""T1 and PD from spoiled gradient echoes at several flip angles: maximum likelihood, started by DESPOT1.

S_i = M0 sin(a_i) (1 - E) / (1 - cos(a_i) E), E = exp(-TR R1): Fram et al. 1987 (doi:10.1016/0730-725X(87)90021-X),
Deoni et al. 2003 (doi:10.1002/mrm.10407).
"""

import numpy as np

from qontrast.fits.dual_flip import FASTEST_R1, saturation_recovery
from qontrast.fits.scoring import Estimate, maximise

SLOWEST_R1 = 0.02  # 1/s


def fit_variable_flip(
    data: np.ndarray, flip_angles: np.ndarray, repetition_times: np.ndarray, sigma: np.ndarray, b1: np.ndarray
) -> Estimate:
    """Maximum-likelihood amplitude and R1 under Rician noise.

    Args:
        data: magnitudes ``[voxel, flip]``.
        flip_angles: nominal, rad, ``[flip]``.
        repetition_times: s, ``[flip]``.
        sigma: of the noise, ``[voxel]``.
        b1: transmit field relative to nominal, ``[voxel]``.

    Returns:
        ``values`` ``[voxel, 2]``: M0 exp(-TE R2*) in the units of the data, and R1 in 1/s.
    """
    angles = flip_angles * b1[:, None]

    def model(values: np.ndarray, voxel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gain, slope = saturation_recovery(values[:, 1:], angles[voxel], repetition_times)
        signal = values[:, :1] * gain
        return signal, np.stack((gain, signal * slope), axis=2)

    low = np.array([1e-3 * float(np.median(sigma)), SLOWEST_R1])
    high = np.array([np.inf, FASTEST_R1])
    return maximise(model, data, despot1(data, angles, repetition_times), sigma, bounds=(low, high))


def despot1(data: np.ndarray, angles: np.ndarray, repetition_times: np.ndarray) -> np.ndarray:
    """Amplitude and R1 ``[voxel, 2]`` from the line S / sin(a) = E S / tan(a) + M0 (1 - E), weighted by sin(a)^2.

    Noise can tilt the line to an impossible E; R1 then starts from the limits. With different TRs the mean is taken:
    this is a start.
    """
    y, x, weight = data / np.sin(angles), data / np.tan(angles), np.square(np.sin(angles))
    total = weight.sum(axis=1, keepdims=True)
    dy = y - (weight * y).sum(axis=1, keepdims=True) / total
    dx = x - (weight * x).sum(axis=1, keepdims=True) / total
    spread = (weight * dx * dx).sum(axis=1)
    e = np.divide((weight * dx * dy).sum(axis=1), spread, out=np.full(len(data), 0.99), where=spread > 0)
    tr = float(repetition_times.mean())
    r1 = -np.log(np.clip(e, np.exp(-tr * 5.0), np.exp(-tr * 0.1))) / tr
    gain, _ = saturation_recovery(r1[:, None], angles, repetition_times)
    return np.stack(((data * gain).sum(axis=1) / np.square(gain).sum(axis=1), r1), axis=1)
