"""What :mod:`qontrast.geometry.reading_loops` does, in operations on whole tensors: for a GPU."""

from functools import lru_cache

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from qontrast.basics.shapes import Coordinates

Planes = list[Tensor]
"""The points' three coordinates, ``[row, point]`` each."""


def grid(coordinates: Coordinates, shape: tuple[int, int, int], first: tuple[int, int, int]) -> Tensor:
    """Coordinates as PyTorch wants them: the last axis first, from a block's first face (-1) to its last (1).

    Args:
        coordinates: voxels of the grid that the block is a part of, ``[u, v, w, 3]``.
        shape: of the block.
        first: coordinates of its first voxel.
    """
    start, step = _scale(shape, first, coordinates.device, coordinates.dtype)
    return torch.addcmul(start, coordinates.flip(-1), step)


@lru_cache(maxsize=16)
def _scale(
    shape: tuple[int, int, int], first: tuple[int, int, int], device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Where voxel 0 lies along each axis, and how far a step leads; kept, for a flow reads one block many times."""
    size, corner = (torch.tensor(each[::-1], dtype=torch.float64) for each in (shape, first))
    return ((1 - 2 * corner) / size - 1).to(device, dtype), (2 / size).to(device, dtype)


def read(block: Float[Tensor, "channel x y z"], places: Coordinates) -> Float[Tensor, "channel u v w"]:
    """Trilinear values of a block that zeros surround.

    Args:
        block: the images.
        places: as :func:`grid` gives them.
    """
    return torch.nn.functional.grid_sample(block[None], places[None], align_corners=False)[0]


def read_nearest(
    block: Shaped[Tensor, "channel x y z"], planes: Planes, first: tuple[int, int, int]
) -> Shaped[Tensor, "channel row point"]:
    """The nearest voxels of a block, 0 for points that are nearer to none of them; arguments as above."""
    flat = torch.zeros(planes[0].shape, dtype=torch.int64, device=block.device)
    inside = torch.ones(planes[0].shape, dtype=torch.bool, device=block.device)
    for plane, start, count in zip(planes, first, block.shape[1:], strict=True):
        place = torch.floor(plane - (start - 0.5)).long()
        inside &= (place >= 0) & (place < count)
        flat = flat * count + place.clamp(0, count - 1)
    return block.flatten(1)[:, flat] * inside
