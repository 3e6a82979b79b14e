"""Precession in the static field, voxel by voxel: what takes a dozen operations on whole tensors is one pass here."""

import math

import numpy as np

from qontrast.basics.compiled import compiled
from qontrast.basics.polynomial import fitted

_ONE, _TWO, _LEAST = np.float32(1), np.float32(2), np.float32(1e-9)
_HALF = np.float32(0.5)
_S0, _S1, _S2, _S3, _S4, _S5, _S6, _S7 = (
    np.float32(c) for c in fitted(lambda s: np.sin(2 * math.pi * np.sqrt(s)) / np.sqrt(s), 0.0, 0.25, 7)
)
_C0, _C1, _C2, _C3, _C4, _C5, _C6, _C7 = (
    np.float32(c) for c in fitted(lambda s: np.cos(2 * math.pi * np.sqrt(s)), 0.0, 0.25, 7)
)
"""Sine over angle, and cosine, as polynomials of the squared angle (turns, up to half a turn): exact to 1e-7."""


@compiled
def wind(steady: np.ndarray, b0: np.ndarray, echo_time: float, real: np.ndarray, imaginary: np.ndarray) -> None:
    """Turn a real signal by the phase that it gathers until the echo, clockwise as a gradient echo's.

    Args:
        steady: the signal, ``[1, voxel]``.
        b0: off-resonance, Hz, ``[voxel]``.
        echo_time: seconds.
        real: part of the signal, ``[voxel]``.
        imaginary: the other.
    """
    turns, signal = np.float32(-echo_time), steady[0]
    for i in range(len(b0)):
        sine, cosine = _waves(turns * b0[i])
        real[i], imaginary[i] = signal[i] * cosine, signal[i] * sine


@compiled
def balance(
    steady: np.ndarray,
    b0: np.ndarray,
    repetition_time: float,
    echo_time: float,
    increment: float,
    real: np.ndarray,
    imaginary: np.ndarray,
) -> None:
    """The balanced steady state at any off-resonance.

    Args:
        steady: what does not depend on that, ``[4, voxel]``; see :meth:`qontrast.physics.balanced.BSSFP.steady`.
        b0: off-resonance, Hz, ``[voxel]``.
        repetition_time: seconds.
        echo_time: seconds.
        increment: of the pulse's phase, turns.
        real: part of the signal, ``[voxel]``.
        imaginary: the other.
    """
    half, start, wound = np.float32(0.5 * repetition_time), np.float32(0.5 * increment), np.float32(echo_time)
    top, lost, least, growth = steady[0], steady[1], steady[2], steady[3]
    for i in range(len(b0)):
        sine, cosine = _waves(half * b0[i] + start)
        risen = _TWO * sine * sine  # 1 - cos(t)
        size = top[i] / max(least[i] + growth[i] * risen, _LEAST)
        x, y = size * (_ONE - lost[i] + lost[i] * risen), size * _TWO * lost[i] * sine * cosine
        sine, cosine = _waves(wound * b0[i])
        real[i], imaginary[i] = x * cosine - y * sine, x * sine + y * cosine


@compiled
def _waves(turns: float) -> tuple[float, float]:
    """Sine and cosine of an angle in turns."""
    angle = turns - np.floor(turns + _HALF)
    s = angle * angle
    sine = _S6 + s * _S7
    sine = _S4 + s * (_S5 + s * sine)
    sine = _S2 + s * (_S3 + s * sine)
    sine = _S0 + s * (_S1 + s * sine)
    cosine = _C6 + s * _C7
    cosine = _C4 + s * (_C5 + s * cosine)
    cosine = _C2 + s * (_C3 + s * cosine)
    cosine = _C0 + s * (_C1 + s * cosine)
    return angle * sine, cosine
