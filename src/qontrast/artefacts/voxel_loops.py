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
