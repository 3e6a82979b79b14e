"""The study as a task: run what is missing, then judge it together."""

import time
from collections import Counter
from pathlib import Path

from qontrast.basics.errors import PlanError, QontrastError, nearest
from qontrast.studies.finish import merge_cells, record_failures, report
from qontrast.studies.folder import FAILURES, LEDGER
from qontrast.studies.making import Outcome
from qontrast.studies.plan import StudyPlan
from qontrast.studies.study import Study, about, open_study
from qontrast.studies.workers import work_off
from qontrast.tasks.speaking import say

ATTEMPTS, PAUSE = 4, 1.0  # at what another process holds; seconds between them
STATES = {"made": "made", "there": "there already", "busy": "in the hands of another process", "failed": "failed"}


def run_study(plan: StudyPlan, out: Path, *, jobs: int = 1, quiet: bool = False) -> Path:
    """Run the cells of a study that are missing, merge all into one ledger, and write the report.

    Args:
        plan: the study.
        out: its folder; what is there already is kept, and half-trained cells are gone on with.
        jobs: processes on this machine.
        quiet: print nothing.

    Returns:
        The ledger.

    Raises:
        InputError: for data that is not there or changed, a split that leaks, a folder of something else.
        QontrastError: at the end, if a cell failed; all others are done.
    """
    if jobs < 1:
        raise PlanError("jobs", f"{jobs}", "1 or more")
    begin = time.monotonic()
    study = open_study(plan, out, quiet=quiet)
    for line in about(study):
        say(line, quiet=quiet)
    missing = study.missing()
    there = len(study.cells) - sum(key in study.cells for key in missing)
    if there:
        say(f"{there} cells are there already", quiet=quiet)
    keys = [*(study.missing_scans() if missing else ()), *missing]
    outcomes = _worked(study, keys, jobs, quiet=quiet)
    done = merge_cells(study)
    failed = record_failures(study, outcomes)
    busy = [outcome.key for outcome in outcomes if outcome.state == "busy"]
    if busy:
        say(f"note: {len(busy)} cells are in the hands of other processes; run again when they are done", quiet=quiet)
    if done:
        page = report(study, _notes(study, done))
        say(f"took {(time.monotonic() - begin) / 60:.1f} min", quiet=quiet)
        say(f"ledger: {out / LEDGER}\nreport: {page}", quiet=quiet)
    _refuse_failures(study, failed, done)
    return out / LEDGER


def run_cell(plan: StudyPlan, out: Path, key: str, *, quiet: bool = False) -> Outcome:
    """Run one cell, or one pretraining, of a study: a job of a cluster's array.

    Raises:
        InputError: see :func:`run_study`.
        PlanError: for a key that the study does not have.
        QontrastError: if the cell failed.
    """
    study = open_study(plan, out, quiet=quiet)
    known = [*study.pretrainings(), *study.cells]
    if key not in known:
        raise PlanError("--cell", repr(key), "a cell of the study (see --list)", nearest(key, known[:40]))
    outcome = next(iter(work_off(study, [key], 1)))
    _say_outcome(outcome, "", quiet=quiet)
    if outcome.state == "failed":
        raise QontrastError(f"{key}: {outcome.said}")
    return outcome


def missing_keys(plan: StudyPlan, out: Path) -> list[str]:
    """Keys of the pretrainings and cells that are not there yet; the split is made if there is none."""
    return open_study(plan, out, quiet=True).missing()


def _worked(study: Study, keys: list[str], jobs: int, *, quiet: bool) -> list[Outcome]:
    """Make the pieces; those that another process is at are tried again, for it may have been killed just now."""
    found: dict[str, Outcome] = {}
    left = keys
    for attempt in range(ATTEMPTS):
        if attempt and left:
            time.sleep(PAUSE)
        for outcome in work_off(study, left, min(jobs, max(1, len(left)))):
            found[outcome.key] = outcome
            if outcome.state != "busy" or attempt == ATTEMPTS - 1:
                done = sum(o.state != "busy" for o in found.values())
                _say_outcome(outcome, f"[{done}/{len(keys)}] ", quiet=quiet)
        left = [key for key in left if found[key].state == "busy"]
    return list(found.values())


def _say_outcome(outcome: Outcome, count: str, *, quiet: bool) -> None:
    took = f", {outcome.seconds:.0f} s" if outcome.seconds else ""
    said = f", {outcome.said}" if outcome.said else ""
    say(f"{count}{outcome.key}: {STATES[outcome.state]}{said}{took}", quiet=quiet)


def _notes(study: Study, done: int) -> list[str]:
    split = study.split
    people = {side: len(split.people(side)) for side in ("train", "validation", "test")}
    trained = " and ".join(study.plan.train)
    notes = [
        f"Encoders and labels come from {people['train']} people, scores from {people['test']} others; "
        f"{people['validation']} were kept aside. Labels are those of {trained}; every other site or contrast was "
        "never seen in fine-tuning.",
        f"Seeds: {', '.join(map(str, study.plan.seeds))}. The smaller sets of labels are parts of the larger ones.",
    ]
    simulated = sorted(name for name, place in study.places.items() if place.site.simulated)
    if simulated:
        notes.append(f"The scans of {', '.join(simulated)} are simulated from label maps.")
    if done < len(study.cells):
        notes.append(f"The study is not complete: {done} of {len(study.cells)} cells are there.")
    return notes


def _refuse_failures(study: Study, failed: list[Outcome], done: int) -> None:
    if not failed:
        return
    why = Counter(outcome.said for outcome in failed)
    said, _ = why.most_common(1)[0]
    raise QontrastError(
        f"{len(failed)} of the study's pieces failed ({done} of {len(study.cells)} cells are done), {failed[0].key} "
        f"first. Most often: {said} See {study.out / FAILURES}; run again to try what is missing."
    )
