"""The loops of :mod:`qontrast.physics.lookup`: maps in half precision to the signal of one protocol, row by row.

Positive numbers in half precision grow with their bits, and between two numbers whose low bits are zero they grow
evenly. So the bits of a rate are its place among nodes at every so many of them: no logarithm is taken, and no table
is searched.
"""

import numpy as np

from qontrast.basics.compiled import compiled

R1_BITS, R2_BITS = 5, 7
"""Low bits between two nodes: 32 nodes an octave for R1 (where fluid ends and tissue begins it decides on much), 8
for R2."""
R1_STEP, R2_STEP = 1 << R1_BITS, 1 << R2_BITS
# Of 32 bits each, as all that the loops reckon with: half as many fit a vector register otherwise.
_R1_BITS, _R2_BITS, _R1_REST, _R2_REST = (np.int32(v) for v in (R1_BITS, R2_BITS, R1_STEP - 1, R2_STEP - 1))
_R1_SHARE, _R2_SHARE = np.float32(1 / R1_STEP), np.float32(1 / R2_STEP)
_ZERO, _MANTISSA, _BIAS, _MORE_MANTISSA = (np.int32(v) for v in (0, 23, 127, 23 - 10))
_REBASE = np.float32(2.0**112)  # from the exponents of half to those of single precision
_NONE, _HALF, _ONE, _LEAST = (np.float32(v) for v in (0.0, 0.5, 1.0, -100.0))
_LOG2_E = np.float32(1.4426950408889634)
# Of 2**x for x from -1/2 to 1/2, to 3 millionths: log(2)**k / k!
_C1, _C2, _C3, _C4, _C5 = (np.float32(v) for v in (0.69314718, 0.24022651, 0.05550411, 0.00961813, 0.00133336))


@compiled
def limits(pd: np.ndarray, rate: np.ndarray) -> tuple[int, int]:
    """The smallest and the largest bits of a rate where there are protons; all ``[x, y, z]``, half precision's bits."""
    least, most = np.int16(32767), np.int16(0)
    for x in range(pd.shape[0]):
        for y in range(pd.shape[1]):
            for z in range(pd.shape[2]):
                there = pd[x, y, z] > 0
                least = min(least, rate[x, y, z] if there else np.int16(32767))
                most = max(most, rate[x, y, z] if there else np.int16(0))
    return int(least), int(most)


@compiled
def scan(
    pd: np.ndarray,
    r1: np.ndarray,
    r2: np.ndarray,
    transmit: np.ndarray,
    start: np.ndarray,
    stop: np.ndarray,
    table: np.ndarray,
    lowest: tuple[int, int],
    out: np.ndarray,
) -> None:
    """PD times the table's value between its nodes.

    Args:
        pd: proton density ``[x, y, z]``, the bits of half precision; so are the rates.
        r1: R1.
        r2: R2.
        transmit: place of the transmit field among the table's nodes, ``[x, y, z]``; not looked at if there is one.
        start: first voxel of each row, ``[x, y]``.
        stop: one past the last.
        table: ``[transmit node, R1 node, R2 node]``, two or more of both rates.
        lowest: bits of the rates' first nodes.
        out: the signal, ``[x, y, z]``; 0 outside of the rows' spans.
    """
    planes, nodes, across = table.shape
    values, count = table.ravel(), pd.shape[2]
    first_r1, last_r1 = np.int32(lowest[0]), np.int32((nodes - 1) * R1_STEP - 1)
    first_r2, last_r2 = np.int32(lowest[1]), np.int32((across - 1) * R2_STEP - 1)
    width, size = np.int32(across), np.int32(nodes * across)
    node, bits = np.empty(count, np.int32), np.empty(count, np.int32)
    down, right, protons = np.empty(count, np.float32), np.empty(count, np.float32), bits.view(np.float32)
    for x in range(pd.shape[0]):
        for y in range(pd.shape[1]):
            begin, end = start[x, y], max(start[x, y], stop[x, y])
            out[x, y, :begin] = 0
            out[x, y, end:] = 0
            row, p, u, v = out[x, y, begin:end], pd[x, y, begin:end], r1[x, y, begin:end], r2[x, y, begin:end]
            for z in range(len(row)):
                i = min(max(np.int32(u[z]) - first_r1, _ZERO), last_r1)
                j = min(max(np.int32(v[z]) - first_r2, _ZERO), last_r2)
                node[z] = (i >> _R1_BITS) * width + (j >> _R2_BITS)
                down[z] = np.float32(i & _R1_REST) * _R1_SHARE
                right[z] = np.float32(j & _R2_REST) * _R2_SHARE
                bits[z] = max(np.int32(p[z]), _ZERO) << _MORE_MANTISSA
            if planes == 1:
                for z in range(len(row)):
                    row[z] = _between(values, node[z], width, down[z], right[z]) * (protons[z] * _REBASE)
            else:
                for z in range(len(row)):
                    place = min(max(transmit[x, y, begin + z], _NONE), np.float32(planes - 1))
                    plane = min(max(np.int32(place), _ZERO), np.int32(planes - 2))
                    n = node[z] + plane * size
                    low = _between(values, n, width, down[z], right[z])
                    high = _between(values, n + size, width, down[z], right[z])
                    row[z] = (low + (high - low) * (place - np.float32(plane))) * (protons[z] * _REBASE)


