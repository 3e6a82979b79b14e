"""A study's folder: where what lies, and who works on it."""

import json
import shutil
from pathlib import Path
from typing import Any

from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import InputError
from qontrast.tasks.plan_file import NOT_IN_DIGEST, plan_values, read_plan
from qontrast.tasks.run_folder import PLAN

STUDY, LEDGER, FAILURES, TIMES, REPORT = "study.yaml", "ledger.jsonl", "failures.jsonl", "times.jsonl", "report.html"
CELLS, LOCKS, WORST_CASES, TABLES = "cells", "locks", "worst", "tables"
RUN, SCORES, TIME, FAILURE, PICTURES = "run", "scores.jsonl", "time.json", "failure.json", "segmentations.npz"


def open_folder(out: Path, text: str) -> None:
    """Claim a new or empty folder for a study, or go on with a study's.

    Args:
        out: the folder.
        text: the plan, which is kept in it.

    Raises:
        InputError: for a file, or a folder that holds something else.
        WriteError: if it cannot be written.
    """
    if out.is_dir() and any(out.iterdir()) and not (out / STUDY).is_file():
        raise InputError(out, "a folder that no study wrote", "a study's, or an empty one", "Choose another --out.")
    if out.exists() and not out.is_dir():
        raise InputError(out, "a file", "a folder", "Choose another --out.")
    file = out / STUDY
    if not file.is_file() or file.read_text(encoding="utf-8") != text:
        write_atomic(file, text)


def cell_folder(out: Path, key: str) -> Path:
    """Where a cell's run, scores, time and failure lie."""
    return out / CELLS / key


def clear_unbegun(run: Path) -> None:
    """Remove what a killed process left of a run that had not begun: no folder without a plan can be gone on with."""
    if run.is_dir() and not (run / PLAN).is_file():
        shutil.rmtree(run)


def same_plan(run: Path, plan: Any) -> bool:
    """Whether a run began with this plan, but for what changes nothing but when and where numbers are computed."""
    if not (run / PLAN).is_file():
        return True
    before, now = plan_values(read_plan(type(plan), run / PLAN)), plan_values(plan)
    return all(before.get(name) == value for name, value in now.items() if name not in NOT_IN_DIGEST)


def read_json(path: Path) -> dict[str, Any]:
    """What a small file of ours holds; nothing where it is not there or damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
