"""The loops of :mod:`qontrast.basics.spline` on a processor, row by row."""

import numpy as np

from qontrast.basics.compiled import compiled


@compiled
def cross_axes(
    values: np.ndarray, x: tuple[np.ndarray, ...], y: tuple[np.ndarray, ...], z: tuple[np.ndarray, ...], out: np.ndarray
) -> None:
    """Trilinear values at each combination of positions along the axes, crossed axis by axis.

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


@compiled
def blend_rows(
    rows: np.ndarray,
    weights: np.ndarray,
    edges: np.ndarray,
    start: np.ndarray,
    stop: np.ndarray,
    out: np.ndarray,
    ends: np.ndarray,
) -> None:
    """The part of each row that is wanted, four control values at a time.

    Args:
        rows: control values along the last axis, ``[x, y, k]``.
        weights: of the four control values about each voxel, ``[4, z]``.
        edges: the voxel from which each control value is the first of the four, ``[k - 2]``; the last is the end.
        start: first voxel of each row, ``[x, y]``.
        stop: one past the last.
        out: the values, ``[x, y, z]``; left as it is beyond the rows' parts.
        ends: the lowest and the highest value so far at each voxel of a row, ``[2, z]``.
    """
    for x in range(rows.shape[0]):
        for y in range(rows.shape[1]):
            control, line = rows[x, y], out[x, y]
            for k in range(len(edges) - 1):
                a, b, c, d = control[k], control[k + 1], control[k + 2], control[k + 3]
                for z in range(max(edges[k], start[x, y]), min(edges[k + 1], stop[x, y])):
                    value = a * weights[0, z] + b * weights[1, z] + c * weights[2, z] + d * weights[3, z]
                    line[z] = value
                    ends[0, z] = min(ends[0, z], value)
                    ends[1, z] = max(ends[1, z], value)
