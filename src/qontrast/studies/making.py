"""The making of what a study lacks: a person's test scans, an arm's encoder, a cell's model and scores."""

import json
import shutil
import time
import traceback
from dataclasses import dataclass, replace
from pathlib import Path

from joblib import cpu_count

from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import QontrastError
from qontrast.basics.holding import hold
from qontrast.engine.stopping import Stopped
from qontrast.studies.folder import FAILURE, LOCKS, PICTURES, RUN, SCORES, TIME, cell_folder, clear_unbegun, same_plan
from qontrast.studies.grid import PRETRAIN, Cell
from qontrast.studies.scans import open_scan
from qontrast.studies.scoring import SHORT, Row, score_cell, weights_digest
from qontrast.studies.study import SCAN, Study
from qontrast.tasks.compute import Compute
from qontrast.tasks.finetune import finetune
from qontrast.tasks.plans import FinetunePlan
from qontrast.tasks.pretrain import pretrain
from qontrast.weights.segmenter import MODEL

CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class Outcome:
    """What became of a piece of work.

    Args:
        key: of it.
        state: ``made``, ``there`` (before), ``busy`` (another process makes it) or ``failed``.
        said: a figure of it, or why it failed.
        seconds: that it took.
    """

    key: str
    state: str
    said: str = ""
    seconds: float = 0.0


def make(study: Study, key: str, *, jobs: int = 1, quiet: bool = True) -> Outcome:
    """Make one piece, unless it is there or another process is at it; an error is recorded and costs that piece alone.

    Args:
        study: it belongs to.
        key: of the piece.
        jobs: processes that share the machine.
        quiet: print nothing.

    Raises:
        Stopped: if the process was asked to stop; what was trained is kept.
    """
    folder = cell_folder(study.out, key)
    begin = time.monotonic()
    with hold(study.out / LOCKS / key.replace("/", "-")) as only:
        if not only:
            return Outcome(key, "busy")
        try:
            if study.is_done(key):
                return Outcome(key, "there")
            said = _make(study, key, folder, jobs=jobs, quiet=quiet)
        except Stopped:
            raise
        except Exception as error:
            return _failed(key, folder, error, time.monotonic() - begin)
        (folder / FAILURE).unlink(missing_ok=True)
        return Outcome(key, "made", said, time.monotonic() - begin)


def _make(study: Study, key: str, folder: Path, *, jobs: int, quiet: bool) -> str:
    if key.startswith(SCAN):
        return _make_scans(study, key)
    if key not in study.cells:
        return _make_encoder(study, key, jobs=jobs, quiet=quiet)
    return _make_cell(study, study.cells[key], folder, jobs=jobs, quiet=quiet)


def _make_scans(study: Study, key: str) -> str:
    scans = [scan for scan in study.scans if SCAN + scan.session.person == key]
    for spacing in study.spacings():
        for scan in scans:
            open_scan(scan, study.plan, study.places[scan.session.site], study.out, spacing)
    return f"{len(scans)} scans"


def _make_encoder(study: Study, key: str, *, jobs: int, quiet: bool) -> str:
    arm = study.arm_of(key)
    plan = study.pretrain_plan(arm)
    plan = replace(plan, compute=_sharing(plan.compute, jobs))
    run = study.out / PRETRAIN / arm
    clear_unbegun(run)
    pretrain(plan, run, resume=True, quiet=quiet)
    return f"{plan.optimisation.steps} steps"


