"""Lesions and age: how they are drawn (a plan's ranges), and what was drawn for one head (a record)."""

import math
from dataclasses import dataclass

import torch

from qontrast.anatomy.ageing import sulcal_growth, ventricular_growth
from qontrast.anatomy.atrophy import Atrophy, Flow
from qontrast.anatomy.compartments import Compartments
from qontrast.anatomy.lesion_masks import Part, masks_in
from qontrast.anatomy.lesions import KINDS, Lesion, draw_lesions
from qontrast.anatomy.white_matter_burden import burden_at
from qontrast.basics.errors import PlanError, nearest
from qontrast.basics.randomness import Range, chance, choice, normal, uniform

LARGEST_VENTRICLES = 130.0  # ml: a head whose ventricles are large already does not grow beyond it
AGES = (18.0, 100.0)


@dataclass(frozen=True)
class PathologyRanges:
    """How often heads have lesions, and how old they are; label maps only, for measured maps have what they have.

    Args:
        lesions: probability that a head has a disease with lesions.
        kinds: diseases that are drawn from: ``acute-stroke``, ``chronic-stroke``, ``ms``, ``svd`` (small vessels).
        ageing: probability that a head has an age; if not, it is the adult of the label map and the priors.
        ages: youngest and oldest, years.
        folder: folder of lesion masks in MNI space that strokes are taken from; null draws shapes.
        masks: which of its people's: ``learning`` leaves out a fifth, which is for ``testing``; or ``all``.
    """

    lesions: float = 0.3
    kinds: tuple[str, ...] = KINDS
    ageing: float = 0.3
    ages: Range = (20.0, 90.0)
    folder: str | None = None
    masks: Part = "learning"

    def __post_init__(self) -> None:
        for name, value in (("lesions", self.lesions), ("ageing", self.ageing)):
            if not 0 <= value <= 1:
                raise PlanError(f"pathology.{name}", f"{value:g}", "a probability from 0 to 1")
        for kind in self.kinds:
            if kind not in KINDS:
                raise PlanError("pathology.kinds", repr(kind), "known kinds of lesions", nearest(kind, KINDS))
        if self.lesions > 0 and not self.kinds:
            raise PlanError("pathology.kinds", "none", "at least one kind", "Or set pathology.lesions to 0.")
        low, high = self.ages
        if not AGES[0] <= low <= high <= AGES[1]:
            raise PlanError(
                "pathology.ages", f"{low:g} to {high:g} years", f"ages from {AGES[0]:g} to {AGES[1]:g}, the lower first"
            )

    @property
    def none(self) -> bool:
        """Whether nothing can be drawn."""
        return self.lesions == 0 and self.ageing == 0


@dataclass(frozen=True)
class Pathology:
    """What one head has.

    Args:
        lesions: with their tissue.
        age: years; None for the adult of the label map.
        flow: the atrophy that goes with it; None for none.
    """

    lesions: tuple[Lesion, ...] = ()
    age: float | None = None
    flow: Flow | None = None

    def describe(self) -> str:
        """For a caption: ``75 years, ventricles x 2.1, chronic-stroke``; empty for a healthy adult."""
        parts = [] if self.age is None else [f"{self.age:.0f} years"]
        parts += [] if self.flow is None else [f"ventricles × {self.flow.factors[0]:.2g}"]
        return ", ".join(parts + sorted({lesion.kind for lesion in self.lesions}))


def draw_pathology(
    ranges: PathologyRanges, head: Compartments, atrophy: Atrophy, generator: torch.Generator
) -> Pathology:
    """Draw what a head has; old heads have the white-matter changes of their age, whatever else they have.

    Args:
        ranges: how.
        head, atrophy: of the label map.
        generator: where the randomness comes from.

    Raises:
        InputError: if the folder of lesion masks has none.
    """
    age = uniform(ranges.ages, generator) if chance(ranges.ageing, generator) else None
    sick = chance(ranges.lesions, generator)
    kind = choice(ranges.kinds, generator) if sick else None
    spread, load = normal(generator), normal(generator)
    lesions: tuple[Lesion, ...] = ()
    if age is not None and age >= 45 and kind != "ms":
        # A disease of the small vessels is four times the burden of one's age, which varies between people.
        burden = burden_at(age) * math.exp(0.8 * load) * (4 if kind == "svd" else 1)
        lesions = draw_lesions("svd", head, (), min(80.0, burden), generator)
        kind = None if kind == "svd" else kind
    if kind is not None:
        masks = () if ranges.folder is None else masks_in(ranges.folder, ranges.masks)
        lesions += draw_lesions(kind, head, masks, None, generator)
    if age is None or not len(head.sites["brain"]):
        return Pathology(lesions, age)
    millilitres = float(head.ventricular_fluid.sum() * head.spacing[0] * head.spacing[1] * head.spacing[2]) / 1000
    most = max(1.0, LARGEST_VENTRICLES / max(millilitres, 1.0))
    ventricles = min(most, max(1.0, ventricular_growth(age) * math.exp(0.2 * spread)))
    sulci = max(1.0, sulcal_growth(age) * math.exp(0.04 * spread))
    return Pathology(lesions, age, atrophy.to(ventricles, sulci) if max(ventricles, sulci) > 1.0 else None)
