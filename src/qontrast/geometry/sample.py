"""Read an image at coordinates: only the block that the coordinates touch is ever needed."""

from collections.abc import Sequence

import torch
from torch import Tensor

from qontrast.basics.shapes import AnyVolume, Coordinates, Resampled

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""First voxel and one past the last, along each axis."""


def touched(coordinates: Coordinates, shape: tuple[int, int, int]) -> Box:
    """The block of a grid of ``shape`` that linear interpolation at ``coordinates`` reads.

    Where the coordinates miss the grid altogether, the block is the grid's first voxel.
    """
    flat = coordinates.reshape(-1, 3)
    least, most = torch.aminmax(flat, dim=0)
    low, high = least.floor().long().tolist(), most.ceil().long().tolist()

    def clip(a: int, b: int, n: int) -> tuple[int, int]:
        start, stop = max(0, a), min(n, b + 1)
        return (start, stop) if start < stop else (0, 1)

    x, y, z = (clip(a, b, n) for a, b, n in zip(low, high, shape, strict=True))
    return x, y, z


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
    if block.is_complex():
        parts = sample(torch.cat((block.real, block.imag), dim=1), box, coordinates, nearest=nearest)
        return torch.complex(*parts.chunk(2, dim=1))
    x, y, z = (int(n == 1) for n in block.shape[-3:])
    if x or y or z:  # one voxel has no extent to scale by: give it a zero neighbour
        block = torch.nn.functional.pad(block, (0, z, 0, y, 0, x))
    start = torch.tensor([edge[0] for edge in box], dtype=torch.float32)
    scale = 2.0 / (torch.tensor(block.shape[-3:], dtype=torch.float32) - 1)
    shift = -start * scale - 1.0
    grid = torch.addcmul(shift.to(block), coordinates.to(block), scale.to(block)).flip(-1)
    mode = "nearest" if nearest else "bilinear"
    return torch.nn.functional.grid_sample(block, grid[None], mode=mode, padding_mode="zeros", align_corners=True)


def sample_along_axes(values: Tensor, positions: Sequence[Tensor]) -> Tensor:
    """``values`` ``[channel, x, y, z]`` at each combination of ``positions`` along the axes: ``[channel, u, v, w]``.

    Trilinear, borders repeated: three products with thin matrices, several times as fast as reading point by point.
    """
    for where in positions:
        n = values.shape[1]
        at = where.to(torch.float32).clamp(0, n - 1)
        weights = (1 - (at[:, None] - torch.arange(n, dtype=torch.float32)).abs()).clamp_(min=0).to(values)
        values = torch.tensordot(values, weights, dims=([1], [1]))  # the axis that is read goes to the end
    return values


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
