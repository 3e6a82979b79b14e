"""Evaluation: Dice and HD95 of every class and subject, row by row into a ledger."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from qontrast.anatomy.cohort import EMBEDDED
from qontrast.anatomy.labelled_scans import LabelledScanSource
from qontrast.basics.atomic import publish
from qontrast.basics.errors import InputError, PlanError, nearest
from qontrast.basics.grid import Grid
from qontrast.basics.shapes import Labels, Volume
from qontrast.metrics.segmentation import score_segmentation
from qontrast.nets.contract import Encoder
from qontrast.physics.catalogue import SEQUENCES
from qontrast.physics.presets import PRESETS
from qontrast.results.ledger import append_rows, read_rows
from qontrast.tasks.cases import label_maps, labelled_scans
from qontrast.tasks.plans import Cohort
from qontrast.tasks.predict import open_segmenter
from qontrast.tasks.speaking import say, track
from qontrast.views.labelled import simulate_scan
from qontrast.weights.segmenter import MODEL

SEGMENTATIONS = "segmentations.npz"
SHOWN = 6


@dataclass(frozen=True)
class Test:
    """One image to be scored.

    Args:
        subject: subject and session.
        contrast: sequence, or BIDS suffix of a real scan.
        name: of the scan's file, or the sequence.
        image: ``[1, 1, x, y, z]``, axes RAS.
        truth: classes ``[x, y, z]``.
        names: of the truth's classes.
        grid: of both.
    """

    subject: str
    contrast: str
    name: str
    image: Volume
    truth: Labels
    names: tuple[str, ...]
    grid: Grid


def evaluate(
    model: Path,
    cohort: Cohort,
    ledger: Path,
    *,
    contrasts: tuple[str, ...] = ("mprage",),
    snr: float = 30.0,
    seed: int = 0,
    name: str | None = None,
    device: str = "auto",
    encoder: Encoder | str | None = None,
    quiet: bool = False,
) -> list[dict[str, Any]]:
    """Score a segmenter and append a row per subject, contrast and class.

    Real scans are scored on their own grid. Label maps are scanned in each contrast's clinical protocol at the model's
    spacing and scored there. Rows that the ledger already holds for this very model, data, noise and seed are not
    computed again.

    Args:
        model: a fine-tuning run's folder or its ``model.safetensors``.
        cohort: the labelled heads.
        ledger: file of JSON lines; each subject's rows are written as soon as they are known.
        contrasts: sequences that label maps are scanned with.
        snr: of those scans.
        seed: of their tissue and noise.
        name: of the run in the ledger; None for the model's folder.
        device: ``auto``, ``cpu`` or ``cuda``.
        encoder: of a segmenter on an adapted network; see :func:`qontrast.tasks.predict.open_segmenter`.
        quiet: print nothing.

    Returns:
        The rows of this model on this data in the ledger.

    Raises:
        InputError: for data or a model that cannot be used.
        WriteError: if a row cannot be written; the rows before it are kept.
    """
    for contrast in contrasts:
        if contrast not in SEQUENCES:
            raise PlanError("contrasts", repr(contrast), "known sequences", nearest(contrast, SEQUENCES))
    segmenter = open_segmenter(model, device, encoder)
    file = model / MODEL if model.is_dir() else model
    plan = segmenter.contract.plan
    scans = labelled_scans(cohort)
    about = {
        "run": name or file.resolve().parent.name,
        "arm": plan.get("pretraining.arm", "scratch"),
        "data": cohort.data if cohort.data == EMBEDDED else str(Path(cohort.data).resolve()),
        "labels": _digest(Path(cohort.labels)) if cohort.labels else None,
        "snr": None if scans else snr,
        "schedule": plan.get("schedule.kind", "full"),
        "seed": seed,
        "train_subjects": plan.get("labelled_heads", 0),
        "model_digest": _digest(file),
    }
    there = read_rows(ledger) if ledger.is_file() else []
    own = [row for row in there if all(row.get(k) == v for k, v in about.items())]
    done = {(row["subject"], row.get("image", row["contrast"])) for row in own}
    trained_on = set(plan.get("trained_on", ())) if _same_data(plan.get("cohort.data"), cohort.data) else set()
    warned = False
    shown: list[tuple[Test, Labels]] = []
    rows = list(own)
    for test in _tests(cohort, scans, contrasts, segmenter.contract.spacing, snr, seed, done, quiet=quiet):
        predicted = _in_terms_of(segmenter.segment(test.image, test.grid), segmenter.contract.classes, test)
        classes = ["background", *_common(segmenter.contract.classes, test)]
        truth = _in_terms_of(test.truth, test.names, test, classes)
        found = [
            {
                **about,
                "subject": test.subject,
                "contrast": test.contrast,
                "image": test.name,
                "trained_on": test.subject in trained_on,
                "class": score.name,
                "dice": score.dice,
                "hd95_mm": score.hd95_mm,
                "truth_voxels": score.truth_voxels,
                "predicted_voxels": score.predicted_voxels,
                "note": score.note,
            }
            for score in score_segmentation(
                _in_terms_of(predicted, test.names, test, classes), truth, classes, test.grid.spacing
            )
        ]
        if test.subject in trained_on and not warned:
            warned = True
            say(f"warning: {test.subject} is among the heads this model was trained on; its rows say so", quiet=quiet)
        append_rows(ledger, found)
        rows += found
        if len(shown) < SHOWN:
            shown.append((test, predicted))
    if shown and file.parent.is_dir():
        save_segmentations(file.parent / SEGMENTATIONS, shown)
    said = f"{about['run']}: {len(rows)} rows in {ledger}" + (f" ({len(own)} were there)" if own else "")
    say(said, quiet=quiet)
    return rows


def _tests(
    cohort: Cohort,
    scans: list[LabelledScanSource],
    contrasts: tuple[str, ...],
    spacing: float,
    snr: float,
    seed: int,
    done: set[tuple[str, str]],
    *,
    quiet: bool,
) -> Iterator[Test]:
    """The images that are not yet scored, one at a time."""
    if scans:
        left = [s for s in scans if (s.subject, s.scan.path.name) not in done]
        for source in track(left, "scoring", quiet=quiet):
            scan = source.open()
            image, truth = torch.from_numpy(scan.image)[None, None], torch.from_numpy(scan.classes)
            yield Test(scan.subject, scan.contrast, scan.path.name, image, truth, scan.names, scan.grid)
        return
    from qontrast.anatomy.priors import TISSUE_CLASSES

    heads = label_maps(cohort, quiet=quiet)
    wanted = [(h, c) for h in heads for c in contrasts if (h.name, c) not in done]
    for head, contrast in track(wanted, "scoring", quiet=quiet):
        simulated = simulate_scan(head, PRESETS[contrast], spacing, snr, seed)
        yield Test(
            head.name, contrast, contrast, simulated.image, simulated.classes, tuple(TISSUE_CLASSES), simulated.grid
        )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _same_data(one: str | None, other: str) -> bool:
    return one == other or (
        one is not None and EMBEDDED not in (one, other) and Path(one).resolve() == Path(other).resolve()
    )


def _common(classes: tuple[str, ...], test: Test) -> list[str]:
    common = [name for name in test.names[1:] if name in classes]
    if not common:
        raise InputError(
            test.subject,
            f"a truth of {', '.join(test.names[1:])}",
            f"one of the model's classes: {', '.join(classes[1:])}",
            "This model was trained for another task.",
        )
    return common


def _in_terms_of(labels: Labels, names: tuple[str, ...], test: Test, classes: list[str] | None = None) -> Labels:
    """Labels called ``names``, as indices into ``classes`` (the truth's where None); what is not there is 0."""
    wanted = list(classes if classes is not None else test.names)
    return torch.tensor([wanted.index(n) if n in wanted else 0 for n in names])[labels]


def save_segmentations(path: Path, shown: list[tuple[Test, Labels]]) -> None:
    """Write the middle slice of each image with truth and prediction, for the report."""
    slices = []
    for test, predicted in shown:
        depth = int(((test.truth > 0).sum(dim=(0, 1))).argmax())
        slices.append([v[:, :, depth].numpy() for v in (test.image[0, 0], test.truth, predicted)])
    size = tuple(max(s[0].shape[axis] for s in slices) for axis in range(2))

    def stacked(which: int, kind: type) -> np.ndarray:
        out = np.zeros((len(slices), *size), dtype=kind)
        for page, images in zip(out, slices, strict=True):
            image = images[which]
            x, y = ((n - m) // 2 for n, m in zip(size, image.shape, strict=True))
            page[x : x + image.shape[0], y : y + image.shape[1]] = image
        return out

    arrays: dict[str, Any] = {
        "image": stacked(0, np.float32),
        "truth": stacked(1, np.int16),
        "prediction": stacked(2, np.int16),
        "caption": np.array([f"{test.subject}, {test.contrast}" for test, _ in shown]),
        "classes": np.array(shown[0][0].names),
    }
    publish(path, lambda part: np.savez_compressed(part, **arrays))
