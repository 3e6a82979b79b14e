"""Evaluation: the scores of every subject, contrast and class, row by row into a ledger."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qontrast.anatomy.cohort import people_of
from qontrast.anatomy.pathology import PathologyRanges
from qontrast.anatomy.source import EMBEDDED
from qontrast.basics.errors import PlanError, nearest
from qontrast.engine.memory import keep_memory
from qontrast.nets.contract import Encoder
from qontrast.physics.catalogue import SEQUENCES
from qontrast.physics.clinical import is_protocol
from qontrast.results.ledger import append_rows, read_rows
from qontrast.tasks.exam_denoising import DenoisingExam
from qontrast.tasks.exam_segmentation import SegmentationExam
from qontrast.tasks.exams import Conditions, Exam, Row, sites_of
from qontrast.tasks.models import open_model
from qontrast.tasks.plans import Cohort
from qontrast.tasks.speaking import say
from qontrast.tasks.starting import learned_from
from qontrast.views.denoising import NoiseKind
from qontrast.weights.segmenter import MODEL, find_model

EXAMS: dict[str, Any] = {"segmenter": SegmentationExam, "denoiser": DenoisingExam}
"""How each kind of model is tested."""


def evaluate(
    model: str | Path,
    cohort: Cohort,
    ledger: Path,
    *,
    contrasts: tuple[str, ...] = ("mprage",),
    snr: float | Sequence[float] | None = None,
    seed: int = 0,
    name: str | None = None,
    noise: NoiseKind | None = None,
    sigma: float | None = None,
    pathology: PathologyRanges | None = None,
    masks: str | None = None,
    device: str = "auto",
    encoder: Encoder | str | None = None,
    quiet: bool = False,
) -> list[dict[str, Any]]:
    """Score a segmenter or a denoiser and append its rows to a ledger, as the model's own contract asks for.

    Segmenters: Dice, HD95 and volume error of every class, and for lesions what was detected. Real scans are scored on
    their own grid; label maps are scanned in each contrast's clinical protocol at the model's spacing, given lesions
    where those are looked for, and scored there. Denoisers: PSNR and SSIM of each image, with noise that depends on the
    seed, the subject and the contrast alone. Rows that the ledger already holds for this very model, data, noise and
    seed are not computed again.

    Args:
        model: a fine-tuning run's folder, its ``model.safetensors``, a packed file, or the name of weights.
        cohort: the heads.
        ledger: file of JSON lines; each image's rows are written as soon as they are known.
        contrasts: sequences that label maps and maps are scanned with.
        snr: of those scans (30 where none is given), or one or several of the noise to take away (5, 10 and 20).
        seed: of their tissue, lesions and noise.
        name: of the run in the ledger; None for the run's folder, or the weights' name.
        noise: that a denoiser is to take away; None for the kind that it learned.
        sigma: of Gaussian noise; None for the one that it learned.
        pathology: lesions that label maps are given; None for those that the model learned.
        masks: folder of lesion masks instead of the one that the model learned with; None for that one.
        device: ``auto``, ``cpu`` or ``cuda``.
        encoder: of a model on an adapted network; see :func:`qontrast.weights.segmenter.load_segmenter`.
        quiet: print nothing.

    Returns:
        The rows of this model on this data in the ledger, at these SNRs.

    Raises:
        InputError: for data or a model that cannot be used.
        PlanError: for an unknown contrast, or an SNR that is none.
        WriteError: if a row cannot be written; the rows before it are kept.
    """
    for contrast in contrasts:
        if not is_protocol(contrast):
            raise PlanError("contrasts", repr(contrast), "known sequences", nearest(contrast, SEQUENCES))
    snrs = None if snr is None else (float(snr),) if isinstance(snr, int | float) else tuple(float(s) for s in snr)
    keep_memory()
    file = find_model(model)
    opened = open_model(file, device, encoder=encoder)
    conditions = Conditions(contrasts, snrs, seed, noise, sigma, pathology, masks)
    exam: Exam[Any] = EXAMS[opened.contract.kind](opened, cohort, conditions)
    plan = opened.contract.plan
    about = {**_about(file, plan, cohort, name, seed), **exam.about}
    there = read_rows(ledger) if ledger.is_file() else []
    own = [r for r in there if all(r.get(k) == v for k, v in about.items()) and r.get("snr") in exam.snrs]
    done = {(r["subject"], r.get("image", r["contrast"]), r.get("snr")) for r in own}
    trained_on = {one for data, subjects in learned_from(plan) if _same_people(data, cohort.data) for one in subjects}
    warned, rows, sites = False, list(own), sites_of(cohort)
    for trial in exam.trials(done, quiet=quiet):
        where: Row = {
            "subject": trial.subject,
            "site": trial.site or sites.get(trial.subject) or sites.get(trial.subject.split("_ses-")[0], ""),
            "contrast": trial.contrast,
            "image": trial.name,
            "snr": trial.snr,
            "trained_on": trial.subject in trained_on,
        }
        found = [{**about, **where, **row} for row in exam.rows(trial)]
        if trial.subject in trained_on and not warned:
            warned = True
            say(f"warning: {trial.subject} is among the heads this model was trained on; its rows say so", quiet=quiet)
        append_rows(ledger, found)
        rows += found
    if file.name == MODEL:  # a run of its own; what is packed lies among others
        exam.keep(file.parent)
    said = f"{about['run']}: {len(rows)} rows in {ledger}" + (f" ({len(own)} were there)" if own else "")
    say(said, quiet=quiet)
    return rows


def _about(file: Path, plan: dict[str, Any], cohort: Cohort, name: str | None, seed: int) -> Row:
    """What all rows of one model on one cohort say."""
    return {
        "run": name or (file.resolve().parent.name if file.name == MODEL else file.stem),
        "task": plan.get("task", "segment"),
        "arm": plan.get("pretraining.arm", "scratch"),
        "data": cohort.data if cohort.data == EMBEDDED else str(Path(cohort.data).resolve()),
        "labels": _digest(Path(cohort.labels)) if cohort.labels else None,
        "schedule": plan.get("schedule.kind", "full"),
        "seed": seed,
        "train_subjects": plan.get("labelled_heads", 0),
        "model_digest": _digest(file),
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _same_people(one: str, other: str) -> bool:
    """Whether a model's cohort is this one; by the folder's name alone where that is all that its file says."""
    people = people_of(other)
    if one not in ("", EMBEDDED) and Path(one).exists():  # older models name it as it was typed
        one = people_of(one)
    whole = one in ("", EMBEDDED) or Path(one).is_absolute()
    return one == people if whole else Path(one).name == Path(people).name
