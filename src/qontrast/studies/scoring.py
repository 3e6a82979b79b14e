"""A trained cell's scores, one row for each test scan and class."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors
import torch

from qontrast.basics.shapes import Labels
from qontrast.studies.grid import Cell
from qontrast.studies.people import Place
from qontrast.studies.plan import StudyPlan
from qontrast.studies.scans import TestScan, open_scan
from qontrast.tasks.evaluate import evaluate
from qontrast.tasks.exam_segmentation import Test, save_segmentations, scored
from qontrast.tasks.models import open_segmenter
from qontrast.tasks.plans import FinetunePlan

Row = dict[str, Any]
SHORT = 12
"""Hexadecimal digits of digests in the ledger."""
WORST = 2
"""Scans of a cell that are kept as pictures."""
OF_THE_CELL = (
    *("run", "task", "arm", "schedule", "seed", "train_subjects", "model_digest"),
    *("data", "labels", "trained_on"),
)
"""Keys of an evaluation's rows that the cell says itself."""


def weights_digest(file: Path) -> str:
    """SHA-256 of the weights in a safetensors file, whatever else the file says."""
    digest = hashlib.sha256()
    with safetensors.safe_open(str(file), framework="pt") as held:
        for name in sorted(held.keys()):
            tensor = held.get_tensor(name).contiguous()
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def score_cell(
    run: Path,
    cell: Cell,
    made_with: FinetunePlan,
    scans: Sequence[TestScan],
    *,
    plan: StudyPlan,
    places: dict[str, Place],
    folder: Path,
    pictures: Path,
) -> list[Row]:
    """Score a finished fine-tuning on all test scans.

    Args:
        run: its folder.
        cell: what it is.
        made_with: its plan.
        scans: to test on.
        plan: of the study.
        places: its sites.
        folder: of the study.
        pictures: file for the middle slices of the worst scans.

    Returns:
        Rows in the order of the scans: ``site``, ``contrast``, ``subject`` (the person), ``session``, ``image``,
        ``class``, the scores and ``data_digest``.
    """
    if made_with.task != "segment":
        return _by_evaluate(run, made_with, scans, plan=plan, places=places)
    segmenter = open_segmenter(run, made_with.compute.device)
    rows: list[Row] = []
    worst: list[tuple[float, int, Test, Labels]] = []
    for number, scan in enumerate(scans):
        test = open_scan(scan, plan, places[scan.session.site], folder, made_with.views.spacing)
        found, predicted = scored(segmenter, test)
        rows += [{**_where(scan), **row} for row in found]
        worst.append((sum(row["dice"] for row in found) / len(found), number, test, predicted))
        worst = sorted(worst, key=lambda entry: entry[:2])[:WORST]
    save_segmentations(pictures, [(_captioned(test, cell, dice), predicted) for dice, _, test, predicted in worst])
    return rows


def _where(scan: TestScan) -> Row:
    return {
        "site": scan.session.site,
        "contrast": scan.contrast,
        "subject": scan.session.person,
        "session": scan.session.name,
        "image": scan.source.scan.path.name if scan.source else scan.what,
        "data_digest": scan.digest[:SHORT],
    }


def _captioned(test: Test, cell: Cell, dice: float) -> Test:
    said = f"{test.contrast} ({test.name}), {cell.arm}, {cell.schedule}, labels {cell.fraction}, mean Dice {dice:.2f}"
    return replace(test, contrast=said)


def _by_evaluate(
    run: Path, made_with: FinetunePlan, scans: Sequence[TestScan], *, plan: StudyPlan, places: dict[str, Place]
) -> list[Row]:
    """Tasks that bring their own images (lesions, noise): as ``qontrast evaluate`` scores them."""
    groups: dict[tuple[str, str], list[TestScan]] = {}
    for scan in scans:
        groups.setdefault((scan.session.site, scan.contrast), []).append(scan)
    ledger = run / "scores.jsonl"
    ledger.unlink(missing_ok=True)
    rows: list[Row] = []
    for (site, contrast), here in groups.items():
        by_session = {scan.session.name: scan for scan in here}
        place, what = places[site], here[0].what
        cohort = place.chosen(tuple(sorted(by_session)), () if place.site.simulated else (what,))
        found = evaluate(
            run,
            cohort,
            ledger,
            contrasts=(what,) if place.site.simulated else ("mprage",),
            seed=plan.seed,
            name=f"{site} {contrast}",
            device=made_with.compute.device,
            quiet=True,
        )
        for row in found:
            kept = {key: value for key, value in row.items() if key not in OF_THE_CELL}
            rows.append({**kept, **_where(by_session[row["subject"]]), "image": row.get("image", what)})
    return rows
