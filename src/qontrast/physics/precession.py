"""When precession can be computed in one pass over the voxels, and how."""

from typing import Any

import torch
from torch import Tensor

from qontrast.basics.compiled import Loop, by_loops
from qontrast.physics.feasible import Parameter


def in_one_pass(steady: Tensor, b0: Tensor, *times: Parameter) -> bool:
    """Whether loops will do: on a processor, in single precision, for one protocol and without gradients."""
    alike = steady.shape[2:] == b0.shape[2:] and steady.dtype == b0.dtype == torch.float32
    plain = alike and all(isinstance(time, float) for time in times)
    tracked = torch.is_grad_enabled() and (steady.requires_grad or b0.requires_grad)
    return plain and by_loops(b0) and not tracked and not torch.compiler.is_compiling()


def one_pass(loop: Loop, steady: Tensor, b0: Tensor, *numbers: Any) -> Tensor:
    """The complex signal ``[batch, 1, x, y, z]`` that a loop of :mod:`precession_loops` makes of each image."""
    batch = torch.broadcast_shapes(steady.shape[:1], b0.shape[:1])[0]
    planes = steady.new_empty(2, batch, 1, *b0.shape[2:])
    states, fields = (v.detach().expand(batch, -1, -1, -1, -1) for v in (steady, b0))
    for n in range(batch):
        state, field = states[n].flatten(1).contiguous().numpy(), fields[n].flatten().contiguous().numpy()
        loop(state, field, *numbers, *(plane[n].view(-1).numpy() for plane in planes))
    return torch.complex(*planes)
