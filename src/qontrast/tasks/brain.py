"""What a segmenter of the brain may take for granted: where the brain ends, and that it has no holes."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy import ndimage
from torch import Tensor

from qontrast.anatomy.classes import class_names
from qontrast.basics.shapes import Box
from qontrast.geometry.sample import occupied

BRAINS = (class_names("tissues"), class_names("structures"))
"""Classes that are each as bright in a scan as one kind of tissue, and together the brain."""
CAVITIES = ("ventricles",)
"""Hold fluid and choroid plexus; lesions lie about them."""
DEEPEST_MM = 176.0
"""From the crown, with its margin, to below the medulla of most heads: two windows of 96 at 1 mm."""
LOWEST_MM, CORD_MM2 = 8.0, 120.0
"""A slab in which the brain would go on, and what it has to fill of it: a spinal cord's section is 78 mm² at C5 (Kato
et al. 2012, doi:10.1007/s00586-012-2176-4)."""
CORE_MM = 2.0
"""Depth below its surface at which the brain is in one piece still, and most of orbits and marrow has come off it."""
REACH_MM = CORE_MM + 1
"""Of the brain's core: a layer of fluid one voxel thick lies upon cortex."""
LARGE = 0.25
"""Size of a piece that stays, relative to the largest: a low slab cuts the temporal lobes apart."""
ONE_OF_EACH = (("cerebellar grey matter", "cerebellar white matter"), ("brain stem",))
"""Classes that together fill one place."""
ASTRAY_MM = 5.0
"""From its place, beyond which such a class is something else. As depth, reach and size above, tried on eight scans."""
BARE = 1.3
"""Volume of a scan that is not empty, in brains, up to which it is skull-stripped; a scalp has half a brain's."""
LITTLE = 0.001
"""Share of a class that is left where it is astray: the scan's intensities outweigh odds of 1 to 1000 at most."""


def from_crown(head: Box, spacing: float) -> Box:
    """The upper part of a head's box (axes RAS, ``spacing`` mm), in which the brain is if the head is upright."""
    x, y, (low, high) = head
    return x, y, (max(low, high - round(DEEPEST_MM / spacing)), high)


def goes_on_below(found: Float[Tensor, "classes x y z"], spacing: float) -> bool:
    """Whether there is more brain at the lower face than a spinal cord has, or none at all so far."""
    brain = found[0] < 0.5
    lowest = brain[..., : max(1, round(LOWEST_MM / spacing))]
    return not brain.any() or float(lowest.sum()) * spacing**3 > CORD_MM2 * lowest.shape[2] * spacing


def box_of(brain: Bool[Tensor, "x y z"]) -> Box | None:
    """The box of what is brain, with one voxel around it where the scan has one; None where nothing is."""
    box = occupied(brain)
    if box is None:
        return None
    x, y, z = ((max(0, low - 1), min(size, high + 1)) for (low, high), size in zip(box, brain.shape, strict=True))
    return x, y, z


def taken_away(
    image: Float[Tensor, "x y z"], brain: Bool[Tensor, "x y z"], spacing: float
) -> Bool[Tensor, "x y z"] | None:
    """Which voxels skull-stripping has emptied; None for a scan that has its skull.

    To a network they look like fluid where fluid is dark. A sulcus that is as empty, and narrower than twice
    :data:`CORE_MM`, is none of them.

    Args:
        image: the scan, in any unit; its first voxel is empty.
        brain: which voxels are brain so far.
        spacing: voxel size, mm.
    """
    empty = image == image[0, 0, 0]
    if int((~empty).sum()) > BARE * int(brain.sum()):
        return None
    width = max(1, round(CORE_MM / spacing))
    core = ndimage.minimum_filter(empty.numpy(), 2 * width + 1, mode="nearest")
    return empty & torch.from_numpy(_within_reach(_large_pieces(core), width))


def solid(
    found: Float[Tensor, "classes x y z"], brain: Bool[Tensor, "x y z"], spacing: float
) -> Float[Tensor, "classes x y z"]:
    """The probabilities, changed in place, so that the brain has no hole and nothing is brain that hangs by a thread.

    Pieces of the orbits, the skull and the neck that a network takes for brain touch it in few voxels, or not at all:
    what is left of the brain below :data:`CORE_MM` is one large piece, and only what lies within :data:`REACH_MM` of
    that (or of another one of :data:`LARGE` its size, where a scan ends above the brain's base) remains. What the brain
    encloses is of the likeliest class that is not background.

    Args:
        found: of each class, the background first, in the brain's box.
        brain: which voxels are brain so far.
        spacing: voxel size, mm.
    """
    inside = brain.numpy()
    # Where the brain reaches the end of the scan ("nearest") it is not known to end.
    core = ndimage.minimum_filter(
        ndimage.binary_fill_holes(inside), 2 * max(1, round(CORE_MM / spacing)) + 1, mode="nearest"
    )
    kept = inside & _within_reach(_large_pieces(core if core.any() else inside), REACH_MM / spacing)
    whole = torch.from_numpy(ndimage.binary_fill_holes(kept))
    lost, held = brain & ~whole, whole & ~brain
    emptied(found, lost)
    found[:, held] = _without(found[:, held], [0])
    return found


def in_place(
    found: Float[Tensor, "classes x y z"], classes: tuple[str, ...], spacing: float
) -> Float[Tensor, "classes x y z"]:
    """The probabilities, changed in place, so that what there is one of lies nowhere else.

    A window in the frontal lobe or above the orbits may look like cerebellum to a network; what is farther than
    :data:`ASTRAY_MM` from the cerebellum is something else.

    Args:
        found: of each class, in the brain's box.
        classes: their names.
        spacing: voxel size, mm.
    """
    for group in ONE_OF_EACH:
        members = [classes.index(name) for name in group if name in classes]
        share = found[members].sum(dim=0)
        likely = (share > 0.5).numpy()
        if likely.any():
            near = _within_reach(_large_pieces(likely), ASTRAY_MM / spacing)
            astray = (share > LITTLE) & ~torch.from_numpy(near)
            found[:, astray] = _without(found[:, astray], members)
    return found


def emptied(found: Float[Tensor, "classes x y z"], where: Bool[Tensor, "x y z"]) -> Float[Tensor, "classes x y z"]:
    """The probabilities, changed in place, with nothing but background ``where`` it says."""
    found[:, where] = 0.0
    found[0, where] = 1.0
    return found


def _large_pieces(mask: Bool[np.ndarray, "x y z"]) -> Bool[np.ndarray, "x y z"]:
    pieces, _ = ndimage.label(mask)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return (sizes >= max(1, LARGE * sizes.max()))[pieces]


def _within_reach(mask: Bool[np.ndarray, "x y z"], voxels: float) -> Bool[np.ndarray, "x y z"]:
    return ndimage.maximum_filter(mask, 2 * max(1, round(voxels)) + 1, mode="constant")


def _without(found: Float[Tensor, "classes voxel"], members: list[int]) -> Float[Tensor, "classes voxel"]:
    """The probabilities given that some classes are ruled out."""
    found = found.clamp_min(torch.finfo(found.dtype).tiny)
    found[members] = 0.0
    return found / found.sum(dim=0)
