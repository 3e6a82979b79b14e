"""The plan of a fine-tuning that predicts people's sex or age."""

from dataclasses import dataclass, field
from typing import Literal

from qontrast.basics.errors import PlanError
from qontrast.engine.optimisation import Optimisation
from qontrast.nets.encoder import STRIDE
from qontrast.tasks.compute import Compute
from qontrast.tasks.plans import SMALLEST_CROP, known_dropout, known_net
from qontrast.tasks.schedules import Schedule


@dataclass(frozen=True)
class PeoplePlan:
    """Sex or age learned from scans.

    Args:
        goal: ``sex`` or ``age``.
        data: the cohort's folder.
        people: table of sex and age, where it is not in that folder.
        train: subjects to train on; all others are tested.
        suffixes: BIDS suffixes of the scans; empty for all usual ones.
        train_on: suffixes of the scans to train on; empty for all. Others are tested all the same.
        encoder: as of ``finetune segment``; null to train from scratch.
        schedule: which part of the network learns when; ``frozen`` and ``linear-probe`` train the linear layer alone.
        net: of the encoder that is trained from scratch.
        dropout: share of that encoder's activations dropped in training; null for the network's own.
        batch: crops per step.
        seed: all randomness of the run comes from it.
        crop: voxels along a window's edges.
        spacing: isotropic voxel size, millimetres.
        optimisation: how the weights are found.
        compute: where and how.
    """

    goal: Literal["sex", "age"] = "age"
    data: str = ""
    people: str | None = None
    train: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    train_on: tuple[str, ...] = ()
    encoder: str | None = None
    schedule: Schedule = field(default_factory=Schedule)
    net: str = "cnn-nano"
    dropout: float | None = None
    batch: int = 4
    seed: int = 0
    crop: int = 64
    spacing: float = 2.0
    optimisation: Optimisation = field(default_factory=Optimisation)
    compute: Compute = field(default_factory=Compute)

    def __post_init__(self) -> None:
        known_net(self.net)
        known_dropout(self.dropout)
        if self.schedule.kind == "knn":
            raise PlanError("schedule.kind", "knn", "a schedule that trains", "See `qontrast probe --method knn`.")
        self.schedule.check(self.encoder, self.optimisation)
        if self.crop < SMALLEST_CROP or self.crop % STRIDE:
            raise PlanError("crop", f"{self.crop} voxels", f"a multiple of {STRIDE}, {SMALLEST_CROP} or more")
        if not 0.1 <= self.spacing <= 10:
            raise PlanError("spacing", f"{self.spacing:g} mm", "0.1 to 10 mm")
        if self.batch < 1:
            raise PlanError("batch", f"{self.batch}", "1 or more")
