"""The loop of :mod:`qontrast.basics.spline` on a processor: a cell's eight corners are crossed axis by axis."""

import numpy as np

from qontrast.basics.compiled import compiled


@compiled
def cross_axes(
    values: np.ndarray, x: tuple[np.ndarray, ...], y: tuple[np.ndarray, ...], z: tuple[np.ndarray, ...], out: np.ndarray
) -> None:
    """Trilinear values at each combination of positions along the axes.

    Args:
        values: ``[channel, x, y, z]``.
        x: of each position along the first axis the value before it, the one after it, and how near it is to the
            latter (0 to 1), ``[u]`` each; so are the others.
        y: along the second, ``[v]`` each.
        z: along the third, ``[w]`` each.
        out: the values, ``[channel, u, v, w]``.
    """
    channels, _, across, along = values.shape
    plane, row = np.empty((across, along), values.dtype), np.empty(along, values.dtype)
    before, after, share = z
    for channel in range(channels):
        for i in range(len(x[0])):
            near, far = values[channel, x[0][i]], values[channel, x[1][i]]
            for p in range(across):
                for q in range(along):
                    plane[p, q] = near[p, q] + (far[p, q] - near[p, q]) * x[2][i]
            for j in range(len(y[0])):
                lower, upper = plane[y[0][j]], plane[y[1][j]]
                for q in range(along):
                    row[q] = lower[q] + (upper[q] - lower[q]) * y[2][j]
                line = out[channel, i, j]
                for k in range(len(before)):
                    first = row[before[k]]
                    line[k] = first + (row[after[k]] - first) * share[k]