def _make_cell(study: Study, cell: Cell, folder: Path, *, jobs: int, quiet: bool) -> str:
    begin = time.time()
    digest = study.digest(cell)
    plan = study.finetune_plan(cell)
    plan = replace(plan, compute=_sharing(plan.compute, jobs))
    run = folder / RUN
    if _begin(folder, plan, digest):
        return "as it was made before"
    if not (run / MODEL).is_file():
        finetune(plan, run, resume=True, quiet=quiet)
    trained = time.time()
    scores = score_cell(
        run, cell, plan, study.scans, plan=study.plan, places=study.places, folder=study.out, pictures=folder / PICTURES
    )
    head = _about(study, cell, plan, digest, weights_digest(run / MODEL))
    rows = [{**head, **row} for row in scores]
    times = {"cell": cell.key, "begin": begin, "training_s": trained - begin, "tests_s": time.time() - trained}
    write_atomic(folder / TIME, json.dumps(times) + "\n")
    write_atomic(folder / SCORES, "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows))
    (run / CHECKPOINT).unlink(missing_ok=True)  # a cell with scores is never gone on with
    dice = [row["dice"] for row in rows if "dice" in row]
    return f"mean Dice {sum(dice) / len(dice):.3f}" if dice else f"{len(rows)} scores"


def _about(study: Study, cell: Cell, plan: FinetunePlan, digest: str, weights: str) -> Row:
    """What all rows of a cell say. No times: the ledger of a study is the same however often it was interrupted."""
    people = {study.split.members[cell.site, name].person for name in plan.cohort.subjects}
    encoder = study.encoder(cell)
    return {
        "run": cell.key,
        "task": cell.task,
        "arm": cell.arm,
        "schedule": cell.schedule,
        "fraction": cell.fraction,
        "train_subjects": len(people),
        "seed": cell.seed,
        "train_site": cell.site,
        "train_contrast": cell.contrast,
        "cell_digest": digest,
        "encoder_digest": encoder and encoder[:SHORT],
        "model_digest": weights[:SHORT],
        "train_data_digest": study.train_data(cell, plan)[:SHORT],
    }


def _begin(folder: Path, plan: FinetunePlan, digest: str) -> bool:
    """Make room for a cell, and say whether it is there: it was made, then set aside for another plan, weights or data.

    A run of these very ones is gone on with. Of others, what was finished is set aside, so that a flag too many costs
    nothing; what was not is removed.
    """
    mark, run = folder / "digest.txt", folder / RUN
    clear_unbegun(run)
    before = mark.read_text(encoding="utf-8") if mark.is_file() else ""
    if before != digest:
        if (folder / SCORES).is_file():
            _move(folder, folder / f"was-{before[:SHORT]}")
        _remove(folder)
        write_atomic(mark, digest)  # before anything comes back: what lies here is then never another's
    elif not same_plan(run, plan):
        _remove(folder)
    aside = folder / f"was-{digest[:SHORT]}"
    whole = (aside / RUN / MODEL).is_file() and (aside / SCORES).is_file()
    if whole and not (folder / SCORES).is_file():
        _move(aside, folder)
        return True
    return False


def _move(source: Path, target: Path) -> None:
    """All that a finished cell is; its scores, by which it counts as finished, are the last to go and to come."""
    target.mkdir(exist_ok=True)
    for name in (RUN, PICTURES, TIME, SCORES):
        if (source / name).exists():
            shutil.rmtree(target / name, ignore_errors=True)
            (source / name).rename(target / name)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder / RUN, ignore_errors=True)
    (folder / SCORES).unlink(missing_ok=True)


def _sharing(compute: Compute, jobs: int) -> Compute:
    """The loaders that fit where so many trainings share the machine."""
    return compute if compute.workers >= 0 else replace(compute, workers=max(0, min(16, cpu_count() // jobs - 1)))


def _failed(key: str, folder: Path, error: Exception, seconds: float) -> Outcome:
    """Record why; what was not foreseen with where in the code it happened."""
    why = str(error) if isinstance(error, QontrastError) else f"{type(error).__name__}: {error}"
    trace = "" if isinstance(error, QontrastError) else "".join(traceback.format_exception(error))
    write_atomic(folder / FAILURE, json.dumps({"cell": key, "error": why, "trace": trace}) + "\n")
    return Outcome(key, "failed", why, seconds)
