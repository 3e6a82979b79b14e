"""Smooth random fields: a coarse grid of control values, read off anywhere by a uniform cubic B-spline."""

import torch
from torch import Tensor


def upsample_spline(control: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """A cubic B-spline with control values ``[channel, a, b, c]`` at ``shape`` samples: ``[channel, x, y, z]``.

    Each sample is the centre of one of ``shape`` equal cells that fill the control grid's interior, which ends one knot
    from its borders (Unser 1999, doi:10.1109/79.799930): finer samples lie evenly around the coarser ones.
    At least four control points along each axis are needed.
    """
    x, y, z = (basis(n, k).to(control) for n, k in zip(shape, control.shape[1:], strict=True))
    out = torch.einsum("ncba,xc->nxba", control, x)
    out = torch.einsum("nxba,yb->nxya", out, y)
    return torch.einsum("nxya,za->nxyz", out, z)


def basis(samples: int, controls: int) -> Tensor:
    """Weights ``[samples, controls]`` of a uniform cubic B-spline; each row sums to 1."""
    position = 1.0 + (controls - 3.0) / samples * (torch.arange(samples, dtype=torch.float64) + 0.5)
    distance = (position[:, None] - torch.arange(controls, dtype=torch.float64)[None]).abs()
    inner = 2 / 3 - distance**2 + distance**3 / 2
    outer = (2 - distance).clamp(min=0) ** 3 / 6
    return torch.where(distance < 1, inner, outer)
