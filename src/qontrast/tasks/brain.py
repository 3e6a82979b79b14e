"""What a segmenter of the brain may take for granted: where the brain ends, and that it has no holes."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy import ndimage
from torch import Tensor

from qontrast.anatomy.classes import class_names
from qontrast.geometry.sample import Box

BRAINS = (class_names("tissues"), class_names("structures"))
"""Classes that are each as bright in a scan as one kind of tissue, and together the brain."""
DEEPEST_MM = 176.0
"""From the crown, with its margin, to below the medulla of most heads: two windows of 96 at 1 mm."""
LOWEST_MM, CORD_MM2 = 8.0, 120.0
"""A slab in which the brain would go on, and what it has to fill of it: a spinal cord's section is 78 mm² at C5 (Kato
et al. 2012, doi:10.1007/s00586-012-2176-4)."""
REACH_MM = 2.0
"""Of the brain's core: a layer of fluid one voxel thick lies upon cortex."""
LARGE = 0.25
"""Size of a piece that stays, relative to the largest: a low slab cuts the temporal lobes apart."""


def from_crown(head: Box, spacing: float) -> Box:
    """The upper part of a head's box (axes RAS, ``spacing`` mm), in which the brain is if the head is upright."""
    x, y, (low, high) = head
    return x, y, (max(low, high - round(DEEPEST_MM / spacing)), high)


def goes_on_below(found: Float[Tensor, "classes x y z"], spacing: float) -> bool:
    """Whether there is more brain at the lower face than a spinal cord has, or none at all so far."""
    brain = found[0] < 0.5
    lowest = brain[..., : max(1, round(LOWEST_MM / spacing))]
    return not brain.any() or float(lowest.sum()) * spacing**3 > CORD_MM2 * lowest.shape[2] * spacing


def solid(
    found: Float[Tensor, "classes x y z"], brain: Bool[Tensor, "x y z"], spacing: float
) -> Float[Tensor, "classes x y z"]:
    """The probabilities, changed in place, so that the brain has no hole and nothing is brain that hangs by a thread.

    Pieces of the skull and the neck that a network takes for brain touch it in few voxels, or not at all: what is left
    of the brain without its outermost voxels is one large piece, and only what lies within :data:`REACH_MM` of that
    (or of another one of :data:`LARGE` its size, where a scan ends above the brain's base) remains. What the brain
    encloses is of the likeliest class that is not background.

    Args:
        found: of each class, the background first.
        brain: which voxels are brain so far.
        spacing: voxel size, mm.
    """
    if not brain.any():
        return found
    box = tuple(slice(max(0, int(places.min()) - 1), int(places.max()) + 2) for places in brain.nonzero().T)
    inside = brain[box].numpy()
    # Where the brain reaches the end of the scan it is not known to end.
    core = ndimage.binary_erosion(np.pad(inside, 1, mode="edge"))[1:-1, 1:-1, 1:-1]
    pieces, count = ndimage.label(core if core.any() else inside)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    kept = np.isin(pieces, 1 + np.flatnonzero(sizes >= LARGE * sizes.max()))
    cube = np.ones((3, 3, 3), dtype=bool)
    kept = ndimage.binary_dilation(kept, cube, iterations=max(1, round(REACH_MM / spacing)), mask=inside)
    beyond, _ = ndimage.label(np.pad(~kept, 1, constant_values=True))
    whole = torch.zeros_like(brain)
    whole[box] = torch.from_numpy((beyond != beyond[0, 0, 0])[1:-1, 1:-1, 1:-1])
    lost, held = brain & ~whole, whole & ~brain
    found[:, lost] = 0.0
    found[0, lost] = 1.0
    likely = found[1:, held].clamp_min(torch.finfo(found.dtype).tiny)
    found[1:, held] = likely / likely.sum(dim=0)
    found[0, held] = 0.0
    return found
