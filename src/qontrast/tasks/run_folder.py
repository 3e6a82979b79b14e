"""A run's folder: claimed once, holding its plan, and gone on with only by the same plan."""

from pathlib import Path
from typing import Any

from qontrast.basics.atomic import claim_folder, write_atomic
from qontrast.basics.errors import InputError
from qontrast.tasks.plan_file import NOT_IN_DIGEST, plan_text, plan_values, read_plan

PLAN = "plan.yaml"


def open_run(out: Path, plan: Any, *, resume: bool) -> None:
    """Claim ``out``, or check that what is there was made with this plan. :func:`keep_plan` saves the plan.

    Raises:
        InputError: if the folder holds something and the run is not to be resumed, or the plan has changed.
        WriteError: if the folder cannot be written.
    """
    if not resume or not (out / PLAN).is_file():
        remedy = "Add --resume to go on with that run" if (out / PLAN).is_file() else "Empty it"
        claim_folder(out, flag=f"{remedy}, or choose another --out.")
        return
    before, now = plan_values(read_plan(type(plan), out / PLAN)), plan_values(plan)
    for name, value in now.items():
        if name not in NOT_IN_DIGEST and before.get(name) != value:
            raise InputError(
                out / PLAN,
                f"{name} = {before.get(name)!r} there and {value!r} now",
                "the plan that the run began with",
                "Resume with the same plan and flags, or start anew with another --out.",
            )


def keep_plan(out: Path, plan: Any) -> None:
    """Save the plan of a run whose data could be opened: one that fails before leaves its folder empty.

    Raises:
        WriteError: if the folder cannot be written.
    """
    if not (out / PLAN).is_file():
        write_atomic(out / PLAN, plan_text(plan))
