"""Coarse grids read off anywhere: by a uniform cubic B-spline (smooth random fields), or linearly."""

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from qontrast.basics.compiled import by_loops
from qontrast.basics.shapes import Box
from qontrast.basics.spline_loops import cross_axes

COARSE = 12
"""Points along each axis that suffice for the mean and the deviation of a spline of up to seven control values."""


def draw_spline(spread: float, controls: int, generator: torch.Generator, *, channels: int = 1) -> Tensor:
    """Control values ``[channel, k, k, k]`` of a random spline: its own values, not these, deviate by ``spread``.

    A spline is far smoother than its control values: it would be a third to a sixth as strong as they are. Over the
    volume each channel has mean 0 and the standard deviation ``spread``, in every draw and not only on average.
    """
    control = torch.randn((channels, *(controls,) * 3), generator=generator)
    field = _coarse(control)
    # The weights of a point sum to 1, so that the mean can be taken from the control values.
    mean, deviation = field.mean(dim=(1, 2, 3), keepdim=True), field.std(dim=(1, 2, 3), keepdim=True)
    return (control - mean) * (spread / deviation)


def spline_spread(control: Tensor) -> float:
    """The standard deviation over the volume of the spline with these control values, over channels as mean square."""
    return float(_coarse(control).var(dim=(1, 2, 3)).mean().sqrt())


def _coarse(control: Tensor) -> Tensor:
    points = max(COARSE, 2 * control.shape[-1])
    return upsample_spline(control, (points, points, points))


def upsample_spline(control: Tensor, shape: tuple[int, ...], box: Box | None = None) -> Tensor:
    """A cubic B-spline with control values ``[channel, a, b, c]`` at ``shape`` samples: ``[channel, x, y, z]``.

    Each sample is the centre of one of ``shape`` equal cells that fill the control grid's interior, which ends one knot
    from its borders (Unser 1999, doi:10.1109/79.799930): finer samples lie evenly around the coarser ones.
    At least four control points along each axis are needed.

    Args:
        control: its values.
        shape: how many samples there are along each axis.
        box: which of them are wanted, from the first to one past the last; None for all.
    """
    box = box or ((0, shape[0]), (0, shape[1]), (0, shape[2]))
    x, y, z = (basis(n, k)[a:b].to(control) for n, k, (a, b) in zip(shape, control.shape[1:], box, strict=True))
    return _product(control, x, y, z)


def linear_control(line: Sequence[float], controls: int, samples: int) -> Tensor:
    """Control values ``[k]`` of a spline that is a straight line of this slope a sample and this first value."""
    slope, start = line
    return start + slope * _places(controls, samples)


@cache
def _places(controls: int, samples: int) -> Tensor:
    return (torch.arange(controls, dtype=torch.float64) - 1) * samples / (controls - 3) - 0.5


@cache
def basis(samples: int, controls: int) -> Tensor:
    """Weights ``[samples, controls]`` of a uniform cubic B-spline; each row sums to 1."""
    position = 1.0 + (controls - 3.0) / samples * (torch.arange(samples, dtype=torch.float64) + 0.5)
    distance = (position[:, None] - torch.arange(controls, dtype=torch.float64)[None]).abs()
    inner = 2 / 3 - distance**2 + distance**3 / 2
    outer = (2 - distance).clamp(min=0) ** 3 / 6
    return torch.where(distance < 1, inner, outer)


def sample_along_axes(values: Tensor, positions: Sequence[Tensor]) -> Tensor:
    """``values`` ``[channel, x, y, z]`` at each combination of ``positions`` along the axes: ``[channel, u, v, w]``.

    Trilinear, borders repeated; several times as fast as reading point by point. At least one position along each axis.
    """
    if not by_loops(values):
        x, y, z = (linear_weights(at.to(values), n) for at, n in zip(positions, values.shape[1:], strict=True))
        return _product(values, x, y, z)
    cells = [_cells(at.to(values), n) for at, n in zip(positions, values.shape[1:], strict=True)]
    parts = [slice(int(before.min()), int(after.max()) + 1) for before, after, _ in cells]
    axes = [
        ((before - part.start).numpy(), (after - part.start).numpy(), share.numpy())
        for (before, after, share), part in zip(cells, parts, strict=True)
    ]
    out = values.new_empty(len(values), *(len(at) for at in positions))
    cross_axes(values[:, parts[0], parts[1], parts[2]].contiguous().numpy(), *axes, out.numpy())
    return out


def _cells(positions: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Which of ``count`` values lie before and after each position, and how near it is to the latter."""
    within = positions.clamp(0, count - 1)
    before = within.to(torch.int32)
    return before, (before + 1).clamp(max=count - 1), within - before


def linear_weights(positions: Tensor, count: int) -> Tensor:
    """Weights ``[position, count]`` of linear interpolation between ``count`` values, borders repeated."""
    steps = torch.arange(count).to(positions)
    return (1 - (positions.clamp(0, count - 1)[:, None] - steps).abs()).clamp_(min=0)


def _product(values: Tensor, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """``values`` ``[channel, a, b, c]`` by a matrix along each axis; the largest product writes memory in its order."""
    channels, a, b, c = values.shape
    rows = y @ (x @ values.reshape(channels, a, b * c)).reshape(channels * len(x), b, c)
    return (rows.reshape(-1, c) @ z.T).reshape(channels, len(x), len(y), len(z))
