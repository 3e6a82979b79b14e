"""R1, PD and MT saturation from the amplitudes of spoiled gradient echoes at two flip angles, with exact expressions.

With E = exp(-TR R1) an amplitude is PD sin(a) (1 - E) / (1 - cos(a) E) (Ernst and Anderson 1966,
doi:10.1063/1.1719961), and with MT pulse PD sin(a) k (1 - E) / (1 - k cos(a) E), k = 1 - MT saturation.
Helms et al. 2008 (doi:10.1002/mrm.21542 and doi:10.1002/mrm.21732) solve it for small angles; here those solutions are
only the start.
"""

from dataclasses import dataclass

import numpy as np

from qontrast.fits.spoiling import IDEAL, Spoiling
from qontrast.physics.gradient_echo import mt_saturation

FASTEST_R1 = 20.0  # 1/s


@dataclass(frozen=True)
class Excitation:
    """One contrast's protocol: flip angle (rad, nominal) and repetition time (s)."""

    flip_angle: float
    repetition_time: float


@dataclass(frozen=True)
class Saturations:
    """Maps from amplitudes, ``[voxel]`` each, with their standard errors.

    Args:
        values, errors: by name: ``r1`` (1/s), ``pd`` (units of the data), ``mt`` (fraction) if there was an MT pulse.
        valid: where the amplitudes lie in the range that the model can reach; elsewhere values and errors are 0.
    """

    values: dict[str, np.ndarray]
    errors: dict[str, np.ndarray]
    valid: np.ndarray


def saturation_recovery(r1: np.ndarray, angle: np.ndarray, tr: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """The amplitude in units of PD without MT pulse, and the derivative of its logarithm by R1 (s)."""
    e, gone = np.exp(-tr * r1), -np.expm1(-tr * r1)
    left = 1.0 - np.cos(angle) * e
    return np.sin(angle) * gone / left, tr * e * (1.0 - np.cos(angle)) / (gone * left)


def fit_dual_flip(
    amplitudes: np.ndarray,
    covariance: np.ndarray,
    scans: tuple[Excitation, Excitation],
    b1: np.ndarray,
    mt_scan: Excitation | None = None,
    spoiling: Spoiling = IDEAL,
) -> Saturations:
    """R1, PD and MT saturation, with errors by the delta method.

    Args:
        amplitudes: at TE = 0, ``[voxel, 2 or 3]``: PD-weighted, T1-weighted, and with MT pulse.
        covariance: theirs, ``[voxel, 2 or 3, 2 or 3]``.
        scans: the protocols of the first two.
        b1: transmit field relative to nominal, ``[voxel]``.
        mt_scan: that of the third.
        spoiling: the correction of R1; PD and MT saturation then follow from the corrected R1 and the T1-weighted
            amplitude.
    """
    t1w = scans[1]
    apparent, by_log_ratio, valid = _r1_of_ratio(amplitudes, scans, b1)
    a, b = spoiling.at(b1)
    r1 = apparent / (a * apparent + b)
    valid &= (r1 > 0) & (r1 < FASTEST_R1)
    r1 = np.where(valid, r1, 1.0)
    slope = by_log_ratio * b / np.square(a * apparent + b)
    zero = np.zeros_like(r1)
    r1_by = np.stack((-slope / amplitudes[:, 0], slope / amplitudes[:, 1], zero)[: amplitudes.shape[1]], axis=1)
    gain, log_slope = saturation_recovery(r1, t1w.flip_angle * b1, t1w.repetition_time)
    pd = amplitudes[:, 1] / gain
    pd_by = -(pd * log_slope)[:, None] * r1_by
    pd_by[:, 1] += 1.0 / gain
    values, gradients = {"r1": r1, "pd": pd}, {"r1": r1_by, "pd": pd_by}
    if mt_scan is not None:
        values["mt"], gradients["mt"] = _saturation(amplitudes[:, 2], r1, r1_by, pd, pd_by, mt_scan, b1)
    errors = {n: np.sqrt(np.maximum(np.einsum("vi,vij,vj->v", g, covariance, g), 0.0)) for n, g in gradients.items()}
    return Saturations(
        {n: np.where(valid, v, 0.0) for n, v in values.items()},
        {n: np.where(valid, e, 0.0) for n, e in errors.items()},
        valid,
    )


def _r1_of_ratio(
    amplitudes: np.ndarray, scans: tuple[Excitation, Excitation], b1: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """R1 of the ratio of both amplitudes, its derivative by the logarithm of T1w over PDw, and where there is one."""
    pdw, t1w = scans
    angle_pd, angle_t1 = pdw.flip_angle * b1, t1w.flip_angle * b1
    log_ratio = np.log(np.maximum(amplitudes[:, 1], 1e-30) / np.maximum(amplitudes[:, 0], 1e-30))

    def reach(r1: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        t1, t1_slope = saturation_recovery(r1, angle_t1, t1w.repetition_time)
        pd, pd_slope = saturation_recovery(r1, angle_pd, pdw.repetition_time)
        return np.log(t1 / pd) - log_ratio, t1_slope - pd_slope

    slowest, fastest = np.full_like(b1, 1e-3), np.full_like(b1, 2 * FASTEST_R1)
    valid = (reach(slowest)[0] < 0) & (reach(fastest)[0] > 0) & (amplitudes[:, :2] > 0).all(axis=1)
    # Helms' rational approximation of both amplitudes.
    small_pd, small_t1 = amplitudes[:, 0] / angle_pd, amplitudes[:, 1] / angle_t1
    rate = 0.5 * (amplitudes[:, 1] * angle_t1 / t1w.repetition_time - amplitudes[:, 0] * angle_pd / pdw.repetition_time)
    difference = small_pd - small_t1
    r1 = np.clip(np.divide(rate, difference, out=np.ones_like(rate), where=difference > 0), 0.01, FASTEST_R1)
    for _ in range(12):
        wrong, slope = reach(r1)
        # In log R1 the step cannot leave the positive numbers.
        r1 = np.clip(r1 * np.exp(np.clip(-wrong / (slope * r1), -1.0, 1.0)), 1e-3, 2 * FASTEST_R1)
    return r1, 1.0 / reach(r1)[1], valid


def _saturation(
    amplitude: np.ndarray,
    r1: np.ndarray,
    r1_by: np.ndarray,
    pd: np.ndarray,
    pd_by: np.ndarray,
    scan: Excitation,
    b1: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """MT saturation at nominal transmit field, and its derivative by the three amplitudes."""
    angle, e = scan.flip_angle * b1, np.exp(-scan.repetition_time * r1)
    sine, cosine, gone = np.sin(angle), np.cos(angle), -np.expm1(-scan.repetition_time * r1)
    whole = pd * sine * gone + amplitude * cosine * e
    kept = amplitude / whole
    kept_by_r1 = -kept / whole * scan.repetition_time * e * (pd * sine - amplitude * cosine)
    kept_by = kept_by_r1[:, None] * r1_by + (-kept / whole * sine * gone)[:, None] * pd_by
    kept_by[:, 2] += (1.0 - kept * cosine * e) / whole
    unit = mt_saturation(np.ones_like(b1), b1)
    return (1.0 - kept) / unit, -kept_by / unit[:, None]
