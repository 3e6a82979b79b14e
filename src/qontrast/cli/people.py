"""The command that fine-tunes for people's sex or age."""

from pathlib import Path
from typing import Literal

from qontrast.cli.dotted import plan_flags
from qontrast.cli.lists import Words
from qontrast.cli.probe import print_scores


def people(
    goal: Literal["sex", "age"],
    plan: Path | None = None,
    /,
    *,
    out: Path,
    ledger: Path = Path("results.jsonl"),
    data: str | None = None,
    table: str | None = None,
    train: Words | None = None,
    train_on: Words | None = None,
    encoder: str | None = None,
    schedule: str | None = None,
    net: str | None = None,
    steps: int | None = None,
    batch: int | None = None,
    crop: int | None = None,
    spacing: float | None = None,
    seed: int | None = None,
    device: str | None = None,
    resume: bool = False,
    quiet: bool = False,
) -> None:
    """Learn people's sex or age from crops of their scans; everybody who is not trained on is tested.

    Any other field of the plan is a flag too: --schedule.head 0.2, --optimisation.learning_rate 1e-4.

    Parameters
    ----------
    goal
        sex or age.
    plan
        YAML file; without one, the defaults.
    out
        New folder for plan, journal, checkpoints and model.
    ledger
        File of JSON lines.
    data
        Folder of the cohort, with participants.tsv or IXI's spreadsheet.
    table
        Table of sex and age, where it is not in that folder.
    train
        Subjects to train on.
    train_on
        BIDS suffixes of the scans to train on; others are tested all the same.
    encoder
        Pretraining run's folder, encoder file, a fine-tuned model, or package.module:function of your own code, which
        is run; without one, from scratch.
    schedule
        What learns when: full, frozen, linear-probe, warm-up or sawtooth.
    net
        Encoder to train from scratch.
    steps
        Optimiser steps.
    batch
        Crops per step.
    crop
        Voxels along a window's edges.
    spacing
        Millimetres.
    seed
        All randomness of the run comes from it.
    device
        auto, cpu or cuda.
    resume
        Go on from the folder's last checkpoint.
    quiet
        Print nothing.
    """
    from qontrast.tasks.finetune_people import finetune_people
    from qontrast.tasks.people_plan import PeoplePlan
    from qontrast.tasks.plan_file import read_plan

    flags = plan_flags(
        goal=goal,
        data=data,
        people=table,
        train=train,
        train_on=train_on,
        encoder=encoder,
        schedule__kind=schedule,
        net=net,
        optimisation__steps=steps,
        batch=batch,
        crop=crop,
        spacing=spacing,
        seed=seed,
        compute__device=device,
    )
    rows = finetune_people(read_plan(PeoplePlan, plan, flags), out, ledger, resume=resume, quiet=quiet)
    if not quiet:
        print_scores(rows)
