"""What a run is made of: one frozen value, which is a YAML file and the command line's flags at once."""

import math
from dataclasses import dataclass, field
from typing import Literal

from qontrast.anatomy.classes import Scheme
from qontrast.anatomy.grouping import Kind
from qontrast.basics.errors import PlanError, nearest
from qontrast.engine.optimisation import Optimisation
from qontrast.nets.catalogue import NETS
from qontrast.nets.encoder import STRIDE
from qontrast.objectives.catalogue import Objectives
from qontrast.physics.catalogue import SEQUENCES
from qontrast.physics.clinical import is_protocol
from qontrast.tasks.compute import Compute
from qontrast.tasks.schedules import Schedule
from qontrast.views.denoising import NoiseRanges
from qontrast.views.plan import ViewPlan

SMALLEST_CROP = 2 * STRIDE


@dataclass(frozen=True)
class Cohort:
    """Whose heads.

    Args:
        data: a prepared cache, a BIDS folder, a table, a subject's folder, an image, or ``embedded`` for the library's.
        labels: TSV with a tissue or parameters for each label; null for FreeSurfer's.
        embedded: how many embedded heads there are.
        subjects: names of the subjects to use; empty for all.
        suffixes: BIDS suffixes (``T1w``) of the real scans with labels to use; empty for all.
        kind: views are made from ``maps``, ``labels`` or real ``scans``; ``auto`` takes the first that there is.
        weight: share of the examples that come from this cohort, relative to the others; kept exactly, so that few
            subjects of much weight come several times in a batch.
        balance: ``subjects`` draws each subject as often as another, ``sites`` each site.
        mixed_truths: whether truths that a programme made (their sidecar says ``Automatic``) may stand beside others.
    """

    data: str = "embedded"
    labels: str | None = None
    embedded: int = 8
    subjects: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    kind: Kind = "auto"
    weight: float = 1.0
    balance: Literal["subjects", "sites"] = "subjects"
    mixed_truths: bool = False

    def __post_init__(self) -> None:
        if self.embedded < 1:
            raise PlanError("cohort.embedded", f"{self.embedded}", "1 head or more")
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise PlanError("cohort.weight", f"{self.weight:g}", "a finite number above 0", "Or leave the cohort out.")


@dataclass(frozen=True)
class Probing:
    """How a pretraining is watched.

    Args:
        every: so many steps the encoder is measured on a fixed set of heads; 0 for never.
        heads: that the set is made of at most; those that are not trained on where there are any.
        anatomies: crops of them.
        contrasts: in which each crop is shown.
    """

    every: int = 100
    heads: int = 4
    anatomies: int = 8
    contrasts: int = 6

    def __post_init__(self) -> None:
        if self.every < 0:
            raise PlanError("probe.every", f"{self.every}", "steps, or 0 for never")
        for name in ("heads", "anatomies", "contrasts"):
            if getattr(self, name) < (1 if name == "heads" else 2):
                raise PlanError(f"probe.{name}", f"{getattr(self, name)}", "2 or more (of heads 1)")


@dataclass(frozen=True)
class PretrainPlan:
    """A pretraining.

    Args:
        cohort: whose heads.
        others: further cohorts that are mixed in by their weights: of other kinds, too (maps, labels, scans).
        net: ``cnn`` (the method's, 64 to 768 channels), ``cnn-small``, ``cnn-nano`` (16 to 192, for a CPU),
            ``cnn-pico`` (16 to 96, of which three fit into a package), ``residual`` (19 million weights) or ``vit``.
        dropout: share of the encoder's activations dropped in training; null for the network's own.
        batch: subjects per step; each gives two views.
        objectives: what is asked of the networks.
        seed: all randomness of the run comes from it.
        views: how two views are made of one subject.
        optimisation: how the weights are found.
        probe: how the encoder is watched.
        compute: where and how.
    """

    cohort: Cohort = field(default_factory=Cohort)
    others: tuple[Cohort, ...] = ()
    net: str = "cnn-nano"
    dropout: float | None = None
    batch: int = 8
    objectives: Objectives = field(default_factory=Objectives)
    seed: int = 0
    views: ViewPlan = field(default_factory=ViewPlan)
    optimisation: Optimisation = field(default_factory=Optimisation)
    probe: Probing = field(default_factory=Probing)
    compute: Compute = field(default_factory=Compute)

    def __post_init__(self) -> None:
        known_net(self.net)
        trainable_crop(self.views)
        masked = self.objectives.masked
        if masked.weight > 0 and masked.block >= self.views.crop:
            found = f"{masked.block} voxels in views of {self.views.crop}"
            raise PlanError("objectives.masked.block", found, "less: not all of a view can be hidden")
        known_dropout(self.dropout)
        if self.batch < 2:
            raise PlanError("batch", f"{self.batch}", "2 or more", "Subjects are told from the others of the batch.")


Task = Literal["segment", "lesion", "denoise"]
Loss = Literal["auto", "dice-ce", "dice-focal", "tversky", "mse", "l1"]
LOSSES: dict[str, tuple[str, ...]] = {
    "segment": ("dice-ce", "dice-focal", "tversky"),
    "lesion": ("dice-ce", "dice-focal", "tversky"),
    "denoise": ("mse", "l1"),
}
"""Losses of each task, the first by default."""


