"""What is where in a head as drawn: labels, cavities and damaged tissue, moved by atrophy."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from qontrast.anatomy import atrophy_tensors
from qontrast.anatomy.atrophy_loops import pull
from qontrast.anatomy.lesion_levels import highest
from qontrast.anatomy.lesions import CODES
from qontrast.anatomy.observed import Voxels
from qontrast.anatomy.pathology import Pathology
from qontrast.basics.compiled import by_loops
from qontrast.basics.shapes import Box, Device
from qontrast.geometry.sample import box_slices


class OnDisk:
    """A label map on disk, read in boxes as if it were a tensor."""

    def __init__(self, voxels: Voxels) -> None:
        self.voxels = voxels

    def __getitem__(self, where: tuple[slice, ...]) -> Tensor:
        return torch.from_numpy(self.voxels[where])


@dataclass(frozen=True)
class Structures:
    """What is where in a box.

    Args:
        index: into the rates, ``[x, y, z]``; one past the labels is a cavity.
        damage: of each lesion the flat indices of its voxels, their severity (0 to 1) and the factors at 1.
        kinds: code of the lesion in each voxel.
    """

    index: Tensor
    damage: tuple[tuple[Tensor, Tensor, dict[str, float]], ...]
    kinds: Tensor


def structures_in(
    dense: Tensor | OnDisk,
    count: int,
    pathology: Pathology | None,
    hosts: Callable[[bool], Tensor],
    box: Box,
    device: Device = "cpu",
) -> Structures:
    """The head in ``box``: lesions lie in the label map, and both move with the atrophy.

    Args:
        dense: the label map ``[x, y, z]``, as indices into ``count`` labels.
        count: of labels.
        pathology: lesions and atrophy; None for neither.
        hosts: which labels a lesion can lie in, booleans ``[label]``: of white matter alone, or of the whole brain.
        box: of the label map's grid.
        device: where volumes are computed.
    """
    source, moved = box, None
    if pathology is not None and pathology.flow is not None:
        moved = pathology.flow.source(box, device)
        least, most = torch.stack((moved.amin(dim=(1, 2, 3)), moved.amax(dim=(1, 2, 3)))).tolist()
        source = (least[0], most[0] + 1), (least[1], most[1] + 1), (least[2], most[2] + 1)
    many = count >= 255
    index = dense[box_slices(source)].to(device, torch.int32 if many else torch.uint8, copy=True)
    kinds = torch.zeros(index.shape, dtype=torch.uint8, device=device)
    lesions = () if pathology is None else pathology.lesions
    hole = torch.tensor([False])
    among = {white: torch.cat((hosts(white), hole)).to(device) for white in (True, False)} if lesions else {}
    severities = []
    for lesion in lesions:
        found = highest(lesion.levels, lesion.soft, source, device)
        if found is None:
            continue
        where, top, severe = found
        part = tuple(slice(a - c, b - c) for (a, b), (c, _) in zip(where, source, strict=True))
        host = among[lesion.white_only][index[part].long()]
        inside = host & (top >= 0.5)
        kinds[part] = torch.where(inside, CODES[lesion.kind], kinds[part])
        if lesion.cavity is not None:
            empty = host & (top >= lesion.cavity)
            index[part] = torch.where(empty, count, index[part])
            host = host & ~empty
        severe.mul_(host)
        if moved is not None:
            severity = torch.zeros(index.shape, device=device)
            severity[part] = severe
            severe, where = _pulled(severity, moved, _first(source)), box
        severities.append((severe, where, lesion.change))
    if moved is not None:
        index = _pulled(index, moved, _first(source))
        kinds = _pulled(kinds, moved, _first(source)) if severities else torch.zeros_like(index, dtype=torch.uint8)
    damage = ((*_found(severe, where, box), change) for severe, where, change in severities)
    return Structures(index, tuple(damage), kinds)


def _first(box: Box) -> tuple[int, int, int]:
    return box[0][0], box[1][0], box[2][0]


def _found(values: Tensor, where: Box, box: Box) -> tuple[Tensor, Tensor]:
    """The voxels of ``box`` (flat indices) at which values in ``where``, a part of it, are not 0; and these values."""
    x, y, z = torch.nonzero(values, as_tuple=True)
    found = values[x, y, z]
    x, y, z = (at + a - c for at, (a, _), (c, _) in zip((x, y, z), where, box, strict=True))
    return (x * (box[1][1] - box[1][0]) + y) * (box[2][1] - box[2][0]) + z, found


def _pulled(values: Tensor, voxels: Tensor, first: tuple[int, int, int]) -> Tensor:
    """``values`` ``[a, b, c]`` at voxels ``[3, x, y, z]`` of a grid, of which ``first`` is the first that they hold."""
    if not by_loops(values):
        return atrophy_tensors.pull(values, voxels, first)
    out = values.new_empty(voxels.shape[1:])
    pull(values.contiguous().numpy(), *(v.numpy() for v in voxels), first, out.numpy())
    return out
