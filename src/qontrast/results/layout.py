"""All tables of a study's ledger as files."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from qontrast.basics.atomic import write_atomic
from qontrast.results.study_rows import metrics_of, study_rows, tasks_of
from qontrast.results.study_table import StudyTable, study_table
from qontrast.results.table_text import as_csv, as_csv_cells, as_latex, as_markdown

CELLS = "cells.csv"


def tables_of(rows: Iterable[Mapping[str, Any]], arms: Sequence[str] = ()) -> list[StudyTable]:
    """A table for each task and metric of a ledger.

    Args:
        rows: of the ledger, as they stand there.
        arms: their order; those not named follow.

    Raises:
        InputError: if there are no rows, or some of a task's rows lack a metric that others have.
    """
    found = study_rows(rows)
    return [
        study_table(found, metric, task=task, arms=arms)
        for task in tasks_of(found)
        for metric in metrics_of(row for row in found if row["task"] == task)
    ]


def write_tables(folder: Path, rows: Iterable[Mapping[str, Any]], arms: Sequence[str] = ()) -> list[Path]:
    """Write ``TASK_METRIC.md``, ``.csv`` and ``.tex`` for each task and metric, and ``cells.csv`` with all they hold.

    Args:
        folder: made as needed.
        rows: of the ledger, as they stand there.
        arms: their order; those not named follow.

    Returns:
        The files written.

    Raises:
        InputError: as :func:`tables_of`.
        WriteError: if a file cannot be written.
    """
    tables = tables_of(rows, arms)
    texts = {CELLS: as_csv_cells(tables)}
    for table in tables:
        name = re.sub(r"[^A-Za-z0-9]+", "-", table.task).strip("-").lower() or "task"
        stem = f"{name}_{table.metric}"
        texts |= {f"{stem}.md": as_markdown(table), f"{stem}.csv": as_csv(table), f"{stem}.tex": as_latex(table)}
    for name, text in texts.items():
        write_atomic(Path(folder) / name, text)
    return [Path(folder) / name for name in texts]
