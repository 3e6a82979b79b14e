"""What :mod:`qontrast.artefacts.dropout_loops` does, in operations on whole tensors: for a GPU."""

import torch
from jaxtyping import Float
from torch import Tensor

from qontrast.basics.shapes import Volume

FINEST = 1 << 40  # steps of the strongest signal that sums are counted in


def dipole(axes: list[Tensor]) -> Float[Tensor, "x y z"]:
    """(3 cos^2 - 1) / r^3, the main field along z; inside the unit ball as on its surface.

    Args:
        axes: distances from the ball's centre along each axis, in its radii.
    """
    x, y, z = (axis.square() for axis in axes)
    inverse = 1 / ((x[:, None] + y)[:, :, None] + z).clamp(min=1)
    return (3 * z * inverse - 1).clamp(max=2) * inverse * inverse.sqrt()


def spread_phases(signal: Volume, field: Float[Tensor, "batch x y z"], cycles: list[float]) -> Volume:
    """Multiplied by sin(x) / x of each axis, x the field's difference between neighbours times ``cycles``.

    Args:
        signal: what is dephased.
        field: Hz.
        cycles: for each axis.
    """
    out = signal
    for axis, factor in enumerate(cycles):
        if field.shape[axis + 1] == 1:
            continue
        step = field.diff(dim=axis + 1)
        padded = torch.cat((step.narrow(axis + 1, 0, 1), step, step.narrow(axis + 1, -1, 1)), dim=axis + 1)
        count = field.shape[axis + 1]
        phase = 0.5 * factor * (padded.narrow(axis + 1, 0, count) + padded.narrow(axis + 1, 1, count))
        out = out * torch.sinc(phase / torch.pi)[:, None]
    return out


def displace(signal: Volume, voxels: Float[Tensor, "batch x y z"], axis: int) -> Volume:
    """Each voxel's signal, shared between the two that it falls between; what falls outside is lost.

    Sums are of whole numbers, which have one value in any order.

    Args:
        signal: what is displaced.
        voxels: how far it falls along the axis.
        axis: 0 to 2.
    """
    count = signal.shape[axis + 2]
    shape = [-1 if a == axis else 1 for a in range(3)]
    down = torch.floor(voxels)
    place = torch.arange(count, device=signal.device).reshape(shape) + down.long()
    further = signal * (voxels - down)[:, None]
    scale = FINEST / signal.abs().amax().clamp(min=1e-30).double()
    out = torch.zeros(signal.shape, dtype=torch.int64, device=signal.device)
    for share, at in ((signal - further, place), (further, place + 1)):
        inside = ((at >= 0) & (at < count))[:, None]
        steps = torch.where(inside, (share.double() * scale).round().long(), 0)
        out.scatter_add_(axis + 2, at.clamp(0, count - 1)[:, None].expand_as(steps), steps)
    return (out.double() / scale).to(signal.dtype)
