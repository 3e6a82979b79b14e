"""Read an image at coordinates: only the block that the coordinates touch is ever needed."""

import math

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from qontrast.basics.shapes import AnyVolume, Coordinates, Resampled
from qontrast.geometry.reading import Reading

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""First voxel and one past the last, along each axis."""


def touched(coordinates: Coordinates, shape: tuple[int, int, int]) -> Box:
    """The block of a grid of ``shape`` that linear interpolation at ``coordinates`` reads.

    Where the coordinates miss the grid altogether, the block is the grid's first voxel.
    """
    edges = [torch.aminmax(coordinates[..., axis]) for axis in range(3)]

    def clip(least: float, most: float, n: int) -> tuple[int, int]:
        start, stop = max(0, math.floor(least)), min(n, math.ceil(most) + 1)
        return (start, stop) if start < stop else (0, 1)

    x, y, z = (clip(float(a), float(b), n) for (a, b), n in zip(edges, shape, strict=True))
    return x, y, z


def within_reach(coordinates: Coordinates, axes: Float[Tensor, "3 3"], box: Box) -> Bool[Tensor, "x y z"]:
    """Which voxels of a box linear interpolation may read: those in the smallest parallelepiped around the points.

    Args:
        coordinates: the points, ``[u, v, w, 3]``.
        axes: the parallelepiped's normals, a row each: along a crop's own axes little more is in it than is read.
        box: of the coordinates' grid.
    """
    offsets = axes @ coordinates.movedim(-1, 0).flatten(1)
    margin = axes.abs().sum(dim=1) * (1 + 1e-3)  # a point reads voxels less than one step away along each axis
    edges = [torch.aminmax(row) for row in offsets]
    least, most = torch.stack([e.min for e in edges]) - margin, torch.stack([e.max for e in edges]) + margin
    x, y, z = (torch.arange(a, b, dtype=axes.dtype, device=axes.device) for a, b in box)
    low, high = axes.new_full((len(x), len(y)), -math.inf), axes.new_full((len(x), len(y)), math.inf)
    for (a, b, c), first, last in zip(axes.tolist(), least, most, strict=True):
        # Along a row of voxels two opposite faces are crossed where the offset is the first and where it is the last.
        start, step = (a * x)[:, None] + b * y, math.copysign(max(abs(c), 1e-9), c)
        one, two = (first - start) / step, (last - start) / step
        low, high = torch.maximum(low, torch.minimum(one, two)), torch.minimum(high, torch.maximum(one, two))
    # NumPy compares small integers five times as fast as PyTorch compares floats.
    start, count = box[2][0], len(z)
    begin, end = (
        bound.nan_to_num(0.0).clamp(-1, count).to(torch.int16).cpu().numpy()[:, :, None]
        for bound in ((low - start).ceil(), (high - start).floor())
    )
    steps = np.arange(count, dtype=np.int16)
    return torch.from_numpy((steps >= begin) & (steps <= end)).to(axes.device)


def reading(box: Box, coordinates: Coordinates) -> Reading:
    """The :class:`Reading` of the part ``box`` of a grid at ``coordinates`` of that grid."""
    (x0, x1), (y0, y1), (z0, z1) = box
    return Reading(coordinates, (x1 - x0, y1 - y0, z1 - z0), (x0, y0, z0))


def sample(block: AnyVolume, box: Box, coordinates: Coordinates, *, nearest: bool = False) -> Resampled:
    """Interpolate ``block`` (the part ``box`` of a larger grid) at ``coordinates`` of that grid; zero outside.

    Args:
        block: ``[1, channel, x, y, z]``, real or complex.
        box: where the block lies.
        coordinates: ``[u, v, w, 3]`` voxel coordinates of the whole grid.
        nearest: take the nearest voxel instead of trilinear interpolation (for labels).

    Returns:
        ``[1, channel, u, v, w]``.
    """
    read = reading(box, coordinates)
    return read.nearest(block) if nearest else read(block)


def average_blocks(image: AnyVolume, factor: int) -> Resampled:
    """Mean over ``factor``³ voxels: what a larger voxel receives of the signals inside it."""
    if image.is_complex() and factor > 1:
        return torch.complex(average_blocks(image.real, factor), average_blocks(image.imag, factor))
    return torch.nn.functional.avg_pool3d(image, factor) if factor > 1 else image


def box_slices(box: Box) -> tuple[slice, slice, slice]:
    """The box as slices, for indexing."""
    x, y, z = (slice(a, b) for a, b in box)
    return x, y, z


def whole(shape: tuple[int, int, int]) -> Box:
    """The box that holds all of a grid."""
    return (0, shape[0]), (0, shape[1]), (0, shape[2])


def occupied(mask: Tensor) -> Box | None:
    """The smallest box that holds every True voxel of ``mask`` ``[x, y, z]``; None where there is none."""
    edges = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        index = torch.nonzero(mask.any(dim=others[1]).any(dim=others[0])).flatten()
        if len(index) == 0:
            return None
        edges.append((int(index[0]), int(index[-1]) + 1))
    return edges[0], edges[1], edges[2]
