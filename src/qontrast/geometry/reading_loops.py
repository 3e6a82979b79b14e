"""The loops of :mod:`qontrast.geometry.reading` on a processor: row by row, so that what is prepared stays in registers
and the first-level cache. The rows of a turned grid cross a block's, so that each is asked for before it is read."""

import numpy as np

from qontrast.basics.compiled import compiled
from qontrast.basics.prefetch import prefetch

_STEP = 2  # points: those between share their neighbours' lines of memory as a rule
_ZERO, _NEXT = np.int32(0), np.int32(1)  # of 32 bits: half as many fit a vector register otherwise


@compiled
def read_rows(
    block: np.ndarray, x: np.ndarray, y: np.ndarray, z: np.ndarray, first: tuple[int, int, int], out: np.ndarray
) -> None:
    """Trilinear values of a block that zeros surround.

    Args:
        block: ``[channel, x, y, z]``.
        x: the points' first coordinates, ``[row, point]``; so are the others.
        y: the second.
        z: the third.
        first: coordinates of the block's first voxel.
        out: the values, ``[channel, row, point]``.
    """
    channels, nx, ny, nz = block.shape
    rows, count = x.shape
    values, size = block.ravel(), nx * ny * nz
    real = block.dtype.type
    x0, y0, z0 = real(first[0]), real(first[1]), real(first[2])
    corners, shares = np.empty((2, count), np.int32), np.empty((2, 3, count), block.dtype)
    ends, weights = np.empty((6, count), np.int32), np.empty((6, count), block.dtype)
    over_x, over_y = np.uint64(ny * nz), np.uint64(nz)
    start, shape = (x0, y0, z0), (nx, ny, nz)
    inside = rows > 0 and _cells(x[0], y[0], z[0], start, shape, corners[0], shares[0])
    for r in range(rows):
        now, soon = r % 2, (r + 1) % 2
        next_inside = False
        if r + 1 < rows:
            next_inside = _cells(x[r + 1], y[r + 1], z[r + 1], start, shape, corners[soon], shares[soon])
        if not inside:
            _ends(x[r], x0, nx, ny * nz, ends[0], ends[1], weights[0], weights[1])
            _ends(y[r], y0, ny, nz, ends[2], ends[3], weights[2], weights[3])
            _ends(z[r], z0, nz, 1, ends[4], ends[5], weights[4], weights[5])
        for channel in range(channels):
            offset, line = np.uint64(channel * size), out[channel, r]
            if next_inside:
                _ask(values, corners[soon], offset, over_x, over_y)
            if inside:
                _read(values, corners[now], shares[now], offset, over_x, over_y, line)
            else:
                for k in range(count):
                    total = real(0)
                    for side in range(2):
                        for up in range(2, 4):
                            n = np.uint64(ends[side, k] + ends[up, k]) + offset
                            value = values[n + np.uint64(ends[4, k])] * weights[4, k]
                            value += values[n + np.uint64(ends[5, k])] * weights[5, k]
                            total += weights[side, k] * weights[up, k] * value
                    line[k] = total
        inside = next_inside


