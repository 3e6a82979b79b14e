"""Maximum likelihood of a signal model in every voxel at once, by Fisher scoring on the Rician likelihood."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qontrast.fits.rician import in_phase, information

Model = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Parameters ``[voxel, parameter]`` to signals ``[voxel, measurement]`` and their derivatives by the parameters."""

LEAST_WEIGHT = 0.3
"""Weights below make steps too long where there is hardly any signal; the fixed point does not depend on them."""


@dataclass(frozen=True)
class Estimate:
    """What was estimated in each voxel.

    Args:
        values: ``[voxel, parameter]``.
        covariance: inverse Fisher information at the estimate, ``[voxel, parameter, parameter]``.
        predicted: the model's signals, ``[voxel, measurement]``.
        converged: where the last step was below a thousandth of the standard error, ``[voxel]``.
    """

    values: np.ndarray
    covariance: np.ndarray
    predicted: np.ndarray
    converged: np.ndarray


def maximise(
    model: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    data: np.ndarray,
    start: np.ndarray,
    sigma: np.ndarray,
    *,
    bounds: tuple[np.ndarray, np.ndarray],
    iterations: int = 40,
    tolerance: float = 1e-3,
) -> Estimate:
    """Maximise the Rician likelihood.

    Args:
        model: of parameters ``[voxel, parameter]`` and the voxels' indices ``[voxel]``; returns signals
            ``[voxel, measurement]`` and derivatives ``[voxel, measurement, parameter]``.
        data: magnitudes ``[voxel, measurement]``.
        start: ``[voxel, parameter]``.
        sigma: of the noise, ``[voxel]``, in the units of ``data``.
        bounds: lowest and highest value of each parameter, ``[parameter]`` each.
        iterations: at most.
        tolerance: a voxel is done when no parameter moves by more than this share of its standard error.

    Returns:
        The estimate; the covariance is infinite where the data say nothing.
    """
    values = np.clip(start, *bounds).astype(np.float64)
    active = np.arange(len(data))
    for _ in range(iterations):
        signal, slope = model(values[active], active)
        noise = sigma[active, None]
        weight = np.maximum(information(signal / noise), LEAST_WEIGHT) / noise**2
        residual = (in_phase(data[active], signal, noise) - signal) / noise**2
        gradient = np.einsum("vnp,vn->vp", slope, residual)
        step, variance = _solve(_normal(slope, weight), gradient)
        before = values[active]
        values[active] = np.clip(before + step, *bounds)
        moved = np.abs(values[active] - before)
        active = active[(moved > tolerance * np.sqrt(variance)).any(axis=1)]
        if not len(active):
            break
    converged = np.ones(len(data), dtype=bool)
    converged[active] = False
    signal, slope = model(values, np.arange(len(data)))
    noise = sigma[:, None]
    covariance = _inverse(_normal(slope, information(signal / noise) / noise**2))
    return Estimate(values, covariance, signal, converged)


def _normal(slope: np.ndarray, weight: np.ndarray) -> np.ndarray:
    weighted = slope * weight[:, :, None]
    return np.swapaxes(weighted, 1, 2) @ slope


def _scaled(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The matrix with a unit diagonal, a little heavier so that it can be inverted, and the scale of each parameter."""
    scale = np.sqrt(np.maximum(np.einsum("vpp->vp", matrix), 1e-300))
    unit = matrix / (scale[:, :, None] * scale[:, None, :])
    return unit + 1e-10 * np.eye(matrix.shape[1]), scale


def _solve(matrix: np.ndarray, gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The step, and the variance of each parameter given the others, which is of the order of its error."""
    unit, scale = _scaled(matrix)
    step = np.linalg.solve(unit, (gradient / scale)[:, :, None])[:, :, 0] / scale
    return step, 1.0 / scale**2


def _inverse(matrix: np.ndarray) -> np.ndarray:
    unit, scale = _scaled(matrix)
    inverse: np.ndarray = np.linalg.inv(unit) / (scale[:, :, None] * scale[:, None, :])
    return inverse
