"""The end of a study: one ledger of all cells, what failed, how long it took, and the report."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from qontrast.basics.atomic import write_atomic
from qontrast.report.page import write_report
from qontrast.results.ledger import read_rows
from qontrast.results.table import subject_means
from qontrast.studies.folder import (
    FAILURE,
    FAILURES,
    LEDGER,
    PICTURES,
    REPORT,
    SCORES,
    TIME,
    TIMES,
    WORST_CASES,
    cell_folder,
    read_json,
)
from qontrast.studies.grid import PRETRAIN
from qontrast.studies.making import Outcome
from qontrast.studies.study import Study

MOST_WORST = 12


def merge_cells(study: Study) -> int:
    """Write one ledger of all cells that are done, sorted by key, whoever made them and when.

    Returns:
        How many cells are in it.
    """
    done = [key for key in sorted(study.cells) if study.is_done(key)]
    if done:
        parts = [(cell_folder(study.out, key) / SCORES).read_bytes() for key in done]
        write_atomic(study.out / LEDGER, b"".join(parts))
        times = [json.dumps(read_json(cell_folder(study.out, key) / TIME)) + "\n" for key in done]
        write_atomic(study.out / TIMES, "".join(times))
    return len(done)


def record_failures(study: Study, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Write what failed this time into one file; it is removed where nothing failed."""
    failed = sorted((o for o in outcomes if o.state == "failed"), key=lambda o: o.key)
    lines = [
        json.dumps(read_json(cell_folder(study.out, o.key) / FAILURE) or {"cell": o.key, "error": o.said}) + "\n"
        for o in failed
    ]
    if lines:
        write_atomic(study.out / FAILURES, "".join(lines))
    else:
        (study.out / FAILURES).unlink(missing_ok=True)
    return failed


def report(study: Study, notes: Sequence[str]) -> Path:
    """Write the page about the study's ledger, with its worst cases as pictures."""
    gather_worst(study)
    runs = [study.out / PRETRAIN / study.arm_of(key) for key in study.pretrainings() if study.is_done(key)]
    return write_report(
        study.out / REPORT, title=study.plan.title, runs=runs, ledger=study.out / LEDGER, notes=list(notes)
    )


def gather_worst(study: Study) -> Path:
    """Copy the pictures of the cells that hold the worst scans into one folder, the worst first by name."""
    folder = study.out / WORST_CASES
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    ranked = []
    for key in study.cells:
        file = cell_folder(study.out, key) / PICTURES
        if file.is_file() and study.is_done(key):
            rows = [row for row in read_rows(cell_folder(study.out, key) / SCORES) if "dice" in row]
            scans = [{**row, "subject": f"{row['site']} {row['contrast']} {row['session']}"} for row in rows]
            ranked.append((min(subject_means(scans, "dice").values()), key, file))
    for number, (_, key, file) in enumerate(sorted(ranked)[:MOST_WORST], 1):
        shutil.copyfile(file, folder / f"{number:02d}-{key}.npz")
    return folder
