"""The cells of a study, each with a name, and the plans that they run."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qontrast.basics.errors import PlanError
from qontrast.studies.people import Place
from qontrast.studies.plan import Arm, StudyPlan
from qontrast.studies.splits import Split, labelled
from qontrast.tasks.plan_file import laid_over, load_values, plan_of
from qontrast.tasks.plans import Cohort, FinetunePlan, PretrainPlan
from qontrast.tasks.schedules import KEEP

PRETRAIN = "pretrain"
OF_THE_STUDY = ("cohort", "encoder", "contrasts", "seed")
"""Fields of a fine-tuning that the study sets."""


@dataclass(frozen=True)
class Cell:
    """One training and its tests.

    Args:
        task: of the plan.
        site, contrast: that the labels are taken from.
        arm: of the plan.
        schedule: of fine-tuning.
        fraction: of the labels.
        seed: of the choice of labelled subjects and of the training.
    """

    task: str
    site: str
    contrast: str
    arm: str
    schedule: str
    fraction: int | float
    seed: int

    @property
    def key(self) -> str:
        """Its name, which is a file name too: ``tissue_guys-T1w_seqinv_full_3_s0``."""
        place = f"{self.site}-{self.contrast}"
        return f"{self.task}_{place}_{self.arm}_{self.schedule}_{self.fraction}_s{self.seed}"


def cells_of(plan: StudyPlan) -> list[Cell]:
    """All cells, sorted by name. Schedules that keep an encoder as it is leave out the arms that have none."""
    cells = [
        Cell(task, site, contrast, arm, schedule, fraction, seed)
        for task in plan.tasks
        for site, contrast in plan.trained_at
        for arm in plan.arms
        for schedule in plan.schedules
        if not idle(plan, arm, schedule)
        for fraction in plan.fractions
        for seed in plan.seeds
    ]
    return sorted(cells, key=lambda cell: cell.key)


def pretraining_key(arm: str) -> str:
    """Name of an arm's pretraining among the cells."""
    return f"{PRETRAIN}_{arm}"


def idle(plan: StudyPlan, arm: str, schedule: str) -> bool:
    """Whether the schedule would keep an encoder that the arm does not have."""
    return schedule in KEEP and not (plan.arms[arm].given or plan.arms[arm].pretrained_here)


def check_plans(plan: StudyPlan) -> None:
    """Refuse, before anything runs, what any fine-tuning or pretraining of the study would refuse.

    Raises:
        PlanError: naming the field.
    """
    for task in plan.tasks:
        for schedule in plan.schedules:
            _finetuning(plan, task, schedule, {"encoder": "an encoder"})
    for name, arm in plan.arms.items():
        if arm.pretrained_here:
            _pretraining(plan, name, arm, {})
    if not cells_of(plan):
        found = f"{', '.join(plan.schedules)} for {', '.join(plan.arms)}"
        raise PlanError("schedules", found, "one that trains an arm without an encoder", "Add full.")


def finetune_plan(plan: StudyPlan, cell: Cell, split: Split, places: Mapping[str, Place], folder: Path) -> FinetunePlan:
    """The cell's fine-tuning.

    Args:
        plan: of the study.
        cell: of it.
        split: who may be trained on.
        places: the sites.
        folder: of the study, where it keeps the encoders that it pretrains.

    Raises:
        PlanError: see :func:`qontrast.studies.splits.labelled`.
    """
    arm, place = plan.arms[cell.arm], places[cell.site]
    what = place.site.contrasts[cell.contrast]
    names = labelled(plan, split, cell.site, cell.fraction, cell.seed)
    encoder = str(folder / PRETRAIN / cell.arm) if arm.pretrained_here else arm.given
    made = _finetuning(plan, cell.task, cell.schedule, {"encoder": encoder, "seed": cell.seed})
    if place.site.simulated:
        return replace(made, cohort=place.chosen(names), contrasts=(what,))
    return replace(made, cohort=place.chosen(names, (what,)))


def pretrain_plan(plan: StudyPlan, name: str, split: Split, places: Mapping[str, Place]) -> PretrainPlan:
    """An arm's pretraining: on its own cohort, or on everybody whom the study trains on."""
    made = _pretraining(plan, name, plan.arms[name], {})
    if own_cohort(plan, plan.arms[name]):
        return made
    cohorts: dict[Cohort, Cohort] = {}
    for place in places.values():
        names = tuple(n for n in split.names(place.name, "train"))
        before = cohorts.get(place.cohort)
        together = tuple(sorted({*names, *(before.subjects if before else ())}))
        if together:
            cohorts[place.cohort] = replace(place.cohort, subjects=together)
    first, *others = cohorts.values()
    return replace(made, cohort=first, others=tuple(others))


def own_cohort(plan: StudyPlan, arm: Arm) -> bool:
    """Whether the arm's pretraining says itself whom it sees."""
    return bool({"cohort", "others"} & _pretraining_values(plan, arm).keys())


def _pretraining_values(plan: StudyPlan, arm: Arm) -> dict[str, Any]:
    stated = load_values(Path(arm.plan)) if arm.plan else {}
    return laid_over(laid_over(stated, plan.pretraining), arm.pretrain or {})


def _pretraining(plan: StudyPlan, name: str, arm: Arm, more: dict[str, Any]) -> PretrainPlan:
    return plan_of(PretrainPlan, laid_over(_pretraining_values(plan, arm), more), f"arms.{name}")


def _finetuning(plan: StudyPlan, task: str, schedule: str, more: dict[str, Any]) -> FinetunePlan:
    for where, values in (("finetune", plan.finetune), (f"tasks.{task}", plan.tasks[task])):
        for name in OF_THE_STUDY:
            if name in values:
                raise PlanError(f"{where}.{name}", "a value", "none", "The study itself sets this field in each cell.")
    values = laid_over(laid_over(plan.finetune, plan.tasks[task]), {"schedule": {"kind": schedule}})
    return plan_of(FinetunePlan, laid_over(values, more), f"tasks.{task}, schedule {schedule}")
