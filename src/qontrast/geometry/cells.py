"""Where points lie between the nodes of a table: found once, for as many tables as there are.

PyTorch reads images of two axes with vector instructions, those of three axes one point at a time. So all axes but the
last are laid below one another, as rows of one tall image, and a third axis is crossed by blending two such readings,
one table plane apart.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

SLAB = 1 << 16
"""Points at a time: what is made of them then stays in the second-level cache, and the rows that they read are so few
that single precision tells places apart to a few ten-thousandths of a step."""


class Cells:
    """The cell of each point, and how far into it the point lies along each axis.

    Args:
        places: each point's place along an axis, ``[point]``, in steps between nodes. What lies beyond the first or the
            last node is read there. Two axes or three.
        sizes: nodes along each of these axes, two or more.
        first: the place of each axis's first node.
        plane: whole number of the table in a stack of tables that each point reads, ``[point]``; None for one table.
    """

    def __init__(
        self,
        places: Sequence[Tensor],
        sizes: Sequence[int],
        first: Sequence[float] = (0.0, 0.0, 0.0),
        plane: Tensor | None = None,
    ) -> None:
        self._places, self._sizes, self._first, self._plane = places, sizes, first, plane
        points, device = len(places[0]), places[0].device
        self._grid = torch.empty((2, points), device=device)  # across a row, and down the rows that the slab reads
        self._beyond = torch.empty(points if len(sizes) > 2 else 0, device=device)
        self._planes: list[tuple[int, int]] = []  # the first that a slab reads, and how many
        for part in self._slabs():
            upper = self._first_axes(part)
            low, high = (int(edge) for edge in torch.aminmax(upper))
            self._planes.append((low, high + 1 - low))
            rows = (high + 1 - low) * sizes[-2]
            down = upper.sub_(low).mul_(sizes[-2]).add_(self._place(-2, part))
            torch.mul(down, 2 / (rows - 1), out=self._grid[1, part]).sub_(1)
            torch.mul(self._place(-1, part), 2 / (sizes[-1] - 1), out=self._grid[0, part]).sub_(1)

    def _slabs(self) -> Iterator[slice]:
        return (slice(start, start + SLAB) for start in range(0, len(self._places[0]), SLAB))

    def _place(self, axis: int, part: slice) -> Tensor:
        return (self._places[axis][part] - self._first[axis]).clamp_(0, self._sizes[axis] - 1)

    def _first_axes(self, part: slice) -> Tensor:
        """The plane of the last two axes in which, or above which, each point lies."""
        plane = self._places[0].new_zeros(()) if self._plane is None else self._plane[part].to(self._grid)
        if len(self._sizes) < 3:
            return plane.expand(self._grid[0, part].shape).clone()
        place = self._place(0, part)
        # The last node has no neighbour above it: it is the upper one of its own cell.
        lower = place.floor().clamp_(max=self._sizes[0] - 2)
        torch.sub(place, lower, out=self._beyond[part])
        return lower.add_(plane, alpha=self._sizes[0])

    def read(self, table: Tensor) -> Tensor:
        """Each point's value in a table ``[node]``, linear along every axis: ``[point]``."""
        height, width = self._sizes[-2:]
        out, grid = table.new_empty(len(self._places[0])), self._grid.to(table.dtype)
        table, two = table.contiguous(), 2 if len(self._sizes) > 2 else 1
        for part, (low, planes) in zip(self._slabs(), self._planes, strict=True):
            start = table.storage_offset() + low * height * width
            # The same memory twice, the second time one plane further on.
            images = table.as_strided((1, two, planes * height, width), (0, height * width, width, 1), start)
            at = grid[:, None, None, part].movedim(0, -1)
            read = grid_sample(images, at, padding_mode="border", align_corners=True)[0, :, 0]
            if two == 1:
                out[part] = read[0]
            else:
                torch.lerp(read[0], read[1], self._beyond[part].to(table.dtype), out=out[part])
        return out

    def corners(self) -> Tensor:
        """The index of the lowest of each point's neighbours, ``[point]``."""
        return self._index(0.0, 2)

    def nearest(self) -> Tensor:
        """The index of the node that is nearest to each point, ``[point]``."""
        return self._index(0.5, 1)

    def _index(self, ahead: float, beyond: int) -> Tensor:
        """The flat index ``[point]`` of the node just below each place moved ``ahead``, at most ``size - beyond``."""
        out = torch.empty(len(self._places[0]), dtype=torch.int64, device=self._grid.device)
        for part in self._slabs():
            index = torch.zeros((), dtype=torch.int32, device=out.device)
            for place, size, start in zip(self._places, self._sizes, self._first, strict=False):
                node = (place[part] + (ahead - start)).clamp_(0, size - 1).to(torch.int32).clamp_(max=size - beyond)
                index = node.add_(index, alpha=size)
            out[part] = index
        return out


def even_nodes(values: Tensor, step: float) -> tuple[Tensor, Tensor]:
    """Evenly spaced nodes that enclose the values, at most ``step`` apart, and the values' places among them."""
    low, high = (float(v) for v in torch.aminmax(values))
    count = 2 + math.ceil((high - low) / step)
    spacing = max(high - low, 1e-3) / (count - 1)
    nodes = low + spacing * torch.arange(count, dtype=torch.float32, device=values.device)
    return nodes, (values - low).mul_(1 / spacing)
