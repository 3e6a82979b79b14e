"""Many lesions read together: in a box of a head, the highest of their levels and severities."""

import math
from collections import defaultdict

import torch
from torch import Tensor

from qontrast.anatomy.lesion_loops import rise
from qontrast.anatomy.lesion_shapes import Blob, Level, blob_values
from qontrast.anatomy.lesion_tensors import levels_at
from qontrast.basics.compiled import by_loops
from qontrast.basics.shapes import Box, Device

MOST_VOXELS = 1 << 20
"""That levels are read at in one operation: each takes about 0.1 kB."""


def highest(
    levels: tuple[Level, ...], soft: float, box: Box, device: Device = "cpu"
) -> tuple[Box, Tensor, Tensor] | None:
    """The highest level and the highest severity in the part of ``box`` that any level reaches.

    A level's severity rises from 0 to its strength within ``soft`` levels about 0.5.

    Returns:
        That part, and ``[x, y, z]`` each; None where there is none.
    """
    met = [(level, part) for level in levels if (part := _meet(level.box, box)) is not None]
    if not met:
        return None
    x, y, z = ((min(p[i][0] for _, p in met), max(p[i][1] for _, p in met)) for i in range(3))
    top, severity = torch.zeros(2, x[1] - x[0], y[1] - y[0], z[1] - z[0], device=device)
    values = _values([level for level, _ in met])
    if not by_loops(top):
        _all_at_once(met, values, soft, (x, y, z), top, severity)
        return (x, y, z), top, severity
    for (level, part), own in zip(met, values, strict=True):
        first = (part[0][0], part[1][0], part[2][0])
        inner = tuple(slice(a - start, b - start) for (a, b), (start, _) in zip(part, (x, y, z), strict=True))
        grid = level.matrix.numpy(), level.shift.numpy()
        rise(own.numpy(), *grid, first, level.strength, soft, top[inner].numpy(), severity[inner].numpy())
    return (x, y, z), top, severity


def _all_at_once(
    met: list[tuple[Level, Box]], values: list[Tensor], soft: float, box: Box, top: Tensor, severity: Tensor
) -> None:
    """The same for as many levels of one size of grid at a time as memory allows."""
    alike = defaultdict(list)
    for (level, part), own in zip(met, values, strict=True):
        alike[own.shape].append((level, part, own))
    for group in alike.values():
        group.sort(key=lambda each: _voxels(each[1]))  # those of one size together: parts are padded to the largest
        many = max(1, MOST_VOXELS // _voxels(group[-1][1]))
        for start in range(0, len(group), many):
            levels, parts, grids = zip(*group[start : start + many], strict=True)
            matrix, shift = torch.stack([each.matrix for each in levels]), torch.stack([each.shift for each in levels])
            own = torch.stack(grids).to(top.device)
            read, flat = levels_at(own, matrix, shift, torch.tensor(parts), torch.tensor(box))
            strength = torch.tensor([each.strength for each in levels], device=top.device)[:, None]
            severe = ((read - 0.5) / soft + 0.5).clamp_(0, 1).mul_(strength)
            for out, found in ((top, read), (severity, severe)):
                out.view(-1).scatter_reduce_(0, flat.flatten(), found.flatten(), "amax")


def _voxels(box: Box) -> int:
    return math.prod(b - a for a, b in box)


def _meet(one: Box, other: Box) -> Box | None:
    x, y, z = ((max(a, c), min(b, d)) for (a, b), (c, d) in zip(one, other, strict=True))
    return (x, y, z) if x[0] < x[1] and y[0] < y[1] and z[0] < z[1] else None


def _values(levels: list[Level]) -> list[Tensor]:
    """Each level's own grid; those of blobs of one size are made together."""
    alike = defaultdict(list)
    for level in levels:
        if isinstance(level, Blob):
            alike[level.edge].append(level)
    made = {edge: iter(blob_values(blobs)) for edge, blobs in alike.items()}
    return [next(made[level.edge]) if isinstance(level, Blob) else level.array for level in levels]
