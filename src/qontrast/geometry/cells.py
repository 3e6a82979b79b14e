"""Where points lie between the nodes of a table of any number of axes: found once, for as many tables as there are."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

SLAB = 1 << 15
"""Points at a time: what is made of them then stays in the second-level cache."""


class Cells:
    """The cell of each point, and how far into it the point lies along each axis.

    Args:
        places: each point's place along an axis, ``[point]``, in steps between nodes, the first node at 0.
        sizes: nodes along each of these axes, two or more.
        plane: whole number of the table in a stack of tables that each point reads, ``[point]``; None for one table.
    """

    def __init__(self, places: Sequence[Tensor], sizes: Sequence[int], plane: Tensor | None = None) -> None:
        points = len(places[0])
        self._strides = [math.prod(sizes[axis + 1 :]) for axis in range(len(sizes))]
        self.corner = torch.zeros(points, dtype=torch.int32, device=places[0].device)
        """Index of the lowest of each point's neighbours."""
        self._beyond = [torch.empty_like(place) for place in places]
        for start in range(0, points, SLAB):
            part = slice(start, start + SLAB)
            corner = self.corner[part]
            if plane is not None:
                corner.copy_(plane[part])
            for place, size, beyond in zip(places, sizes, self._beyond, strict=True):
                # The last node has no neighbour above it: it is the upper one of its own cell.
                lower = place[part].floor().clamp_(0, size - 2)
                torch.sub(place[part], lower, out=beyond[part])
                corner.mul_(size).add_(lower.to(torch.int32))

    def read(self, table: Tensor) -> Tensor:
        """Each point's value in a table ``[node]``, linear along every axis: ``[point]``."""
        out = table.new_empty(len(self.corner))
        for start in range(0, len(out), SLAB):
            part = slice(start, start + SLAB)
            out[part] = self._blend(table, self.corner[part], 0, part)
        return out

    def nearest(self) -> Tensor:
        """The index of the node that is nearest to each point, ``[point]``."""
        index = self.corner.clone()
        for beyond, stride in zip(self._beyond, self._strides, strict=True):
            index.add_((beyond > 0.5).to(torch.int32), alpha=stride)
        return index

    def _blend(self, table: Tensor, corner: Tensor, axis: int, part: slice) -> Tensor:
        if axis == len(self._strides):
            return table.index_select(0, corner)
        low = self._blend(table, corner, axis + 1, part)
        high = self._blend(table, corner + self._strides[axis], axis + 1, part)
        return low.lerp_(high, self._beyond[axis][part].to(low))


def even_nodes(values: Tensor, step: float) -> tuple[Tensor, Tensor]:
    """Evenly spaced nodes that enclose the values, at most ``step`` apart, and the values' places among them."""
    low, high = (float(v) for v in torch.aminmax(values))
    count = 2 + math.ceil((high - low) / step)
    spacing = max(high - low, 1e-3) / (count - 1)
    nodes = low + spacing * torch.arange(count, dtype=torch.float32, device=values.device)
    return nodes, (values - low).mul_(1 / spacing)
