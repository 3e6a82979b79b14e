"""What a segmenter of the brain may take for granted: where the brain ends, and that it is one piece."""

import numpy as np
import torch
from jaxtyping import Float
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


def from_crown(head: Box, spacing: float) -> Box:
    """The upper part of a head's box (axes RAS, ``spacing`` mm), in which the brain is if the head is upright."""
    x, y, (low, high) = head
    return x, y, (max(low, high - round(DEEPEST_MM / spacing)), high)


def goes_on_below(found: Float[Tensor, "classes x y z"], spacing: float) -> bool:
    """Whether there is more brain at the lower face than a spinal cord has, or none at all so far."""
    brain = found[0] < 0.5
    lowest = brain[..., : max(1, round(LOWEST_MM / spacing))]
    return not brain.any() or float(lowest.sum()) * spacing**3 > CORD_MM2 * lowest.shape[2] * spacing


def one_piece(found: Float[Tensor, "classes x y z"]) -> Float[Tensor, "classes x y z"]:
    """The probabilities with all but the largest piece of the brain turned to background."""
    brain = (found[0] < 0.5).numpy()
    pieces, count = ndimage.label(brain)
    if count < 2:
        return found
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    others = torch.from_numpy(brain & (pieces != sizes.argmax()))
    found = found.clone()
    found[:, others] = 0.0
    found[0, others] = 1.0
    return found
