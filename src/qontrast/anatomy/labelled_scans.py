"""Real scans with the truth beside them: a segmentation, probability maps by tissue, or the mask of a lesion."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qontrast.anatomy.cohort import LABEL_SUFFIXES
from qontrast.anatomy.label_table import table_for
from qontrast.anatomy.observed import IMAGE_SUFFIXES, contrast_of
from qontrast.anatomy.priors import TISSUE_CLASSES
from qontrast.basics.errors import InputError
from qontrast.basics.grid import Grid
from qontrast.scans.names import Named, find_images, is_brain_mask, is_lesion
from qontrast.scans.nifti import Image, read_grid, read_image

DIFFUSION = ("TRACE", "ADC")
PROBABILITIES = {"GM": "grey matter", "WM": "white matter", "CSF": "cerebrospinal fluid"}


@dataclass(frozen=True)
class LabelledScan:
    """One scan and its truth, both on the scan's grid.

    Args:
        name: subject, session and suffix.
        subject: subject and session.
        contrast: BIDS suffix of the scan.
        image: ``[x, y, z]``.
        classes: truth, whole numbers ``[x, y, z]``.
        names: of the classes; the first is the background.
        grid: of both.
        path: of the scan.
    """

    name: str
    subject: str
    contrast: str
    image: np.ndarray
    classes: np.ndarray
    names: tuple[str, ...]
    grid: Grid
    path: Path


@dataclass(frozen=True)
class LabelledScanSource:
    """The files of one scan and its truth."""

    name: str
    subject: str
    scan: Named
    truth: tuple[Named, ...]
    table: Path | None = None

    def open(self, *, canonical: bool = True) -> LabelledScan:
        """Read both.

        Raises:
            InputError: if they are not on one grid, or see :func:`read_image`.
        """
        image = read_image(self.scan.path, canonical=canonical)
        classes, names = self._truth(image, canonical)
        return LabelledScan(
            self.name, self.subject, kind_of(self.scan), image.data, classes, names, image.grid, self.scan.path
        )

    def _truth(self, image: Image, canonical: bool) -> tuple[np.ndarray, tuple[str, ...]]:
        kind = self.truth[0].suffix
        if kind == "probseg":
            named = {}
            for file in self.truth:
                label = file.entities.get("label", "tissue")
                named[PROBABILITIES.get(label, label)] = self._read(file, image, canonical).data
            order = sorted(named, key=lambda n: (list(TISSUE_CLASSES).index(n) if n in TISSUE_CLASSES else 99, n))
            shares = np.stack([1.0 - sum(named.values()), *(named[n] for n in order)])
            return shares.argmax(axis=0).astype(np.int64), ("background", *order)
        file = self.truth[0]
        if kind == "mask":
            mask = self._read(file, image, canonical).data > 0.5
            return mask.astype(np.int64), ("background", "lesion" if is_lesion(file) else file.entities["label"])
        labels = self._read(file, image, canonical, labels=True).data
        table = table_for(file.path, self.table)
        by_label = table.classes()
        unknown = sorted(set(np.unique(labels).tolist()) - by_label.keys())
        if unknown:
            raise InputError(
                file.path, f"labels {unknown[:8]}", f"labels of {table.origin}", "Give a TSV with --labels."
            )
        lookup = np.zeros(int(labels.max()) + 1, dtype=np.int64)
        for label in np.unique(labels):
            lookup[label] = by_label[int(label)]
        return lookup[labels], tuple(TISSUE_CLASSES)

    def _read(self, file: Named, image: Image, canonical: bool, *, labels: bool = False) -> Image:
        truth = read_image(file.path, canonical=canonical, labels=labels)
        if not truth.grid.matches(image.grid):
            raise InputError(
                file.path,
                f"a grid of {truth.grid}, another than the scan's ({image.path.name}, {image.grid})",
                "scan and truth on one grid",
                "Resample the truth to the scan.",
            )
        return truth


def find_labelled_scans(data: str | Path, labels: Path | None = None) -> list[LabelledScanSource]:
    """Every scan below ``data`` that has a truth beside it, sorted by name; only names and headers are read.

    A truth belongs to the scans of its session that lie on its grid, wherever below ``data`` it is (under
    ``derivatives``, say). Probability maps come before a segmentation, and a segmentation before a mask; masks without
    a label or a description that says lesion (brain masks) are none. A mask whose name has the acquisition and run of
    one scan is not the truth of another run of that contrast.
    """
    sessions: dict[str, list[Named]] = {}
    for file in find_images(Path(data)):
        sessions.setdefault(file.session, []).append(file)
    found = []
    for name, files in sorted(sessions.items()):
        truth = _truth_files(files)
        scans = [f for f in files if f.suffix in IMAGE_SUFFIXES or kind_of(f) in DIFFUSION]
        if not truth or not scans:
            continue
        grid = read_grid(truth[0].path)
        alike = [s for s in scans if read_grid(s.path).matches(grid)]
        # None alike: keep the first, so that opening it says what does not match.
        chosen = _drawn_on(truth[0], alike) or scans[:1]
        for scan in chosen:
            alone = sum(kind_of(s) == kind_of(scan) for s in chosen) == 1
            kind = kind_of(scan) if alone else contrast_of(scan)
            found.append(LabelledScanSource(f"{name}_{kind}", name, scan, tuple(truth), labels))
    return found


def kind_of(scan: Named) -> str:
    """The contrast of a scan: its suffix, and what diffusion images call themselves (``rec-TRACE_dwi``: ``TRACE``)."""
    rec = scan.entities.get("rec", "")
    return rec if scan.suffix == "dwi" and rec in DIFFUSION else scan.suffix


def _drawn_on(truth: Named, alike: list[Named]) -> list[Named]:
    """The scans on the truth's grid, less other runs of the contrast that has the truth's own acquisition and run."""

    def told(file: Named) -> tuple[str | None, ...]:
        return tuple(file.entities.get(e) for e in ("acq", "run"))

    own = {kind_of(s) for s in alike if told(s) == told(truth)} if any(told(truth)) else set()
    return [s for s in alike if kind_of(s) not in own or told(s) == told(truth)]


def _truth_files(files: list[Named]) -> list[Named]:
    probabilities = [f for f in files if f.suffix == "probseg"]
    if probabilities:
        return probabilities
    for suffix in LABEL_SUFFIXES:
        whole = [f for f in files if f.suffix == suffix]
        if whole:
            return whole[:1]
    masks = [f for f in files if f.suffix == "mask" and not is_brain_mask(f)]
    # The whole lesion before parts of it (desc-lesion before desc-lesionAcute).
    return sorted(masks, key=lambda f: ("label" not in f.entities, len(f.entities.get("desc", "")), f.path))[:1]
