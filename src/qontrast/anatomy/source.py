"""Where one subject comes from, and how it is opened."""

import json
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from qontrast.anatomy.label_table import table_for, tables
from qontrast.anatomy.labelled import LabelSubject
from qontrast.anatomy.mni_heads import mni_head
from qontrast.anatomy.observed import ObservedHead, read_scans
from qontrast.anatomy.prepared import open_head
from qontrast.anatomy.qmri import read_maps
from qontrast.anatomy.subject import Subject
from qontrast.basics.errors import InputError
from qontrast.scans.names import Named
from qontrast.scans.nifti import read_image
from qontrast.scans.sidecars import applying

EMBEDDED = "embedded"
KEPT_IN_MEMORY = 24  # subjects per process, with all their voxels
KEPT_OPEN = 8  # subjects of a cache per process: a head from a label map keeps 25 MB of sketches


@dataclass(frozen=True)
class SubjectSource:
    """Where one subject comes from; small, so that it travels to loader processes, which open it themselves.

    Args:
        name: of the subject (and session).
        kind: ``embedded``, ``maps``, ``labels``, ``scans`` or ``prepared``.
        files: its images.
        index, seed: of an embedded head.
        table: TSV with labels' priors, if the user gave one.
        folder: of a prepared head.
        site: where it was scanned, if that is known.
        homes: folders ``sub-...`` of the cohort that hold raw images of it; of more than one person if there are two.
    """

    name: str
    kind: str
    files: tuple[Named, ...] = ()
    index: int = 0
    seed: int = 0
    table: Path | None = None
    folder: Path | None = None
    site: str = ""
    homes: tuple[Path, ...] = ()

    @property
    def beside(self) -> tuple[Path, ...]:
        """What else tells how its images are read: the sidecars that apply to them, and tables of labels."""
        found = {path for file in self.files for path in applying(file) if path.is_file()}
        if self.kind == "labels":
            found.update(tables(self.files[0].path, self.table))
        return tuple(sorted(found))

    def open(self, *, canonical: bool = True) -> Subject | ObservedHead:
        """Read the subject; see :func:`read_maps`, :class:`LabelSubject` and :func:`read_scans` for what is refused."""
        return _open_prepared(self) if self.kind == "prepared" else _open(self, canonical)

    def read(self) -> Subject | ObservedHead:
        """Read it anew from its files, whatever was opened before, and keep nothing."""
        assert self.kind != "prepared"
        return _read(self, True)

    def open_tissue(self, *, canonical: bool = True) -> Subject:
        """The same where only a subject whose tissue is known will do.

        Raises:
            InputError: for a subject that is known from scans alone.
        """
        head = self.open(canonical=canonical)
        if isinstance(head, ObservedHead):
            raise InputError(self.name, "scans alone", "tissue maps or a label map", "No other contrast can be made.")
        return head


def refuse_namesakes(source: SubjectSource) -> None:
    """Refuse a subject whose files exist twice under one name, or whose raw images lie in two subjects' folders.

    They belong to two people, or are copies. What a table says is one subject is one.

    Raises:
        InputError: naming both files or folders.
    """
    remedy = "Rename one of them, give them sessions, or list the files in a table."
    homes = list({home.resolve(): home for home in source.homes}.values()) if len(source.homes) > 1 else []
    homes = [home for home in homes if not _is_derivative(home.parent)]
    if len(homes) > 1:
        raise InputError(source.name, f"two subjects of this name: {homes[0]} and {homes[1]}", "one", remedy)
    seen: dict[str, Path] = {}
    for file in source.files:
        if file.named:
            continue
        other = seen.setdefault(file.path.name, file.path)
        if other.resolve() != file.path.resolve():  # links may lead to one file by two ways
            raise InputError(
                source.name,
                f"two subjects of this name: {other} and {file.path}",
                "one",
                remedy,
            )


def _is_derivative(dataset: Path) -> bool:
    """Whether a BIDS dataset says that a pipeline made it."""
    with suppress(OSError, ValueError, AttributeError):
        told = json.loads((dataset / "dataset_description.json").read_text(encoding="utf-8"))
        return bool(told.get("DatasetType") == "derivative")
    return False


@lru_cache(maxsize=KEPT_OPEN)
def _open_prepared(source: SubjectSource) -> Subject | ObservedHead:
    assert source.folder is not None
    return open_head(source.folder)


@lru_cache(maxsize=KEPT_IN_MEMORY)
def _open(source: SubjectSource, canonical: bool) -> Subject | ObservedHead:
    return _read(source, canonical)


def _read(source: SubjectSource, canonical: bool) -> Subject | ObservedHead:
    if source.kind == EMBEDDED:
        return mni_head(source.index, source.seed)
    refuse_namesakes(source)
    if source.kind == "labels" and len(source.files) > 1:
        one, other = (f.path for f in source.files[:2])
        raise InputError(
            source.name, f"label maps in two folders: {one} and {other}", "one", "List the one to use in a table."
        )
    if source.kind == "maps":
        return read_maps(list(source.files), canonical=canonical)
    if source.kind == "scans":
        return read_scans(list(source.files))
    file = source.files[0]
    image = read_image(file.path, canonical=canonical, labels=True)
    return LabelSubject(source.name, image.data, image.grid, table_for(file.path, source.table), str(file.path))
