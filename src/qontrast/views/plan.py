"""What a view pair is made with: a value, saved with every run."""

import math
from dataclasses import dataclass, field
from typing import Literal

from qontrast.anatomy.pathology import PathologyRanges
from qontrast.basics.errors import PlanError, nearest
from qontrast.basics.randomness import Range
from qontrast.geometry.warp import WarpRanges
from qontrast.physics.catalogue import SEQUENCES
from qontrast.physics.published import PUBLISHED

FACTORS = (
    "strength",
    "sum_of_squares",
    "bias",
    "dropout",
    "motion",
    "thick_slices",
    "gibbs",
    "partial_fourier",
    "erasure",
)
Arm = Literal["base", "seqaug", "seqinv"]


@dataclass(frozen=True)
class ArtefactRanges:
    """How much images are spoilt; how often by what depends on the sequence (``artefacts/prevalence.py``).

    Args:
        strength: multiplies how often all of them occur, the bias and the noise; 0 leaves images as they are.
        snr: limits of the signal-to-noise ratio, which each sequence and field draws from a range of its own.
        sum_of_squares: how often coils are combined without phases, as a multiple of the usual; 0 for never.
        bias: largest standard deviation of the bias field's log gain; 0 for no shading by the coils either.
        dropout: share of gradient echoes that a known static field dephases; where it is not known, of those near air.
        motion: how often the head moves, as a multiple of the sequence's own rate; 0 for never.
        thick_slices: how often scans are made of thick slices, likewise.
        gibbs: how often voxels are acquired larger than the grid's, so that edges ring, likewise.
        partial_fourier: how often a part of k-space is left out, likewise.
        erasure: probability of erased boxes.
        erased_boxes: how many.
        erased_size: edge of a box as a share of the view's edge.
    """

    strength: float = 1.0
    snr: Range = (3.0, 150.0)
    sum_of_squares: float = 1.0
    bias: float = 0.15
    dropout: float = 1.0
    motion: float = 1.0
    thick_slices: float = 1.0
    gibbs: float = 1.0
    partial_fourier: float = 1.0
    erasure: float = 0.3
    erased_boxes: int = 2
    erased_size: Range = (0.1, 0.3)

    def __post_init__(self) -> None:
        for name in FACTORS:
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise PlanError(f"views.artefacts.{name}", f"{value:g}", "0 or more", "1 is as in the clinic.")
        if not 0 < self.snr[0] <= self.snr[1]:
            raise PlanError("views.artefacts.snr", f"{list(self.snr)}", "two numbers above 0, the lower one first")


@dataclass(frozen=True)
class ViewPlan:
    """How two views are made of one subject.

    Args:
        arm: ``base`` (one MPRAGE contrast), ``seqaug`` (a random contrast, the same in both views) or ``seqinv`` (a
            different contrast in each view).
        crop: voxels along each edge of a view.
        spacing: isotropic voxel size of a view, millimetres.
        sequences: names of the sequences that are drawn from.
        ranges: of the protocols: ``clinical``, or ``published`` for those of the method's code, which
            has six of the sequences, to compare with.
        fields: static fields that are drawn from, tesla; empty keeps the field of the maps.
        geometry: how views are moved.
        artefacts: how views are spoilt.
        pathology: how often heads given as label maps have lesions and age.
        stripped: share of a segmenter's training crops of label maps that show the brain alone, as after skull
            stripping.
        anywhere: share of the training crops that lie anywhere in the head and not mostly on the brain: a sliding
            window meets neck, face and air too.
    """

    arm: Arm = "seqinv"
    crop: int = 48
    spacing: float = 2.0
    sequences: tuple[str, ...] = tuple(SEQUENCES)
    ranges: Literal["clinical", "published"] = "clinical"
    fields: tuple[float, ...] = (1.5, 3.0, 7.0)
    geometry: WarpRanges = field(default_factory=WarpRanges)
    artefacts: ArtefactRanges = field(default_factory=ArtefactRanges)
    pathology: PathologyRanges = field(default_factory=PathologyRanges)
    stripped: float = 0.0
    anywhere: float = 0.2

    def __post_init__(self) -> None:
        if self.arm not in ("base", "seqaug", "seqinv"):
            raise PlanError("views.arm", repr(self.arm), "base, seqaug or seqinv", nearest(self.arm, Arm.__args__))  # type: ignore[attr-defined]
        if self.crop < 16 or self.crop % 16:
            raise PlanError(
                "views.crop",
                f"{self.crop} voxels",
                "a multiple of 16 (the encoder halves four times)",
                f"The nearest is {max(16, round(self.crop / 16) * 16)}.",
            )
        if not 0.2 <= self.spacing <= 10:
            raise PlanError("views.spacing", f"{self.spacing:g} mm", "0.2 to 10 mm", "Spacing is in millimetres.")
        for name in ("stripped", "anywhere"):
            if not 0 <= getattr(self, name) <= 1:
                raise PlanError(f"views.{name}", f"{getattr(self, name):g}", "a share from 0 to 1")
        unknown = [s for s in self.sequences if s not in SEQUENCES]
        if unknown or not self.sequences:
            found = repr(unknown[0]) if unknown else "no sequence"
            hint = nearest(unknown[0], SEQUENCES) if unknown else ""
            raise PlanError("views.sequences", found, "known sequences", hint)
        if self.ranges == "published" and not set(self.sequences) & set(PUBLISHED):
            raise PlanError(
                "views.sequences",
                ", ".join(self.sequences),
                f"some of {', '.join(PUBLISHED)} with views.ranges published",
                "The method has no others.",
            )
