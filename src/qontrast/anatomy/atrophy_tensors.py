"""What :mod:`qontrast.anatomy.atrophy_loops` does, in operations on whole tensors: for a GPU."""

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor


def dither(
    displacement: Float[Tensor, "x y z"],
    wave: tuple[float, float, float],
    first: tuple[int, int, int],
    axis: int,
    last: int,
) -> Int[Tensor, "x y z"]:
    """Whole voxels along an axis, from 0 to ``last``, that voxels plus ``displacement`` fall into.

    Args:
        displacement: voxels.
        wave: cycles per voxel of the triangle that is added before rounding.
        first: the grid's voxel that comes first in the tensors.
        axis: along which the voxels lie, 0 to 2.
        last: voxel of the grid along the axis.
    """
    x, y, z = (
        torch.arange(n, dtype=torch.float32, device=displacement.device) + start
        for n, start in zip(displacement.shape, first, strict=True)
    )
    phase = ((x * wave[0])[:, None] + y * wave[1])[:, :, None] + (z * wave[2] + 1000.5)  # turns change no fraction
    place = (phase - torch.floor(phase) - 0.5).abs_().mul_(1.98).add_(displacement)
    place += (x[:, None, None], y[:, None], z)[axis] - 0.495 + 0.5
    return place.floor_().clamp_(0, last).int()


def pull(
    values: Shaped[Tensor, "a b c"], voxels: Int[Tensor, "3 x y z"], first: tuple[int, int, int]
) -> Shaped[Tensor, "x y z"]:
    """Values at voxels of a grid, of which ``first`` is the tensor's first."""
    x, y, z = (plane - start for plane, start in zip(voxels, first, strict=True))
    return values.flatten()[(x * values.shape[1] + y) * values.shape[2] + z]