@compiled
def _between(values: np.ndarray, node: int, width: int, down: float, right: float) -> float:
    """A table's value beyond a node, by shares of a step down and to the right."""
    n, w = np.uint32(node), np.uint32(width)
    above, below = values[n], values[n + w]
    above += (values[n + np.uint32(1)] - above) * right
    below += (values[n + w + np.uint32(1)] - below) * right
    return above + (below - above) * down


@compiled
def decay(
    r1: np.ndarray,
    r2: np.ndarray,
    r2star: np.ndarray,
    start: np.ndarray,
    stop: np.ndarray,
    faster: np.ndarray,
    lowest: int,
    ratio: float,
    echo_time: float,
    out: np.ndarray,
) -> None:
    """Multiply by exp(-TE R2*), with R2* in another field (see :func:`qontrast.physics.field.transverse_at_field`).

    Args:
        r1: R1 ``[x, y, z]``, the bits of half precision; so are the other rates.
        r2: R2.
        r2star: R2*.
        start: first voxel of each row, ``[x, y]``.
        stop: one past the last.
        faster: by which factor R2 grows with the field, at each node of R1.
        lowest: bits of the first of them.
        ratio: by which factor R2* beyond R2 does.
        echo_time: s.
        out: the signal, ``[x, y, z]``.
    """
    count, first_r1, last_r1 = r1.shape[2], np.int32(lowest), np.int32((len(faster) - 1) * R1_STEP - 1)
    more, scale = np.float32(ratio - 1.0), np.float32(-echo_time) * _LOG2_E
    two_bits, star_bits, whole_bits = np.empty(count, np.int32), np.empty(count, np.int32), np.empty(count, np.int32)
    factor, left = np.empty(count, np.float32), np.empty(count, np.float32)
    two, star, whole = two_bits.view(np.float32), star_bits.view(np.float32), whole_bits.view(np.float32)
    for x in range(r1.shape[0]):
        for y in range(r1.shape[1]):
            begin, end = start[x, y], max(start[x, y], stop[x, y])
            row, u, v, w = out[x, y, begin:end], r1[x, y, begin:end], r2[x, y, begin:end], r2star[x, y, begin:end]
            for z in range(len(row)):
                i = min(max(np.int32(u[z]) - first_r1, _ZERO), last_r1)
                n = np.uint32(i >> _R1_BITS)
                factor[z] = faster[n] + (faster[n + np.uint32(1)] - faster[n]) * (np.float32(i & _R1_REST) * _R1_SHARE)
                two_bits[z] = max(np.int32(v[z]), _ZERO) << _MORE_MANTISSA
                star_bits[z] = max(np.int32(w[z]), _ZERO) << _MORE_MANTISSA
            for z in range(len(row)):
                beyond = (star[z] - two[z]) * _REBASE
                # A fit that gave R2* below R2 has no susceptibility to scale: it follows R2.
                rate = beyond + max(beyond, _NONE) * more + two[z] * _REBASE * factor[z]
                power = max(max(rate, _NONE) * scale, _LEAST)
                integer = np.floor(power + _HALF)
                d = power - integer
                left[z] = _ONE + d * (_C1 + d * (_C2 + d * (_C3 + d * (_C4 + d * _C5))))
                whole_bits[z] = (np.int32(integer) + _BIAS) << _MANTISSA
            for z in range(len(row)):
                row[z] *= left[z] * whole[z]
