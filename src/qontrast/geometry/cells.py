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
            last node is read there. Two axes, or three where there is one table.
        sizes: nodes along each of these axes, two or more.
        first: the place of each axis's first node.
    """

    def __init__(self, places: Sequence[Tensor], sizes: Sequence[int], first: Sequence[int] = (0, 0, 0)) -> None:
        self._places, self._sizes, self._first = places, sizes, first[: len(sizes)]
        points, device = len(places[0]), places[0].device
        self._grid = torch.empty((2, points), device=device)  # across a row, and down the rows that the slab reads
        self._beyond = torch.empty(points if len(sizes) > 2 else 0, device=device)
        self._planes: list[tuple[int, int]] = []  # the first that a slab reads, and how many
        *_, down, across = self._first
        for part in self._slabs():
            upper = self._first_axes(part)
            low, high = (int(edge) for edge in torch.aminmax(upper))
            self._planes.append((low, high + 1 - low))
            row = places[-2][part].clamp(down, down + sizes[-2] - 1).add_(upper.sub_(low), alpha=sizes[-2])
            _to_unit(row, down, (high + 1 - low) * sizes[-2], self._grid[1, part])
            _to_unit(places[-1][part], across, sizes[-1], self._grid[0, part])

    def _slabs(self) -> Iterator[slice]:
        return (slice(start, start + SLAB) for start in range(0, len(self._places[0]), SLAB))

    def _first_axes(self, part: slice) -> Tensor:
        """The plane of the last two axes in which, or above which, each point lies."""
        if len(self._sizes) < 3:
            return torch.zeros_like(self._grid[0, part])
        start, size = self._first[0], self._sizes[0]
        place = self._places[0][part].clamp(start, start + size - 1)
        # The last node has no neighbour above it: it is the upper one of its own cell.
        lower = place.floor().clamp_(max=start + size - 2)
        torch.sub(place, lower, out=self._beyond[part])
        return lower.sub_(start)

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

    def nearest(self) -> Tensor:
        """The index of the node that is nearest to each point, ``[point]``."""
        out = torch.empty(len(self._places[0]), dtype=torch.int64, device=self._grid.device)
        for part in self._slabs():
            index = torch.zeros((), dtype=torch.int32, device=out.device)
            for place, size, start in zip(self._places, self._sizes, self._first, strict=True):
                node = (place[part] + (0.5 - start)).clamp_(0, size - 1).to(torch.int32)
                index = node.add_(index, alpha=size)
            out[part] = index
        return out


def _to_unit(places: Tensor, first: int, size: int, out: Tensor) -> None:
    """Places to what ``grid_sample`` wants: -1 at the first node, 1 at the last; beyond them it keeps to the border."""
    scale = 2 / (size - 1)
    torch.add(places.new_tensor(-1 - first * scale), places, alpha=scale, out=out)


def even_nodes(values: Tensor, step: float) -> Tensor:
    """Evenly spaced nodes that enclose the values, at most ``step`` apart, two or more."""
    low, high = (float(v) for v in torch.aminmax(values))
    count = 2 + math.ceil((high - low) / step)
    return low + max(high - low, 1e-3) / (count - 1) * torch.arange(count, dtype=torch.float32, device=values.device)
