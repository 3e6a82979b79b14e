"""The loop of :mod:`qontrast.anatomy.lesion_levels`: a lesion raises the level and the severity so far."""

import numpy as np

from qontrast.basics.compiled import compiled


@compiled
def rise(
    values: np.ndarray,
    matrix: np.ndarray,
    shift: np.ndarray,
    first: tuple[int, int, int],
    strength: float,
    soft: float,
    top: np.ndarray,
    severity: np.ndarray,
) -> None:
    """Raise ``top`` to a level wherever that is higher, and ``severity`` to the level's own.

    Args:
        values: the level ``[a, b, c]`` on its own grid, 32-bit as everything; zero beyond its voxels.
        matrix: from voxels of the head to the level's grid, ``[3, 3]``.
        shift: the same of the head's first voxel.
        first: the head's voxel that comes first in ``top``.
        strength: the level's severity inside.
        soft: how many levels, about 0.5, it takes to get there from 0.
        top: the highest level so far, ``[x, y, z]``.
        severity: the highest severity so far, likewise.
    """
    na, nb, nc = values.shape
    flat, none, half = values.ravel(), np.float32(0), np.float32(0.5)
    end_a, end_b, end_c = np.float32(na - 1), np.float32(nb - 1), np.float32(nc - 1)
    last_a, last_b, last_c = np.int32(max(na - 2, 0)), np.int32(max(nb - 2, 0)), np.int32(max(nc - 2, 0))
    # To the next sample along each axis; a single one is its own neighbour.
    over_a, over_b, over_c = np.int32(nb * nc * (na > 1)), np.int32(nc * (nb > 1)), np.int32(nc > 1)
    next_a, next_b, next_c = np.uint32(over_a), np.uint32(over_b), np.uint32(over_c)
    slope, whole, own = np.float32(1 / soft), np.float32(1), np.float32(strength)
    for i in range(top.shape[0]):
        x = np.float32(first[0] + i)
        for j in range(top.shape[1]):
            y = np.float32(first[1] + j)
            a0 = matrix[0, 0] * x + matrix[0, 1] * y + shift[0]
            b0 = matrix[1, 0] * x + matrix[1, 1] * y + shift[1]
            c0 = matrix[2, 0] * x + matrix[2, 1] * y + shift[2]
            for k in range(top.shape[2]):
                z = np.float32(first[2] + k)
                a, b, c = a0 + matrix[0, 2] * z, b0 + matrix[1, 2] * z, c0 + matrix[2, 2] * z
                if min(a, b, c) < -half or a > end_a + half or b > end_b + half or c > end_c + half:
                    continue
                a, b, c = min(max(a, none), end_a), min(max(b, none), end_b), min(max(c, none), end_c)
                u, v, w = min(np.int32(a), last_a), min(np.int32(b), last_b), min(np.int32(c), last_c)
                n = np.uint32(u * over_a + v * over_b + w * over_c)
                a, b, c = a - np.float32(u), b - np.float32(v), c - np.float32(w)
                near = _square(flat, n, next_b, next_c, b, c)
                level = near + (_square(flat, n + next_a, next_b, next_c, b, c) - near) * a
                top[i, j, k] = max(top[i, j, k], level)
                share = min(max((level - half) * slope + half, none), whole)
                severity[i, j, k] = max(severity[i, j, k], own * share)


@compiled
def _square(values: np.ndarray, n: int, over: int, on: int, b: float, c: float) -> float:
    """Four corners of a cell's face, by shares of a step along both axes."""
    near = values[n] + (values[n + on] - values[n]) * c
    far = values[n + over] + (values[n + over + on] - values[n + over]) * c
    return near + (far - near) * b
