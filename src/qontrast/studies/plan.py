"""A study's plan: who, scanned where, learned from how many labels, by which encoders."""

import math
import re
from dataclasses import dataclass, field
from typing import Any

from qontrast.basics.errors import PlanError, nearest
from qontrast.physics.clinical import CLINICAL, is_protocol
from qontrast.physics.presets import PRESETS

NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9-]*$")
"""What arms, sites, contrasts and tasks may be called: their names become parts of file names."""


@dataclass(frozen=True)
class Site:
    """One site.

    Args:
        contrasts: name of each contrast to what is scanned: a protocol (``ixi-guys-t1``, ``mprage``; see ``qontrast
            protocols``) that label maps are scanned with, or the BIDS suffix of real scans (``T1w``).
        data: its cohort, as for ``pretrain --data``; null for the study's.
        labels: TSV of its labels; null for the study's.
        subjects: those of the data that belong to the site; empty for all.
        leave_out: those that do not.
        where: the site that files' names state (IXI's ``Guys``), where several sites share a folder; null for all.
        people: name of the group of people that the subjects' names belong to; null for the data itself. Sites of one
            group show the same people wherever the names agree.
    """

    contrasts: dict[str, str] = field(default_factory=dict)
    data: str | None = None
    labels: str | None = None
    subjects: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    where: str | None = None
    people: str | None = None

    @property
    def simulated(self) -> bool:
        """Whether its scans are simulated from label maps."""
        return any(is_protocol(what) for what in self.contrasts.values())


@dataclass(frozen=True)
class Arm:
    """How an arm comes by its encoder; without any field it is trained from scratch.

    Args:
        encoder: a pretraining run's folder, an encoder's file, or ``nano``; ``scratch`` for none.
        plan: YAML file of a pretraining that the study runs.
        pretrain: fields of that pretraining, laid over the file and over the study's ``pretraining``. Without a
            ``cohort`` among them it sees the study's training subjects.
    """

    encoder: str | None = None
    plan: str | None = None
    pretrain: dict[str, Any] | None = None

    @property
    def pretrained_here(self) -> bool:
        """Whether the study pretrains the encoder."""
        return self.plan is not None or self.pretrain is not None

    @property
    def given(self) -> str | None:
        """The encoder that the user gives."""
        return None if self.encoder == "scratch" else self.encoder


@dataclass(frozen=True)
class Shares:
    """How subjects are divided, within each site.

    Args:
        train: share of the subjects that encoders and labels are taken from.
        validation: share that is kept for choices that a user makes.
        test: share that is only ever tested on.
        train_subjects: names that are to be trained on.
        test_subjects: names that are to be tested on; the shares then divide the others.
    """

    train: float = 0.7
    validation: float = 0.1
    test: float = 0.2
    train_subjects: tuple[str, ...] = ()
    test_subjects: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shares = (self.train, self.validation, self.test)
        if min(shares) < 0 or not math.isclose(sum(shares), 1, abs_tol=1e-6) or not self.train > 0:
            found = f"{self.train:g}, {self.validation:g} and {self.test:g}"
            raise PlanError("split", found, "shares from 0 to 1 that make 1, and some to train on")
        both = sorted(set(self.train_subjects) & set(self.test_subjects))
        if both:
            raise PlanError(
                "split.test_subjects",
                f"{', '.join(both)}, also among train_subjects",
                "no subject in both",
                "A test on subjects that were trained on says nothing: take them out of one of the lists.",
            )


