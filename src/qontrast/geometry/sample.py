"""Read an image at coordinates: only the block that the coordinates touch is ever needed."""

import math

import torch
from torch import Tensor

from qontrast.basics.shapes import AnyVolume, Box, Coordinates, Resampled
from qontrast.geometry.reading import Reading
from qontrast.geometry.span import span


def touched(coordinates: Coordinates, shape: tuple[int, int, int]) -> Box:
    """The block of a grid of ``shape`` that linear interpolation at ``coordinates`` reads.

    Where the coordinates miss the grid altogether, the block is the grid's first voxel.
    """
    low, high = span(coordinates, torch.eye(3))

    def clip(least: float, most: float, n: int) -> tuple[int, int]:
        start, stop = max(0, math.floor(least)), min(n, math.ceil(most) + 1)
        return (start, stop) if start < stop else (0, 1)

    x, y, z = (clip(a, b, n) for a, b, n in zip(low.tolist(), high.tolist(), shape, strict=True))
    return x, y, z


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
