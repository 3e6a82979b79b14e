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
    low, high = (edge[:, None].to(device, torch.int32) for edge in parts.unbind(dim=-1))
    sizes = (parts[..., 1] - parts[..., 0]).amax(dim=0).tolist()
    axes = (torch.arange(n, dtype=torch.int32, device=device) for n in sizes)
    voxels = low + torch.cartesian_prod(*axes).reshape(-1, 3)
    size = torch.tensor(values.shape[1:], device=device) - 1
    ramps = voxels.float()[..., None, :] * matrix.to(device)[:, None]  # no matrix product: TF32 would round places
    places = ramps.sum(dim=-1) + shift.to(device)[:, None]
    inside = ((voxels < high) & (places >= -0.5) & (places <= size + 0.5)).all(dim=-1)
    grid = (2 * places / size.clamp(min=1) - 1).flip(-1)[:, None, None]
    read = torch.nn.functional.grid_sample(values[:, None], grid, padding_mode="border", align_corners=True)[:, 0, 0, 0]
    x, y, z = (voxels - edges[:, 0].to(device, torch.int32)).unbind(dim=-1)
    ny, nz = (edges[1:, 1] - edges[1:, 0]).tolist()
    return read * inside, (((x * ny + y) * nz + z) * inside).long()
