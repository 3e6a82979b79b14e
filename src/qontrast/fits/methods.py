"""Methods that estimate maps from the voxels of a series, each with its errors: arrays in, maps out."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np

from qontrast.fits.decay import fit_decay
from qontrast.fits.dual_flip import Excitation, fit_dual_flip
from qontrast.fits.rician import noise_level
from qontrast.fits.scoring import Estimate
from qontrast.fits.spoiling import IDEAL, Spoiling
from qontrast.fits.variable_flip import FASTEST_R1, SLOWEST_R1, fit_variable_flip

ROUNDS = 12
CLEAR = 3.0  # signal over noise, above which a voxel tells the noise level


@dataclass(frozen=True)
class Maps:
    """Maps of some voxels.

    Args:
        values, errors: by BIDS suffix, ``[voxel]``, 0 where not valid; rates in 1/s, times in s, MTsat a fraction,
            PD in the units of the data.
        valid: where there is an estimate.
    """

    values: dict[str, np.ndarray]
    errors: dict[str, np.ndarray]
    valid: np.ndarray


class Method(ABC):
    """From the measurements of each voxel to maps."""

    parameters: int
    """How many are fitted to each voxel."""

    @abstractmethod
    def estimate(self, data: np.ndarray, sigma: np.ndarray, b1: np.ndarray) -> Estimate:
        """The model's parameters from ``data`` ``[voxel, measurement]`` and ``sigma``, ``b1`` ``[voxel]``."""

    @abstractmethod
    def maps(self, estimate: Estimate, b1: np.ndarray) -> Maps:
        """The maps from the parameters."""


@dataclass(frozen=True)
class MultiParameter(Method):
    """R2*, R1, PD and MTsat of multi-echo FLASH: ESTATICS, then exact dual-flip expressions.

    Args:
        echo_times: s, ``[echo]``.
        contrast: of each echo: 0 PD-weighted, 1 T1-weighted, 2 with MT pulse.
        scans: the protocol of each contrast.
        spoiling: correction of R1.
    """

    echo_times: np.ndarray
    contrast: np.ndarray
    scans: tuple[Excitation, ...]
    spoiling: Spoiling = IDEAL

    @property
    def parameters(self) -> int:  # type: ignore[override]
        """One amplitude a contrast, and R2*."""
        return len(self.scans) + 1

    def estimate(self, data: np.ndarray, sigma: np.ndarray, b1: np.ndarray) -> Estimate:
        """See :func:`fit_decay`."""
        return fit_decay(data, self.echo_times, self.contrast, sigma)

    def maps(self, estimate: Estimate, b1: np.ndarray) -> Maps:
        """R1map, PDmap, R2starmap and, with MT pulse, MTsat; see :func:`fit_dual_flip`."""
        count = len(self.scans)
        mt = self.scans[2] if count > 2 else None
        covariance = estimate.covariance[:, :count, :count]
        scans = (self.scans[0], self.scans[1])
        found = fit_dual_flip(estimate.values[:, :count], covariance, scans, b1, mt, self.spoiling)
        names = {"r1": "R1map", "pd": "PDmap", "mt": "MTsat"}
        values = {names[n]: v for n, v in found.values.items()}
        errors = {names[n]: v for n, v in found.errors.items()}
        values["R2starmap"] = np.where(found.valid, estimate.values[:, -1], 0.0)
        errors["R2starmap"] = np.where(found.valid, np.sqrt(estimate.covariance[:, -1, -1]), 0.0)
        return Maps(values, errors, found.valid)


@dataclass(frozen=True)
class VariableFlip(Method):
    """T1 and PD of FLASH at several flip angles (rad) and repetition times (s), ``[flip]`` each."""

    flip_angles: np.ndarray
    repetition_times: np.ndarray
    parameters: int = field(default=2, init=False)

    def estimate(self, data: np.ndarray, sigma: np.ndarray, b1: np.ndarray) -> Estimate:
        """See :func:`fit_variable_flip`."""
        return fit_variable_flip(data, self.flip_angles, self.repetition_times, sigma, b1)

    def maps(self, estimate: Estimate, b1: np.ndarray) -> Maps:
        """T1map and PDmap (M0 at the echo time)."""
        m0, r1 = estimate.values.T
        valid = (r1 > SLOWEST_R1 * 1.001) & (r1 < FASTEST_R1 * 0.999) & (m0 > 0)
        errors = np.sqrt(np.einsum("vpp->vp", estimate.covariance))
        return _times(r1, errors[:, 1], valid, "T1map", {"PDmap": (m0, errors[:, 0])})


@dataclass(frozen=True)
class SingleDecay(Method):
    """T2 (spin echoes) or T2* (gradient echoes) of one contrast.

    Args:
        echo_times: s, ``[echo]``.
        suffix: ``T2map`` or ``T2starmap``.
    """

    echo_times: np.ndarray
    suffix: str
    parameters: int = field(default=2, init=False)

    def estimate(self, data: np.ndarray, sigma: np.ndarray, b1: np.ndarray) -> Estimate:
        """See :func:`fit_decay`."""
        return fit_decay(data, self.echo_times, np.zeros(len(self.echo_times), dtype=int), sigma)

    def maps(self, estimate: Estimate, b1: np.ndarray) -> Maps:
        """The time; there is none where the rate is not above zero by its standard error."""
        rate, error = estimate.values[:, 1], np.sqrt(estimate.covariance[:, 1, 1])
        return _times(rate, error, rate > error, self.suffix, {})


def _times(
    rate: np.ndarray,
    error: np.ndarray,
    valid: np.ndarray,
    suffix: str,
    others: dict[str, tuple[np.ndarray, np.ndarray]],
) -> Maps:
    safe = np.where(valid, rate, 1.0)
    both = {suffix: (1.0 / safe, error / np.square(safe)), **others}
    values = {n: np.where(valid, v, 0.0) for n, (v, _) in both.items()}
    return Maps(values, {n: np.where(valid, e, 0.0) for n, (_, e) in both.items()}, valid)


def estimate_noise(method: Method, data: np.ndarray, b1: np.ndarray) -> float:
    """Standard deviation of the complex noise (per part) that the residuals of the method's own fit show.

    Args:
        method: with fewer parameters than measurements.
        data: magnitudes of some thousand voxels, ``[voxel, measurement]``.
        b1: relative transmit field, ``[voxel]``.
    """
    sigma = max(0.05 * float(np.median(data)), 1e-30)
    for _ in range(ROUNDS):
        estimate = method.estimate(data, np.full(len(data), sigma), b1)
        clear = estimate.predicted.min(axis=1) > CLEAR * sigma
        use = clear if clear.sum() >= 100 else np.ones(len(data), dtype=bool)
        before = sigma
        sigma = max(noise_level(data[use], estimate.predicted[use], method.parameters, sigma), 1e-30)
        if abs(sigma - before) < 1e-3 * sigma:
            break
    return sigma
