"""What :mod:`qontrast.geometry.reading_loops` does, in operations on whole tensors: for a GPU."""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

Planes = list[Tensor]
"""The points' three coordinates, ``[row, point]`` each."""


def read_rows(
    block: Float[Tensor, "channel x y z"], planes: Planes, first: tuple[int, int, int]
) -> Float[Tensor, "channel row point"]:
    """Trilinear values of a block that zeros surround.

    Args:
        block: the images.
        planes: where they are read.
        first: coordinates of the block's first voxel.
    """
    # PyTorch names the last axis first, and counts from the faces of the first voxel (-1) to those of the last (1).
    places = zip(planes, first, block.shape[1:], strict=True)
    grid = torch.stack([(2 * (p - start) + 1) / count - 1 for p, start, count in places][::-1], dim=-1)
    read = torch.nn.functional.grid_sample(block[None], grid[None, None], align_corners=False)
    return read[0, :, 0]


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
