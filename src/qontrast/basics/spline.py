"""Smooth random fields: a coarse grid of control values, read off anywhere by a uniform cubic B-spline."""

import torch
from torch import Tensor


def upsample_spline(control: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Evaluate a cubic B-spline with control values ``[channel, a, b, c]`` on ``shape`` samples: ``[channel, x, y, z]``.

    The samples span the control grid's interior, one knot away from its borders (Unser 1999, doi:10.1109/79.799930).
    At least four control points along each axis are needed.
    """
    x, y, z = (basis(n, k).to(control) for n, k in zip(shape, control.shape[1:], strict=True))
    out = torch.einsum("ncba,xc->nxba", control, x)
    out = torch.einsum("nxba,yb->nxya", out, y)
    return torch.einsum("nxya,za->nxyz", out, z)


def basis(samples: int, controls: int) -> Tensor:
    """Weights ``[samples, controls]`` of a uniform cubic B-spline; each row sums to 1."""
    position = torch.linspace(1.0, controls - 2.0, samples, dtype=torch.float64)
    distance = (position[:, None] - torch.arange(controls, dtype=torch.float64)[None]).abs()
    inner = 2 / 3 - distance**2 + distance**3 / 2
    outer = (2 - distance).clamp(min=0) ** 3 / 6
    return torch.where(distance < 1, inner, outer)
