"""The loops of :mod:`qontrast.artefacts.dropout`, row by row."""

import numpy as np

from qontrast.basics.compiled import compiled
from qontrast.basics.polynomial import fitted

_S0, _S1, _S2, _S3, _S4, _S5 = fitted(lambda square: np.sinc(np.sqrt(square) / np.pi), 0.0, (np.pi / 2) ** 2, 5)
"""sin(x) / x as a polynomial of the square, exact to 2 in a hundred thousand million up to a quarter turn."""
_PI_HIGH = 3.140625
_PI_LOW = np.pi - _PI_HIGH
"""The first part has so few digits that some thousand times as much is exact in single precision."""

_SMALL = 0.5
"""Up to here the first four terms of sin(x) / x are exact to 10 in a thousand million."""


@compiled
def add_dipole(x: np.ndarray, y: np.ndarray, z: np.ndarray, out: np.ndarray) -> None:
    """Add (3 cos^2 - 1) / r^3, the main field along z, to ``[x, y, z]``; inside the unit ball as on its surface.

    Args:
        x: distances from the ball's centre along an axis, in its radii; so are the others.
        y: the second.
        z: the third.
        out: what is added to.
    """
    one, two, three = x.dtype.type(1), x.dtype.type(2), x.dtype.type(3)
    for i in range(len(x)):
        for j in range(len(y)):
            across, row = x[i] * x[i] + y[j] * y[j], out[i, j]
            for k in range(len(z)):
                z2 = z[k] * z[k]
                inverse = one / max(across + z2, one)
                row[k] += min(three * z2 * inverse - one, two) * inverse * np.sqrt(inverse)


@compiled
def spread_phases(signal: np.ndarray, field: np.ndarray, cycles: np.ndarray, out: np.ndarray) -> None:
    """Multiply by sin(x) / x of each axis, x the field's difference between neighbours times ``cycles``.

    Args:
        signal: ``[batch, component, x, y, z]``.
        field: Hz, ``[batch, x, y, z]``.
        cycles: for each axis.
        out: as the signal.
    """
    batches, components, nx, ny, nz = signal.shape
    phases, left = np.empty((3, nz), signal.dtype), np.empty(nz, signal.dtype)
    along = signal.dtype.type(0.5) * cycles[2]
    for b in range(batches):
        for i in range(nx):
            for j in range(ny):
                _phases(field[b, max(i - 1, 0), j], field[b, min(i + 1, nx - 1), j], i, nx, cycles[0], phases[0])
                _phases(field[b, i, max(j - 1, 0)], field[b, i, min(j + 1, ny - 1)], j, ny, cycles[1], phases[1])
                row = field[b, i, j]
                phases[2, 0] = abs(row[min(1, nz - 1)] - row[0]) * cycles[2]
                phases[2, nz - 1] = abs(row[nz - 1] - row[max(nz - 2, 0)]) * cycles[2]
                for k in range(1, nz - 1):
                    phases[2, k] = abs(row[k + 1] - row[k - 1]) * along
                left[:] = 1
                for axis in range(3):
                    _weaken(phases[axis], left)
                for c in range(components):
                    for k in range(nz):
                        out[b, c, i, j, k] = signal[b, c, i, j, k] * left[k]


@compiled
def _phases(before: np.ndarray, after: np.ndarray, place: int, count: int, cycles: float, out: np.ndarray) -> None:
    steps = min(place + 1, count - 1) - max(place - 1, 0)
    scale = out.dtype.type(cycles / max(steps, 1))
    for k in range(len(out)):
        out[k] = abs(after[k] - before[k]) * scale


@compiled
def _weaken(phases: np.ndarray, left: np.ndarray) -> None:
    one, half, small, large = left.dtype.type(1), left.dtype.type(0.5), left.dtype.type(_SMALL), False
    for k in range(len(phases)):
        large |= phases[k] > small
    if not large:
        a, b, c = left.dtype.type(1 / 6), left.dtype.type(1 / 20), left.dtype.type(1 / 42)
        for k in range(len(left)):
            square = phases[k] * phases[k]
            left[k] *= one - square * a * (one - square * b * (one - square * c))
    else:
        real = left.dtype.type
        two, least, half_turns = real(2), real(1e-3), real(1 / np.pi)
        for k in range(len(left)):
            phase = max(phases[k], least)  # sin(x) / x lacks 2 in 10 million of 1 there
            turns = np.floor(phase * half_turns + half)
            rest = (phase - turns * real(_PI_HIGH)) - turns * real(_PI_LOW)
            square = rest * rest
            share = real(_S3) + square * (real(_S4) + square * real(_S5))
            share = real(_S0) + square * (real(_S1) + square * (real(_S2) + square * share))
            sign = one - two * (turns - two * np.floor(turns * half))
            left[k] *= sign * rest * share / phase


@compiled
def displace(signal: np.ndarray, voxels: np.ndarray, axis: int, out: np.ndarray) -> None:
    """Add each voxel's signal to the two that it falls between.

    Args:
        signal: ``[batch, component, x, y, z]``.
        voxels: how far it falls along the axis, ``[batch, x, y, z]``.
        axis: 0 to 2.
        out: as the signal; what falls outside of it is lost.
    """
    batches, components, nx, ny, nz = signal.shape
    count, stride = np.int32((nx, ny, nz)[axis]), np.int32((ny * nz, nz, 1)[axis])
    whole, share = np.empty(nz, np.int32), np.empty(nz, signal.dtype)
    for b in range(batches):
        for i in range(nx):
            for j in range(ny):
                for k in range(nz):
                    down = np.floor(voxels[b, i, j, k])
                    whole[k], share[k] = np.int32(down), voxels[b, i, j, k] - down
                for c in range(components):
                    row, given = signal[b, c, i, j], out[b, c].ravel()
                    for k in range(nz):
                        place = np.int32(i if axis == 0 else j if axis == 1 else k) + whole[k]
                        further = row[k] * share[k]
                        n = np.int32((i * ny + j) * nz + k) + whole[k] * stride
                        if 0 <= place < count:
                            given[n] += row[k] - further
                        if 0 <= place + 1 < count:
                            given[n + stride] += further
