"""What :mod:`qontrast.anatomy.lesion_loops` does, for all lesions of one size of grid at once: for a GPU."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def levels_at(
    values: Float[Tensor, "level a b c"],
    matrix: Float[Tensor, "level 3 3"],
    shift: Float[Tensor, "level 3"],
    parts: Int[Tensor, "level 3 2"],
    edges: Int[Tensor, "3 2"],
) -> tuple[Float[Tensor, "level voxel"], Int[Tensor, "level voxel"]]:
    """Levels at the voxels of their parts of a box, and which of the box's voxels those are.

    Args:
        values: on grids of their own; zero beyond their voxels.
        matrix: from voxels of the head to the levels' grids.
        shift: the same of the head's first voxel.
        parts: first voxel of the head along each axis that a level may reach, and one past the last.
        edges: the same of the box.

    Returns:
        As many voxels for each as the largest part has: of smaller parts there are some with level 0.
    """
    device = values.device
    sizes = (parts[..., 1] - parts[..., 0]).amax(dim=0).tolist()
    steps = torch.cartesian_prod(*(torch.arange(n, device=device) for n in sizes)).reshape(-1, 3)
    voxels = parts[:, None, :, 0].to(device) + steps
    size = torch.tensor(values.shape[1:], device=device) - 1
    places = voxels.float() @ matrix.to(device).mT + shift.to(device)[:, None]
    inside = ((voxels < parts[:, None, :, 1].to(device)) & (places >= -0.5) & (places <= size + 0.5)).all(dim=-1)
    grid = (2 * places / size - 1).flip(-1)[:, None, None]
    read = torch.nn.functional.grid_sample(values[:, None], grid, padding_mode="border", align_corners=True)[:, 0, 0, 0]
    x, y, z = (voxels - edges[:, 0].to(device)).unbind(dim=-1)
    ny, nz = (edges[1:, 1] - edges[1:, 0]).tolist()
    return read * inside, ((x * ny + y) * nz + z) * inside
