"""The brain alone: what skull stripping leaves of a scan, as generous or as tight as its tools are."""

import torch
from jaxtyping import Bool
from torch import Tensor

from qontrast.anatomy.classes import STRUCTURE_CLASSES
from qontrast.basics.randomness import chance, uniform
from qontrast.basics.shapes import Labels

WITH_FLUID = 0.4
"""How often the fluid around the brain is left in (a guess)."""
MARGIN_MM = (0.0, 4.0)
"""How far a mask without it reaches beyond the brain (a guess)."""
OUTER = list(STRUCTURE_CLASSES).index("cerebrospinal fluid")


def draw_brain(structures: Labels, spacing: float, generator: torch.Generator) -> Bool[Tensor, "x y z"]:
    """A mask of the brain, as a tool might draw it.

    Args:
        structures: classes of the scheme ``structures``, ``[x, y, z]``.
        spacing: of the voxels, mm.
        generator: where the randomness comes from.
    """
    if chance(WITH_FLUID, generator):
        return structures > 0
    brain = (structures > 0) & (structures != OUTER)
    reach = round(uniform(MARGIN_MM, generator) / spacing)
    for axis in range(3):  # a cube's three edges in turn
        size = tuple(2 * reach + 1 if a == axis else 1 for a in range(3))
        padding = tuple(reach if a == axis else 0 for a in range(3))
        grown = torch.nn.functional.max_pool3d(brain[None, None].float(), size, stride=1, padding=padding)
        brain = grown[0, 0] > 0
    return brain
