"""Open whatever the user points at: qMRI maps, label maps, or the embedded heads."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from qontrast.anatomy.label_table import table_for
from qontrast.anatomy.labelled import LabelSubject
from qontrast.anatomy.mni_heads import mni_head
from qontrast.anatomy.qmri import SUFFIXES, TARGETS, read_maps
from qontrast.anatomy.subject import Subject
from qontrast.basics.errors import InputError
from qontrast.scans.names import Named, find_images
from qontrast.scans.nifti import read_image

EMBEDDED = "embedded"
LABEL_SUFFIXES = ("dseg", "aseg", "aparc+aseg", "seg")
KEPT_IN_MEMORY = 24  # subjects per process


@dataclass(frozen=True)
class SubjectSource:
    """Where one subject comes from; small, so that it travels to loader processes, which open it themselves.

    Args:
        name: of the subject (and session).
        kind: ``embedded``, ``maps`` or ``labels``.
        files: its images.
        index, seed: of an embedded head.
        table: TSV with labels' priors, if the user gave one.
    """

    name: str
    kind: str
    files: tuple[Named, ...] = ()
    index: int = 0
    seed: int = 0
    table: Path | None = None

    def open(self, *, canonical: bool = True) -> Subject:
        """Read the subject; see :func:`read_maps` and :class:`LabelSubject` for what is refused."""
        return _open(self, canonical)


def find_subjects(data: str, *, embedded: int = 8, labels: Path | None = None, seed: int = 0) -> list[SubjectSource]:
    """The subjects in ``data``, sorted by name; nothing but names is read.

    Args:
        data: a BIDS folder, a subject's folder, a label map, or ``embedded``.
        embedded: how many embedded heads to make.
        labels: TSV with the labels' tissues or parameters.
        seed: of the embedded heads.

    Raises:
        InputError: if there is no subject with maps or labels.
    """
    if data == EMBEDDED:
        return [SubjectSource(f"sub-mni{i:03d}", "embedded", index=i, seed=seed) for i in range(1, embedded + 1)]
    folder = Path(data)
    sessions: dict[str, list[Named]] = {}
    for file in find_images(folder):
        sessions.setdefault(file.session, []).append(file)
    found = []
    for name, files in sorted(sessions.items()):
        segmentations = [f for f in files if f.suffix in LABEL_SUFFIXES or (folder.is_file() and labels is not None)]
        targets = {TARGETS.get(f.suffix) for f in files}
        # A stray map (a B1 map of another scan) does not make a label map a set of tissue maps.
        if {"pd", "r1"} <= targets or (targets != {None} and not segmentations):
            found.append(SubjectSource(name, "maps", tuple(files)))
        elif segmentations:
            found.append(SubjectSource(name, "labels", (segmentations[0],), table=labels))
    if not found:
        suffixes = ", ".join((*SUFFIXES, *LABEL_SUFFIXES))
        raise InputError(
            folder,
            f"{sum(map(len, sessions.values()))} images but no subject with tissue maps or labels",
            f"files named by BIDS with one of the suffixes {suffixes}",
            f"Or use --data {EMBEDDED} for the embedded heads.",
        )
    return found


@lru_cache(maxsize=KEPT_IN_MEMORY)
def _open(source: SubjectSource, canonical: bool) -> Subject:
    if source.kind == EMBEDDED:
        return mni_head(source.index, source.seed)
    if source.kind == "maps":
        return read_maps(list(source.files), canonical=canonical)
    file = source.files[0]
    image = read_image(file.path, canonical=canonical, labels=True)
    return LabelSubject(source.name, image.data, image.grid, table_for(file.path, source.table), str(file.path))