@dataclass(frozen=True)
class LesionCrops:
    """Where crops lie when lesions are learned.

    Args:
        centred: share of the crops about a voxel of a lesion; the others lie anywhere in the head. nnU-Net's is 1/3.
    """

    centred: float = 1 / 3

    def __post_init__(self) -> None:
        if not 0 <= self.centred <= 1:
            raise PlanError("lesion.centred", f"{self.centred:g}", "a share from 0 to 1", "nnU-Net's is 0.33.")


@dataclass(frozen=True)
class FinetunePlan:
    """A task learned from a few examples.

    Args:
        task: ``segment`` (tissues, or whatever the truth names), ``lesion`` or ``denoise``.
        cohort: whose heads and labels: label maps (scans are simulated from them) or scans with labels beside them; to
            learn denoising any scans or maps.
        encoder: a pretraining run's folder, an encoder file, ``nano``, ``package.module:function`` of your own code
            that returns an encoder (it is run), or null to train from scratch. Or a model that was fine-tuned before
            (its run's folder, its file, ``tissue-nano``): its decoder is taken over as well, and where the outputs
            have the same names, what gives them.
        schedule: which part of the network learns when.
        decoder: whether the light decoder that an encoder was pretrained with is taken over, where there is one; the
            schedule then treats it as it does the encoder.
        net: of the encoder that is trained from scratch.
        dropout: share of that encoder's activations dropped in training; null for the network's own.
        contrasts: sequences or named protocols that label maps are scanned with; real scans are taken as they are.
        protocols: ``preset`` (each sequence's clinical protocol) or ``drawn`` (a random one for each crop).
        classes: what is told apart in label maps: ``tissues`` (grey matter, white matter, fluid) or ``structures``,
            which add up to those (deep grey matter, ventricles, cerebellum and brain stem apart).
        loss: ``auto`` (``dice-ce``, to denoise ``mse``), ``dice-ce``, ``dice-focal``, ``tversky``, ``mse`` or ``l1``.
        lesion: where crops lie when lesions are learned.
        noise: that a denoiser learns to take away.
        batch: crops per step.
        seed: all randomness of the run comes from it.
        views: how crops are made; its arm and sequences play no part. Its pathology is what lesions are drawn from.
        optimisation: how the weights are found.
        compute: where and how.
    """

    task: Task = "segment"
    cohort: Cohort = field(default_factory=Cohort)
    encoder: str | None = None
    schedule: Schedule = field(default_factory=Schedule)
    decoder: bool = True
    net: str = "cnn-nano"
    dropout: float | None = None
    contrasts: tuple[str, ...] = ("mprage",)
    protocols: Literal["preset", "drawn"] = "preset"
    classes: Scheme = "tissues"
    loss: Loss = "auto"
    lesion: LesionCrops = field(default_factory=LesionCrops)
    noise: NoiseRanges = field(default_factory=NoiseRanges)
    batch: int = 4
    seed: int = 0
    views: ViewPlan = field(default_factory=ViewPlan)
    optimisation: Optimisation = field(default_factory=Optimisation)
    compute: Compute = field(default_factory=Compute)

    def __post_init__(self) -> None:
        known_net(self.net)
        trainable_crop(self.views)
        self.schedule.check(self.encoder, self.optimisation)
        known_dropout(self.dropout)
        if self.views.ranges != "clinical":
            raise PlanError("views.ranges", self.views.ranges, "clinical", "Fine-tuning draws no pairs of views.")
        if self.batch < 1:
            raise PlanError("batch", f"{self.batch}", "1 or more")
        for name in self.contrasts:
            if not is_protocol(name):
                raise PlanError("contrasts", repr(name), "known sequences", nearest(name, SEQUENCES))
        if not self.contrasts:
            raise PlanError("contrasts", "none", "at least one sequence", f"Known: {', '.join(SEQUENCES)}.")
        if self.task == "denoise" and self.schedule.kind == "knn":
            raise PlanError(
                "schedule.kind", "knn to denoise", "another schedule", "Neighbours have classes to vote for."
            )
        if self.loss not in ("auto", *LOSSES[self.task]):
            raise PlanError("loss", repr(self.loss), f"auto, {', '.join(LOSSES[self.task])} for {self.task}")

    @property
    def chosen_loss(self) -> str:
        """The loss by its name, where the plan leaves it to the task."""
        return LOSSES[self.task][0] if self.loss == "auto" else self.loss


def known_net(name: str) -> None:
    """Refuse an unknown network.

    Raises:
        PlanError: with the nearest known name.
    """
    if name not in NETS:
        raise PlanError("net", repr(name), "a known network", nearest(name, NETS))


def known_dropout(share: float | None) -> None:
    """Refuse a share of dropped activations that makes no sense.

    Raises:
        PlanError: with the value.
    """
    if share is not None and not 0 <= share < 1:
        raise PlanError("dropout", f"{share:g}", "0 or more, and below 1")


def trainable_crop(views: ViewPlan) -> None:
    """Refuse a crop that the encoder halves down to one voxel, which instance norm cannot normalise.

    Raises:
        PlanError: with the smallest crop.
    """
    if views.crop < SMALLEST_CROP:
        raise PlanError("views.crop", f"{views.crop} voxels", f"{SMALLEST_CROP} or more", "See also views.spacing.")