@compiled
def read_affine(block: np.ndarray, matrix: np.ndarray, shift: np.ndarray, out: np.ndarray) -> None:
    """Trilinear values of a block whose borders go on for ever, at the voxels of a grid that lies askew to it.

    Args:
        block: ``[channel, x, y, z]``, two voxels or more along each axis.
        matrix: from the grid's voxels to the block's, ``[3, 3]``.
        shift: where the grid's first voxel lies in the block.
        out: the values, ``[channel, u, v, w]``.
    """
    channels, nx, ny, nz = block.shape
    us, vs, count = out.shape[1:]
    values, size = block.ravel(), nx * ny * nz
    real = block.dtype.type
    points = np.empty((3, count), block.dtype)
    corners, shares = np.empty((2, count), np.int32), np.empty((2, 3, count), block.dtype)
    over_x, over_y = np.uint64(ny * nz), np.uint64(nz)
    start, shape = (real(0), real(0), real(0)), (nx, ny, nz)
    for r in range(us * vs + 1):  # a row is asked for in one turn and read in the next
        now, soon = (r + 1) % 2, r % 2
        if r < us * vs:
            for axis in range(3):
                first = matrix[axis, 0] * real(r // vs) + matrix[axis, 1] * real(r % vs) + shift[axis]
                step, most = matrix[axis, 2], real(shape[axis] - 1)
                for k in range(count):
                    points[axis, k] = min(max(first + step * real(k), real(0)), most)
            _cells(points[0], points[1], points[2], start, shape, corners[soon], shares[soon])
        for channel in range(channels):
            offset = np.uint64(channel * size)
            if r < us * vs:
                _ask(values, corners[soon], offset, over_x, over_y)
            if r > 0:
                line = out[channel, (r - 1) // vs, (r - 1) % vs]
                _read(values, corners[now], shares[now], offset, over_x, over_y, line)


@compiled
def _cells(
    p: np.ndarray,
    q: np.ndarray,
    s: np.ndarray,
    first: tuple[float, float, float],
    shape: tuple[int, int, int],
    corners: np.ndarray,
    shares: np.ndarray,
) -> bool:
    """Whether all points lie between voxels, and if so in which cells, and where in them.

    Args:
        p: the points' first coordinates, ``[point]``; so are the others.
        q: the second.
        s: the third.
        first: coordinates of the block's first voxel.
        shape: of the block.
        corners: the flat index of each cell's first voxel.
        shares: of a step along each axis, ``[axis, point]``.
    """
    nx, ny, nz = shape
    x0, y0, z0 = first
    real = p.dtype.type
    most_x, most_y, most_z = real(nx - 1), real(ny - 1), real(nz - 1)
    inside = nx > 1 and ny > 1 and nz > 1
    for k in range(len(p)):
        inside &= (p[k] >= x0) & (q[k] >= y0) & (s[k] >= z0)
        inside &= (p[k] <= x0 + most_x) & (q[k] <= y0 + most_y) & (s[k] <= z0 + most_z)
    if inside:
        last_x, last_y, last_z = np.int32(nx - 2), np.int32(ny - 2), np.int32(nz - 2)
        for k in range(len(p)):
            u, v, w = p[k] - x0, q[k] - y0, s[k] - z0
            i, j, h = min(np.int32(u), last_x), min(np.int32(v), last_y), min(np.int32(w), last_z)
            shares[0, k], shares[1, k], shares[2, k] = u - real(i), v - real(j), w - real(h)
            corners[k] = (i * np.int32(ny) + j) * np.int32(nz) + h
    return inside


@compiled
def _ask(values: np.ndarray, corners: np.ndarray, offset: int, over_x: int, over_y: int) -> None:
    """Have the cells of a row fetched, of the channel that begins at ``offset``."""
    for k in range(0, len(corners), _STEP):
        n = np.uint64(corners[k]) + offset
        prefetch(values, n)
        prefetch(values, n + over_y)
        prefetch(values, n + over_x)
        prefetch(values, n + over_x + over_y)


@compiled
def _read(
    values: np.ndarray,
    corners: np.ndarray,
    shares: np.ndarray,
    offset: int,
    over_x: int,
    over_y: int,
    line: np.ndarray,
) -> None:
    """Blend the eight corners of each cell of a row by its shares of a step along each axis."""
    a, b, c, over_z = shares[0], shares[1], shares[2], np.uint64(1)
    for k in range(len(corners)):
        n = np.uint64(corners[k]) + offset
        m, o = n + over_x, n + over_y
        t = m + over_y
        one = values[n] + (values[n + over_z] - values[n]) * c[k]
        two = values[o] + (values[o + over_z] - values[o]) * c[k]
        three = values[m] + (values[m + over_z] - values[m]) * c[k]
        four = values[t] + (values[t + over_z] - values[t]) * c[k]
        near, far = one + (two - one) * b[k], three + (four - three) * b[k]
        line[k] = near + (far - near) * a[k]


@compiled
def _ends(
    places: np.ndarray,
    first: float,
    count: int,
    stride: int,
    lower: np.ndarray,
    upper: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
) -> None:
    """Where along an axis a cell's two ends lie in memory, and their weights: 0 for an end outside of the block."""
    real = places.dtype.type
    for k in range(len(places)):
        place = min(max(places[k] - first, real(-1)), real(count))
        i = np.int32(np.floor(place))
        share = place - real(i)
        before[k] = (real(1) - share) if (i >= 0) & (i < count) else real(0)
        after[k] = share if (i >= -1) & (i + 1 < count) else real(0)
        lower[k] = min(max(i, _ZERO), np.int32(count - 1)) * np.int32(stride)
        upper[k] = min(max(i + _NEXT, _ZERO), np.int32(count - 1)) * np.int32(stride)


@compiled
def read_nearest(
    block: np.ndarray, x: np.ndarray, y: np.ndarray, z: np.ndarray, first: tuple[int, int, int], out: np.ndarray
) -> None:
    """The nearest voxels of a block, 0 for points that are nearer to none of them; arguments as above."""
    channels, nx, ny, nz = block.shape
    half = np.float32(0.5)
    x0, y0, z0 = np.float32(first[0]) - half, np.float32(first[1]) - half, np.float32(first[2]) - half
    for r in range(x.shape[0]):
        for k in range(x.shape[1]):
            u, v, w = np.floor(x[r, k] - x0), np.floor(y[r, k] - y0), np.floor(z[r, k] - z0)
            inside = (u >= 0) & (v >= 0) & (w >= 0) & (u < nx) & (v < ny) & (w < nz)
            for channel in range(channels):
                out[channel, r, k] = block[channel, int(u), int(v), int(w)] if inside else 0
