"""Real scans with the truth beside them: a segmentation, probability maps by tissue, or the mask of a lesion."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from qontrast.anatomy.cohort import images_of
from qontrast.anatomy.grouping import LABEL_SUFFIXES
from qontrast.anatomy.label_table import table_for, tables
from qontrast.anatomy.observed import IMAGE_SUFFIXES, NATIVE, contrast_of, without_copies
from qontrast.anatomy.priors import TISSUE_CLASSES
from qontrast.anatomy.source import KEPT_IN_MEMORY
from qontrast.basics.errors import InputError
from qontrast.basics.grid import Grid
from qontrast.scans.names import Named, is_brain_mask, is_lesion, is_magnitude, sidecar
from qontrast.scans.nifti import Image, read_grid, read_image
from qontrast.scans.sidecars import read_json

DIFFUSION = ("TRACE", "ADC")
PROBABILITIES = {"GM": "grey matter", "WM": "white matter", "CSF": "cerebrospinal fluid"}
TOLERANCE = 0.01
"""By which a probability may lie beyond 0 or 1: an interpolation overshoots a little."""
Truth = Literal["tissue", "lesion"]
"""What a session's truth is looked for first: its tissues, or its lesions."""


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
        shares: of every class but the background in each voxel, ``[class, x, y, z]`` in half precision, where the
            truth is probability maps; ``classes`` has the largest. None for a truth that is hard.
    """

    name: str
    subject: str
    contrast: str
    image: np.ndarray
    classes: np.ndarray
    names: tuple[str, ...]
    grid: Grid
    path: Path
    shares: np.ndarray | None = None

    @cached_property
    def labelled(self) -> np.ndarray:
        """Flat indices of the voxels that are not background."""
        return np.flatnonzero(self.classes).astype(np.int32)

    def open(self) -> "LabelledScan":
        """Itself: an open scan can stand where one is asked for that has yet to be opened."""
        return self


@dataclass(frozen=True)
class LabelledScanSource:
    """The files of one scan and its truth; small, so that it travels to loader processes, which open it themselves.

    Args:
        name: subject, session and suffix.
        subject: subject and session.
        scan: the image.
        truth: its truth: several probability maps, or one file.
        table: TSV with labels' tissues, if the user gave one.
    """

    name: str
    subject: str
    scan: Named
    truth: tuple[Named, ...]
    table: Path | None = None

    @property
    def site(self) -> str:
        """Where it was scanned, if its name or its table says so; else empty."""
        return self.scan.entities.get("site", "")

    @property
    def automatic(self) -> bool:
        """Whether the truth was made by a programme and nobody looked at it: its sidecar says ``Automatic``."""
        return any(read_json(sidecar(file.path)).get("Automatic") is True for file in self.truth)

    @property
    def beside(self) -> tuple[Path, ...]:
        """The tables that may tell what the labels of its truth are."""
        labels = [file.path for file in self.truth if file.suffix in LABEL_SUFFIXES]
        return tuple(sorted({table for path in labels for table in tables(path, self.table)}))

    @property
    def soft(self) -> bool:
        """Whether the truth is probability maps."""
        return self.truth[0].suffix == "probseg"

    def open(self) -> LabelledScan:
        """Read both, axes right, anterior, superior; the last few that were opened are kept.

        Raises:
            InputError: if they are not on one grid, labels are no whole numbers or not in the table, probabilities are
                none, or see :func:`read_image`.
        """
        return _open(self)

    def read(self) -> LabelledScan:
        """Read both anew; see :meth:`open`."""
        image = read_image(self.scan.path, canonical=True)
        shares = None
        if self.soft:
            shares, names = self._shares(image)
            background = 1.0 - shares.sum(axis=0, keepdims=True)
            classes = np.concatenate((background, shares)).argmax(axis=0)
            shares = shares.astype(np.float16)
        elif self.truth[0].suffix == "mask":
            classes, names = self._mask(image)
        else:
            classes, names = self._tissues(image)
        return LabelledScan(
            self.name, self.subject, kind_of(self.scan), image.data, classes.astype(np.int16), names, image.grid,
            self.scan.path, shares,
        )  # fmt: skip

    def _shares(self, image: Image) -> tuple[np.ndarray, tuple[str, ...]]:
        """Shares of the classes but the background, ``[class, x, y, z]``, and the names of all."""
        named: dict[str, np.ndarray] = {}
        for file in self.truth:
            label = file.entities.get("label", "tissue")
            data = self._read(file, image).data
            low, high = float(data.min()), float(data.max())
            if low < -TOLERANCE or high > 1 + TOLERANCE:
                raise InputError(
                    file.path,
                    f"values from {low:g} to {high:g}",
                    "probabilities from 0 to 1",
                    "Divide percent by 100; a map of whole-number labels is called dseg.",
                )
            name = PROBABILITIES.get(label, label)
            if name in named:
                raise InputError(file.path, f"a second map of {name}", "one of each tissue", "Move one away.")
            named[name] = data.clip(0, 1)
        order = sorted(named, key=lambda n: (list(TISSUE_CLASSES).index(n) if n in TISSUE_CLASSES else 99, n))
        shares = np.stack([named[n] for n in order])
        return shares / np.maximum(1.0, shares.sum(axis=0, keepdims=True)), ("background", *order)

    def _mask(self, image: Image) -> tuple[np.ndarray, tuple[str, ...]]:
        file = self.truth[0]
        mask = self._read(file, image, labels=True).data != 0
        return mask.astype(np.int64), ("background", _label(file))

    def _tissues(self, image: Image) -> tuple[np.ndarray, tuple[str, ...]]:
        file = self.truth[0]
        labels = self._read(file, image, labels=True).data
        table = table_for(file.path, self.table)
        by_label = table.classes()
        values, places = np.unique(labels, return_inverse=True)
        unknown = [int(v) for v in values if int(v) not in by_label]
        if unknown:
            raise InputError(
                file.path, f"labels {unknown[:8]}", f"labels of {table.origin}", "Give a TSV with --labels."
            )
        lookup = np.array([by_label[int(v)] for v in values])
        return lookup[places.reshape(labels.shape)], tuple(TISSUE_CLASSES)

    def _read(self, file: Named, image: Image, *, labels: bool = False) -> Image:
        truth = read_image(file.path, canonical=True, labels=labels)
        if not truth.grid.matches(image.grid):
            raise InputError(
                file.path,
                f"a grid of {truth.grid}, another than the scan's ({image.path.name}, {image.grid})",
                "scan and truth on one grid",
                "Resample the truth to the scan.",
            )
        return truth


@lru_cache(maxsize=KEPT_IN_MEMORY)
def _open(source: LabelledScanSource) -> LabelledScan:
    return source.read()


def find_labelled_scans(
    data: str | Path, labels: Path | None = None, wanted: Truth = "tissue"
) -> list[LabelledScanSource]:
    """Every scan below ``data`` that has a truth beside it, sorted by name; only names and headers are read.

    A truth belongs to the scans of its session that lie on its grid, wherever below ``data`` it is (under
    ``derivatives``, say). Of tissues, probability maps come before a segmentation, and a segmentation before a mask; of
    lesions a mask comes first. Masks without a label or a description that says lesion (brain masks) are none. A mask
    whose name has the acquisition and run of one scan is not the truth of another run of that contrast.

    Args:
        data: a BIDS folder, a folder of IXI's scans, or a table of files.
        labels: TSV with labels' tissues.
        wanted: what to look for first.
    """
    sessions: dict[str, list[Named]] = {}
    for file in images_of(Path(data)):
        sessions.setdefault(file.session, []).append(file)
    found = []
    for name, files in sorted(sessions.items()):
        truth = _truth_files(files, wanted)
        scans = [f for f in files if (f.suffix in IMAGE_SUFFIXES and is_magnitude(f)) or kind_of(f) in DIFFUSION]
        if not truth or not scans:
            continue
        grid = read_grid(truth[0].path)
        alike = [s for s in scans if read_grid(s.path).matches(grid)]
        # None alike: keep the first, so that opening it says what does not match.
        chosen = _drawn_on(truth[0], without_copies(alike)) or scans[:1]
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


def _truth_files(files: list[Named], wanted: Truth) -> list[Named]:
    masks = [f for f in files if f.suffix == "mask" and not is_brain_mask(f) and _label(f) != "brain"]
    # The whole lesion before parts of it (desc-lesion before desc-lesionAcute), and before other masks.
    masks.sort(key=lambda f: (not is_lesion(f), "label" not in f.entities, len(f.entities.get("desc", "")), f.path))
    lesions = _of_one_space([m for m in masks if is_lesion(m)] or masks)[:1]
    probabilities = [f for f in files if f.suffix == "probseg"]
    if wanted == "lesion":
        return lesions or _of_one_space([f for f in probabilities if _label(f) == "lesion"])[:1]
    if probabilities:
        return _of_one_space(probabilities)
    for suffix in LABEL_SUFFIXES:
        whole = _of_one_space([f for f in files if f.suffix == suffix])
        if whole:
            return whole[:1]
    return lesions


def _of_one_space(files: list[Named]) -> list[Named]:
    """Those in the session's own space, or if there are none, in the first template's."""
    spaces = [f.entities.get("space", "") for f in files]
    native = [f for f, space in zip(files, spaces, strict=True) if space in NATIVE]
    return native or [f for f, space in zip(files, spaces, strict=True) if space == min(spaces)]


def _label(file: Named) -> str:
    """What a file marks: of a lesion's mask ``lesion``, whether its label or its description says so."""
    return "lesion" if is_lesion(file) else file.entities.get("label", "")
