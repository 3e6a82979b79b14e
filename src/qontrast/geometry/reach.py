"""Which voxels of a box a view may read: a span of each row of voxels."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int16
from torch import Tensor

from qontrast.basics.shapes import Box, Coordinates
from qontrast.geometry.span import span


class Reach(NamedTuple):
    """The span of each row along the box's last axis.

    Args:
        start: its first voxel.
        stop: one past its last; no more than ``start`` where no voxel is in reach.
    """

    start: Int16[Tensor, "x y"]
    stop: Int16[Tensor, "x y"]

    def mask(self, count: int) -> Bool[Tensor, "x y z"]:
        """The same of rows of ``count`` voxels, voxel by voxel."""
        start, stop = (edge.numpy()[:, :, None] for edge in self)  # NumPy compares these faster than PyTorch
        steps = torch.arange(count, dtype=torch.int16).numpy()
        return torch.from_numpy((steps >= start) & (steps < stop))


def everywhere(box: Box) -> Reach:
    """All voxels of a box."""
    rows, count = [b - a for a, b in box[:2]], box[2][1] - box[2][0]
    return Reach(torch.zeros(rows, dtype=torch.int16), torch.full(rows, count, dtype=torch.int16))


def within_reach(coordinates: Coordinates, axes: Float[Tensor, "3 3"], box: Box) -> Reach:
    """The voxels of a box that linear interpolation may read: those in the smallest parallelepiped around the points.

    Args:
        coordinates: the points, ``[u, v, w, 3]``.
        axes: the parallelepiped's normals, a row each: along a crop's own axes little more is in it than is read.
        box: of the coordinates' grid.
    """
    margin = axes.abs().sum(dim=1) * (1 + 1e-3)  # a point reads voxels less than one step away along each axis
    least, most = span(coordinates, axes)
    least, most = least - margin, most + margin
    x, y, z = (torch.arange(a, b, dtype=axes.dtype, device=axes.device) for a, b in box)
    low, high = axes.new_full((len(x), len(y)), -math.inf), axes.new_full((len(x), len(y)), math.inf)
    for (a, b, c), first, last in zip(axes.tolist(), least, most, strict=True):
        # Along a row of voxels two opposite faces are crossed where the offset is the first and where it is the last.
        start, step = (a * x)[:, None] + b * y, math.copysign(max(abs(c), 1e-9), c)
        one, two = (first - start) / step, (last - start) / step
        low, high = torch.maximum(low, torch.minimum(one, two)), torch.minimum(high, torch.maximum(one, two))
    first, count = box[2][0], len(z)
    return Reach(
        (low - first).ceil().nan_to_num(0.0).clamp(0, count).to(torch.int16),
        (high - first).floor().add(1).nan_to_num(0.0).clamp(0, count).to(torch.int16),
    )