@dataclass(frozen=True)
class StudyPlan:
    """A study: every arm with every schedule, task, number of labels and seed, tested at every site.

    Args:
        title: of the report.
        data: cohort of the sites that name none; variables of the environment such as ``$QONTRAST_DATA`` are filled in.
        otherwise: cohort that is taken where ``data`` is not there (``embedded``); null for none.
        labels: TSV of the labels of the sites that name none.
        embedded: how many embedded heads there are.
        sites: by name.
        train: sites and contrasts that labels are taken from (``guys/T1w``), each on its own; tested are all.
        arms: by name.
        schedules: of fine-tuning: ``full``, ``frozen`` and what else ``qontrast plan finetune`` knows.
        tasks: by name, with the fields of a fine-tuning's plan that make them.
        fractions: how many labelled subjects: numbers (1, 3, 10) or shares of the training subjects (0.01, 0.1, 1.0).
        seeds: of the choice of labelled subjects and of all training.
        split: who is trained and who is tested on.
        finetune: fields that all fine-tunings share.
        pretraining: fields that all pretrainings of the study share.
        snr: of simulated test scans.
        threads: of each process; 0 for the cores divided by the processes. A number makes the same bits everywhere.
        seed: of the split and of the test scans.
    """

    title: str = "Study"
    data: str | None = None
    otherwise: str | None = None
    labels: str | None = None
    embedded: int = 20
    sites: dict[str, Site] = field(default_factory=dict)
    train: tuple[str, ...] = ()
    arms: dict[str, Arm] = field(default_factory=dict)
    schedules: tuple[str, ...] = ("full",)
    tasks: dict[str, dict[str, Any]] = field(default_factory=lambda: {"tissue": {}})
    fractions: tuple[int | float, ...] = (1.0,)
    seeds: tuple[int, ...] = (0,)
    split: Shares = field(default_factory=Shares)
    finetune: dict[str, Any] = field(default_factory=dict)
    pretraining: dict[str, Any] = field(default_factory=dict)
    snr: float = 30.0
    threads: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("sites", "arms", "tasks", "train", "schedules", "fractions", "seeds"):
            if not getattr(self, name):
                raise PlanError(name, "none", "one or more", "See recipes/study-mini.yaml.")
            given = list(getattr(self, name))
            twice = [value for value in given if given.count(value) > 1]
            if twice:
                raise PlanError(name, f"{twice[0]!r} twice", "each once")
        _check_names(self)
        _check_sites(self)
        _check_fractions(self.fractions)
        for name, arm in self.arms.items():
            if arm.given and arm.pretrained_here:
                raise PlanError(f"arms.{name}", "an encoder and a pretraining", "one of them", "Leave one out.")
        if not (math.isfinite(self.snr) and self.snr > 0):
            raise PlanError("snr", f"{self.snr:g}", "a finite number above 0")
        if self.threads < 0:
            raise PlanError("threads", f"{self.threads}", "1 or more, or 0 for the cores divided by the processes")
        if self.embedded < 1:
            raise PlanError("embedded", f"{self.embedded}", "1 head or more")

    @property
    def trained_at(self) -> list[tuple[str, str]]:
        """Sites and contrasts that labels are taken from."""
        return [(site, contrast) for site, _, contrast in (name.partition("/") for name in self.train)]


def _check_names(plan: StudyPlan) -> None:
    named = [("sites", n) for n in plan.sites] + [("arms", n) for n in plan.arms] + [("tasks", n) for n in plan.tasks]
    named += [("schedules", n) for n in plan.schedules]
    named += [(f"sites.{s}.contrasts", n) for s, site in plan.sites.items() for n in site.contrasts]
    for where, name in named:
        if not NAME.match(name):
            raise PlanError(where, f"the name {name!r}", "letters, digits and hyphens", "Names become file names.")


def _check_sites(plan: StudyPlan) -> None:
    for name, site in plan.sites.items():
        where = f"sites.{name}"
        if not site.contrasts:
            raise PlanError(f"{where}.contrasts", "none", "one or more, such as T1w: mprage")
        unknown = [what for what in site.contrasts.values() if not is_protocol(what)]
        if site.simulated and unknown:
            known = nearest(unknown[0], (*CLINICAL, *PRESETS))
            raise PlanError(f"{where}.contrasts", repr(unknown[0]), "protocols alone, or suffixes alone", known)
        if site.data is None and plan.data is None:
            raise PlanError(f"{where}.data", "null", "a cohort", "Set it there, or data for the whole study.")
    places = [f"{s}/{c}" for s, site in plan.sites.items() for c in site.contrasts]
    for name in plan.train:
        if name not in places:
            raise PlanError("train", repr(name), "a site and one of its contrasts", nearest(name, places))


def _check_fractions(fractions: tuple[int | float, ...]) -> None:
    for value in fractions:
        if not (math.isfinite(value) and value > 0) or (value > 1 and value != int(value)):
            raise PlanError("fractions", f"{value:g}", "numbers of subjects such as 3, or shares up to 1.0")
    if len({is_share(value) for value in fractions}) > 1:
        found = ", ".join(str(value) for value in fractions)
        raise PlanError(
            "fractions", found, "numbers of subjects alone, or shares alone", "1 is one subject, 1.0 is all of them."
        )


def is_share(fraction: int | float) -> bool:
    """Whether it is a share of the subjects, which is written as a decimal of at most 1."""
    return isinstance(fraction, float) and fraction <= 1
