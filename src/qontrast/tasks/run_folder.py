"""A run's folder: claimed once, holding its plan and heads, and gone on with by the same plan on the same heads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qontrast.basics.atomic import claim_folder, write_atomic
from qontrast.basics.errors import InputError
from qontrast.tasks.plan_file import NOT_IN_DIGEST, plan_text, plan_values, read_plan

PLAN, HEADS = "plan.yaml", "heads.txt"
NAMED = 5  # of the heads that came or went, in an error


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


def keep_plan(out: Path, plan: Any, heads: Sequence[str]) -> None:
    """Save the plan of a run whose data could be opened, and its heads: one that fails before leaves its folder empty.

    Args:
        out: the folder.
        plan: of the run.
        heads: what is learned from, in the order that it is drawn by.

    Raises:
        InputError: if the run began with other heads: what is drawn would change, and what it learned from be untold.
        WriteError: if the folder cannot be written.
    """
    if not (out / PLAN).is_file():
        write_atomic(out / HEADS, "".join(f"{name}\n" for name in heads))
        write_atomic(out / PLAN, plan_text(plan))
    elif (out / HEADS).is_file():  # older runs have none
        before = (out / HEADS).read_text(encoding="utf-8").splitlines()
        if before != list(heads):
            raise InputError(
                out / HEADS,
                _difference(before, heads),
                "the heads that the run began with",
                "Restore them, or start anew with another --out.",
            )


def _difference(before: Sequence[str], now: Sequence[str]) -> str:
    """Which heads came and which went."""
    came, went = sorted(set(now) - set(before)), sorted(set(before) - set(now))
    changes = [
        f"{', '.join(names[:NAMED])}{' and others' if len(names) > NAMED else ''} {what}"
        for names, what in ((came, "more"), (went, "less"))
        if names
    ]
    return f"{len(before)} there and {len(now)} now ({'; '.join(changes) or 'other scans, or another order'})"
