"""Segmenters are tested by overlap and distance of every class; lesions also by volume and by what was detected."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from qontrast.anatomy.classes import TISSUE_OF, Scheme, class_names, in_words_of
from qontrast.anatomy.lesion_masks import may_share_people
from qontrast.anatomy.lesions import KINDS
from qontrast.anatomy.pathology import PathologyRanges
from qontrast.basics.atomic import publish
from qontrast.basics.errors import InputError
from qontrast.basics.grid import Grid
from qontrast.basics.shapes import Labels, Volume
from qontrast.metrics.lesion_detection import detect_lesions
from qontrast.metrics.segmentation import score_segmentation
from qontrast.physics.clinical import protocol_of
from qontrast.tasks.cases import check_lesions_are_drawn, label_maps, labelled_scans
from qontrast.tasks.exams import Conditions, Done, Exam, Row, Trial
from qontrast.tasks.models import Segmenter
from qontrast.tasks.plans import Cohort
from qontrast.tasks.speaking import track
from qontrast.views.labelled import classes_at
from qontrast.views.lesioned import CLASSES, simulate_patient
from qontrast.views.whole_scan import Scan, simulate_scan

SEGMENTATIONS = "segmentations.npz"
SHOWN = 6
SNR = 30.0
"""Of simulated scans, where none is asked for."""


@dataclass(frozen=True)
class Test(Trial):
    """One image and its truth.

    Args:
        image: ``[1, 1, x, y, z]``, axes RAS.
        truth: classes ``[x, y, z]``.
        names: of the truth's classes.
        grid: of both.
        origin: of the truth: ``simulated``, ``given`` or ``automatic``.
        person: age, atrophy and lesions of a simulated patient.
    """

    image: Volume
    truth: Labels
    names: tuple[str, ...]
    grid: Grid
    origin: str
    person: str = ""


class SegmentationExam(Exam[Test]):
    """Real scans are scored on their own grid; label maps are scanned, with lesions if those are what is looked for.

    Args:
        model: the segmenter.
        cohort: labelled heads.
        conditions: of simulated scans.
    """

    def __init__(self, model: Segmenter, cohort: Cohort, conditions: Conditions) -> None:
        self.model, self.cohort, self.conditions = model, cohort, conditions
        self.lesion = model.contract.plan.get("task") == "lesion"
        self.scheme: Scheme = "structures" if set(TISSUE_OF) <= set(model.contract.classes) else "tissues"
        self.scans = labelled_scans(cohort, "lesion" if self.lesion else "tissue")
        self.pathology = None if self.scans or not self.lesion else conditions.pathology or ranges_of(model)
        if self.pathology is not None:
            self.pathology = unseen(self.pathology, ranges_of(model), conditions.masks)
            check_lesions_are_drawn(self.pathology)
        self.snrs = (None,) if self.scans else (conditions.snrs or (SNR,))
        self.about: Row = {"lesions": None if self.pathology is None else spoken(self.pathology)}
        self._shown: list[tuple[Test, Labels]] = []

    def trials(self, done: Done, *, quiet: bool = False) -> Iterator[Test]:
        """See :class:`Exam`."""
        if self.scans:
            left = [s for s in self.scans if (s.subject, s.scan.path.name, None) not in done]
            for source in track(left, "scoring", quiet=quiet):
                scan = source.read()
                image, truth = torch.from_numpy(scan.image)[None, None], torch.from_numpy(scan.classes).long()
                origin = "automatic" if source.automatic else "given"
                yield Test(
                    scan.subject, scan.contrast, scan.path.name, None, source.site,
                    image, truth, scan.names, scan.grid, origin,
                )  # fmt: skip
            return
        heads = label_maps(self.cohort, quiet=quiet)
        all_of_them = [(h, c, s) for h in heads for c in self.conditions.contrasts for s in self.snrs]
        wanted = [w for w in all_of_them if (w[0].name, *w[1:]) not in done]
        names = CLASSES if self.lesion else class_names(self.scheme)
        for head, contrast, snr in track(wanted, "scoring", quiet=quiet):
            assert snr is not None
            made = self._scanned(head, contrast, snr)
            yield Test(
                head.name, contrast, contrast, snr, "",
                made.image, made.classes, names, made.grid, "simulated", made.person,
            )  # fmt: skip

    def _scanned(self, head: Any, contrast: str, snr: float) -> Scan:
        spacing, seed = self.model.contract.spacing, self.conditions.seed
        if self.pathology is None:
            truth = partial(classes_at, scheme=self.scheme)
            return simulate_scan(head, protocol_of(contrast), spacing, snr, seed, truth=truth)
        return simulate_patient(head, protocol_of(contrast), spacing, snr, seed, self.pathology)

    def rows(self, trial: Test) -> list[Row]:
        """See :class:`Exam`: one for each class that model and truth share."""
        rows, predicted = scored(self.model, trial, lesion=self.lesion)
        if len(self._shown) < SHOWN:
            self._shown.append((trial, predicted))
        return rows

    def keep(self, folder: Path) -> None:
        """The middle slices of the first few images."""
        if self._shown and folder.is_dir():
            save_segmentations(folder / SEGMENTATIONS, self._shown)


def scored(model: Segmenter, trial: Test, *, lesion: bool = False) -> tuple[list[Row], Labels]:
    """Rows of a segmenter on one image, one for each class that both know, and its segmentation in the truth's names.

    Args:
        model: the segmenter.
        trial: the image and its truth.
        lesion: whether to say also which lesions were detected.
    """
    own = in_words_of(model.contract.classes, trial.names)
    predicted = in_terms_of(model.segment(trial.image, trial.grid), own, trial.names)
    classes = ["background", *_common(own, trial)]
    truth, found = (in_terms_of(v, trial.names, tuple(classes)) for v in (trial.truth, predicted))
    millilitres = float(np.prod(trial.grid.spacing)) / 1000
    rows: list[Row] = []
    for index, score in enumerate(score_segmentation(found, truth, classes, trial.grid.spacing), start=1):
        row: Row = {"truth": trial.origin, "class": score.name}
        row |= {k: v for k, v in asdict(score).items() if k not in ("name", "note")}
        row["volume_error_ml"] = (score.predicted_voxels - score.truth_voxels) * millilitres
        if lesion:
            row |= {f"lesion_{k}": v for k, v in asdict(detect_lesions(found == index, truth == index)).items()}
        if trial.person:
            row["person"] = trial.person
        rows.append({**row, "note": score.note})
    return rows, predicted


def ranges_of(model: Segmenter) -> PathologyRanges:
    """The lesions that a model learned to find, as its file states them."""
    plan, start = model.contract.plan, "views.pathology."
    told = {name.removeprefix(start): value for name, value in plan.items() if name.startswith(start)}
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in told.items()}
    return PathologyRanges(**{"masks": "all", **fields})  # older files do not say: they learned from all


def unseen(asked: PathologyRanges, learned: PathologyRanges, folder: str | None) -> PathologyRanges:
    """A test's lesions, from the masks of people that nothing was learned from, as far as there are any.

    Args:
        asked: of the test.
        learned: of the model.
        folder: of masks for the test; None for that of ``asked``.
    """
    asked = replace(asked, folder=folder or asked.folder)
    if asked.folder is None or learned.folder is None or learned.masks != "learning":
        return replace(asked, masks="all")
    return replace(asked, masks="testing" if may_share_people(asked.folder, learned.folder) else "all")


def spoken(ranges: PathologyRanges) -> str:
    """Which lesions label maps are given, for a ledger."""
    kinds = "any kind" if ranges.kinds == KINDS else ", ".join(ranges.kinds)
    whose = " left out of learning" if ranges.masks == "testing" else ""
    shapes = "drawn shapes" if ranges.folder is None else f"masks of {ranges.folder}{whose}"
    aged = f", {ranges.ageing:g} of heads aged {ranges.ages[0]:g} to {ranges.ages[1]:g}" if ranges.ageing else ""
    return f"{kinds}, {shapes}, in {ranges.lesions:g} of heads{aged}"


def in_terms_of(labels: Labels, names: tuple[str, ...], wanted: tuple[str, ...]) -> Labels:
    """Labels called ``names``, as indices into ``wanted``; what is not there is 0."""
    return torch.tensor([wanted.index(n) if n in wanted else 0 for n in names])[labels]


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
