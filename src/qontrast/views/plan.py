"""What a view pair is made with: a value, saved with every run."""

from dataclasses import dataclass, field
from typing import Literal

from qontrast.anatomy.pathology import PathologyRanges
from qontrast.basics.errors import PlanError, nearest
from qontrast.basics.randomness import Range
from qontrast.geometry.warp import WarpRanges
from qontrast.physics.catalogue import SEQUENCES

Arm = Literal["base", "seqaug", "seqinv"]


@dataclass(frozen=True)
class ArtefactRanges:
    """How strongly images are spoilt, each artefact with its own probability.

    Args:
        bias: standard deviation of the bias field's log gain.
        snr: lowest and highest signal-to-noise ratio.
        gibbs: probability of truncated k-space.
        gibbs_kept: share of k-space kept when it is truncated.
        thick_slices: probability of thick slices.
        thickness: slice thickness in voxels of the view.
        erasure: probability of erased boxes.
        erased_boxes: how many.
        erased_size: edge of a box as a share of the view's edge.
    """

    bias: float = 0.25
    snr: Range = (8.0, 80.0)
    gibbs: float = 0.3
    gibbs_kept: Range = (0.55, 0.95)
    thick_slices: float = 0.25
    thickness: Range = (1.5, 3.5)
    erasure: float = 0.3
    erased_boxes: int = 2
    erased_size: Range = (0.1, 0.3)


@dataclass(frozen=True)
class ViewPlan:
    """How two views are made of one subject.

    Args:
        arm: ``base`` (one MPRAGE contrast), ``seqaug`` (a random contrast, the same in both views) or ``seqinv`` (a
            different contrast in each view).
        crop: voxels along each edge of a view.
        spacing: isotropic voxel size of a view, millimetres.
        sequences: names of the sequences that are drawn from.
        fields: static fields that are drawn from, tesla; empty keeps the field of the maps.
        geometry: how views are moved.
        artefacts: how views are spoilt.
        pathology: how often heads given as label maps have lesions and age.
    """

    arm: Arm = "seqinv"
    crop: int = 48
    spacing: float = 2.0
    sequences: tuple[str, ...] = tuple(SEQUENCES)
    fields: tuple[float, ...] = (1.5, 3.0, 7.0)
    geometry: WarpRanges = field(default_factory=WarpRanges)
    artefacts: ArtefactRanges = field(default_factory=ArtefactRanges)
    pathology: PathologyRanges = field(default_factory=PathologyRanges)

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
        unknown = [s for s in self.sequences if s not in SEQUENCES]
        if unknown or not self.sequences:
            found = repr(unknown[0]) if unknown else "no sequence"
            hint = nearest(unknown[0], SEQUENCES) if unknown else ""
            raise PlanError("views.sequences", found, "known sequences", hint)
