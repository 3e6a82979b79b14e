"""What is done to every voxel of an image by itself, in one pass each."""

import numpy as np

from qontrast.basics.compiled import compiled
from qontrast.basics.polynomial import fitted

_LN2 = float(np.log(2.0))
_LN2_HIGH = 0.693359375
_LN2_LOW = _LN2 - _LN2_HIGH
"""The first part has so few digits that some hundred times as much is exact in single precision."""
_E0, _E1, _E2, _E3, _E4, _E5, _E6 = fitted(np.exp, -0.35, 0.35, 6)
"""exp(x) up to half of ln 2: exact to 1e-9."""
_MOST = 87.0  # beyond it exp(x) is not finite, or not normal, in single precision
_CHUNK = 1 << 12  # voxels at a time
_S0, _S1, _S2, _S3 = fitted(lambda square: np.sinc(np.sqrt(square) / np.pi), 0.0, (np.pi / 4) ** 2, 3)
"""sin(x) / x as a polynomial of the square, exact to 3e-9 up to an eighth of a turn."""
_C0, _C1, _C2, _C3, _C4 = fitted(lambda square: np.cos(np.sqrt(square)), 0.0, (np.pi / 4) ** 2, 4)
"""cos(x) likewise, exact to 1e-10."""
_QUARTER_HIGH = 1.5703125
_QUARTER_LOW = np.pi / 2 - _QUARTER_HIGH
"""A quarter turn; the first part has so few digits that some thousand times as much is exact in single precision."""


@compiled
def shade(image: np.ndarray, log_gain: np.ndarray, out: np.ndarray) -> None:
    """Multiply by the exponential of a gain's logarithm, all in single precision.

    Args:
        image: ``[image, voxel]``.
        log_gain: from -87 to 87, ``[voxel]``.
        out: as the image.
    """
    real = log_gain.dtype.type
    bits, gain = np.empty(_CHUNK, np.int32), np.empty(_CHUNK, np.float32)
    scale = bits.view(np.float32)
    for start in range(0, len(log_gain), _CHUNK):
        given = log_gain[start : start + _CHUNK]
        for k in range(len(given)):
            x = min(max(given[k], real(-_MOST)), real(_MOST))
            turns = np.floor(x * real(1.0 / _LN2) + real(0.5))
            x = (x - turns * real(_LN2_HIGH)) - turns * real(_LN2_LOW)
            share = real(_E3) + x * (real(_E4) + x * (real(_E5) + x * real(_E6)))
            gain[k] = real(_E0) + x * (real(_E1) + x * (real(_E2) + x * share))
            bits[k] = (np.int32(turns) + np.int32(127)) << np.int32(23)  # the power of two with this exponent
        for k in range(len(given)):
            gain[k] *= scale[k]
        for n in range(len(image)):
            before, after = image[n, start : start + _CHUNK], out[n, start : start + _CHUNK]
            for k in range(len(before)):
                after[k] = before[k] * gain[k]


@compiled
def turn(image: np.ndarray, phase: np.ndarray, real: np.ndarray, imaginary: np.ndarray) -> None:
    """Multiply real images by exp(i phase), all in single precision.

    Args:
        image: ``[image, voxel]``.
        phase: rad, ``[voxel]``.
        real: as the image: what comes of it, its real part.
        imaginary: likewise, its imaginary part.
    """
    single = phase.dtype.type
    for i in range(len(image)):
        before, cosines, sines = image[i], real[i], imaginary[i]
        for k in range(len(phase)):
            quarters = np.floor(phase[k] * single(2.0 / np.pi) + single(0.5))
            x = (phase[k] - quarters * single(_QUARTER_HIGH)) - quarters * single(_QUARTER_LOW)
            square = x * x
            sine = x * (single(_S0) + square * (single(_S1) + square * (single(_S2) + square * single(_S3))))
            cosine = single(_C2) + square * (single(_C3) + square * single(_C4))
            cosine = single(_C0) + square * (single(_C1) + square * cosine)
            n = np.int32(quarters)
            across, along = (sine, cosine) if n & 1 else (cosine, sine)
            cosines[k] = before[k] * (-across if (n + 1) & 2 else across)
            sines[k] = before[k] * (-along if n & 2 else along)


@compiled
def take_magnitude(real: np.ndarray, imaginary: np.ndarray) -> None:
    """Put the magnitude of ``[voxel]`` into the real part."""
    for k in range(len(real)):
        real[k] = np.sqrt(real[k] * real[k] + imaginary[k] * imaginary[k])


@compiled
def take_phase(real: np.ndarray, imaginary: np.ndarray, cosine: np.ndarray, sine: np.ndarray) -> None:
    """Project ``real + i imaginary`` onto the direction of ``cosine + i sine``, of any length, all ``[voxel]``.

    It is done in place; where the direction is 0 so is what comes out.
    """
    least = np.finfo(np.float32).tiny
    for k in range(len(real)):
        x, y = cosine[k], sine[k]
        size = (real[k] * x + imaginary[k] * y) / max(x * x + y * y, least)
        real[k], imaginary[k] = x * size, y * size
