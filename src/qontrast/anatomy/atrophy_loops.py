"""The loops of :mod:`qontrast.anatomy.atrophy` and of what it moves."""

import numpy as np

from qontrast.basics.compiled import compiled


@compiled
def dither(
    displacement: np.ndarray,
    wave: tuple[float, float, float],
    first: tuple[int, int, int],
    axis: int,
    last: int,
    out: np.ndarray,
) -> None:
    """Whole voxels along an axis, from 0 to ``last``, that voxels plus ``displacement`` fall into; all ``[x, y, z]``.

    Args:
        displacement: voxels.
        wave: cycles per voxel of the triangle that is added before rounding.
        first: the grid's voxel that comes first in the arrays.
        axis: along which the voxels lie, 0 to 2.
        last: voxel of the grid along the axis.
        out: 32-bit whole numbers.
    """
    a, b, c = np.float32(wave[0]), np.float32(wave[1]), np.float32(wave[2])
    x0, y0, z0 = np.float32(first[0]), np.float32(first[1]), np.float32(first[2])
    turns, half, slope, shift = np.float32(1000.5), np.float32(0.5), np.float32(1.98), np.float32(0.495)
    low, high = np.float32(0), np.float32(last)
    nx, ny, nz = displacement.shape
    for x in range(nx):
        for y in range(ny):
            across = (np.float32(x) + x0) * a + (np.float32(y) + y0) * b
            step = np.float32(1 if axis == 2 else 0)
            start = (np.float32(x) + x0 if axis == 0 else np.float32(y) + y0 if axis == 1 else z0) - shift
            for z in range(nz):
                phase = across + ((np.float32(z) + z0) * c + turns)  # the turns change no fraction
                triangle = abs(phase - np.floor(phase) - half) * slope
                place = np.floor(triangle + displacement[x, y, z] + start + step * np.float32(z) + half)
                out[x, y, z] = np.int32(min(max(place, low), high))


@compiled
def pull(
    values: np.ndarray, x: np.ndarray, y: np.ndarray, z: np.ndarray, first: tuple[int, int, int], out: np.ndarray
) -> None:
    """``values`` ``[a, b, c]`` at voxels ``x``, ``y`` and ``z`` of a grid, of which ``first`` is the array's first."""
    flat, height, width = values.ravel(), np.int32(values.shape[1]), np.int32(values.shape[2])
    x0, y0, z0 = np.int32(first[0]), np.int32(first[1]), np.int32(first[2])
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            for k in range(x.shape[2]):
                n = ((x[i, j, k] - x0) * height + (y[i, j, k] - y0)) * width + (z[i, j, k] - z0)
                out[i, j, k] = flat[np.uint32(n)]
