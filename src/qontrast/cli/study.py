"""The command that runs a study."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from qontrast.cli.lists import Words


def study(
    plan: Path,
    /,
    *,
    out: Path,
    fractions: Words = (),
    jobs: int = 1,
    cell: str | None = None,
    missing: Annotated[bool, Parameter(name="--list", negative=())] = False,
    quiet: bool = False,
) -> None:
    """Compare encoders: arms, schedules, tasks, label fractions and seeds, tested at every site.

    Runs what is missing in the folder, and ends with one ledger and a report. Any field of the plan is a flag too:
    --finetune.optimisation.steps 100.

    Parameters
    ----------
    plan
        YAML file; see recipes/study-mini.yaml and docs/studies.md.
    out
        Folder of the study, new or to go on with.
    fractions
        How many labelled subjects: whole numbers, or shares of the training subjects (1.0: all); the plan's without it.
    jobs
        Cells at a time on this machine.
    cell
        Run this cell (or pretraining) alone, as a job of a cluster.
    missing
        Print what is missing, one name a line, and run nothing.
    quiet
        Print nothing else.
    """
    from qontrast.cli.dotted import plan_flags
    from qontrast.studies.plan import StudyPlan
    from qontrast.studies.run import missing_keys, run_cell, run_study
    from qontrast.tasks.plan_file import read_plan

    flags = plan_flags()
    if fractions:
        flags["fractions"] = f"[{', '.join(fractions)}]"  # YAML tells 1 subject from a share of 1.0
    read = read_plan(StudyPlan, plan, flags)
    if missing:
        for key in missing_keys(read, out):
            print(key)
    elif cell is not None:
        run_cell(read, out, cell, quiet=quiet)
    else:
        run_study(read, out, jobs=jobs, quiet=quiet)
