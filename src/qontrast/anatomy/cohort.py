"""Whatever the user points at: maps, label maps, scans of several contrasts, a cache, the embedded heads."""

from pathlib import Path

from qontrast.anatomy.grouping import LABEL_SUFFIXES, Kind, group_subjects
from qontrast.anatomy.observed import IMAGE_SUFFIXES
from qontrast.anatomy.prepared import HEADS, is_cache, read_manifest, read_settings
from qontrast.anatomy.qmri import SUFFIXES
from qontrast.anatomy.source import EMBEDDED, SubjectSource
from qontrast.basics.errors import InputError
from qontrast.scans.names import Named, find_images
from qontrast.scans.table import read_table

TABLES = (".tsv", ".csv")


def find_subjects(
    data: str, *, embedded: int = 8, labels: Path | None = None, seed: int = 0, kind: Kind = "auto"
) -> list[SubjectSource]:
    """The subjects in ``data``, sorted by name; nothing but names is read.

    Args:
        data: a BIDS folder, a subject's folder, a label map, a table of files, a prepared cache, or ``embedded``.
        embedded: how many embedded heads to make.
        labels: TSV with the labels' tissues or parameters.
        seed: of the embedded heads.
        kind: what to look for: tissue ``maps``, ``labels``, ``scans`` of several contrasts; ``auto`` takes the first
            of the three that a subject has.

    Raises:
        InputError: if there is no subject of that kind.
    """
    if data == EMBEDDED:
        return [SubjectSource(f"sub-mni{i:03d}", "embedded", index=i, seed=seed) for i in range(1, embedded + 1)]
    folder = Path(data)
    if is_cache(folder):
        return prepared_subjects(folder, kind)
    files = images_of(folder)
    found = group_subjects(files, kind, labels, whatever=folder.is_file() and folder.suffix not in TABLES)
    if not found:
        suffixes = ", ".join((*SUFFIXES, *LABEL_SUFFIXES))
        asked = "images named by BIDS" if folder.is_dir() else "images"
        raise InputError(
            folder,
            f"{len(files)} images but no subject with tissue maps or labels",
            f"{asked} with one of the suffixes {suffixes}, or two scans ({', '.join(IMAGE_SUFFIXES)}) of one session",
            f"Or use --data {EMBEDDED} for the embedded heads.",
        )
    return found


def images_of(data: Path) -> list[Named]:
    """The images of a folder, or those that a table names; see :func:`find_images` and :func:`read_table`."""
    return read_table(data) if data.suffix in TABLES and data.is_file() else find_images(data)


def people_of(data: str) -> str:
    """Whose heads are in ``data``, wherever it is named from: the whole path, of a cache that of what it was made of.

    Raises:
        InputError: if it is a cache that was never finished.
    """
    if data == EMBEDDED:
        return data
    whole = Path(data).resolve()
    return str(read_settings(whole)["data"]) if is_cache(whole) else str(whole)


def prepared_subjects(cache: Path, kind: Kind = "auto") -> list[SubjectSource]:
    """The subjects of a cache that ``qontrast data prepare`` made, all or those of one kind.

    Raises:
        InputError: if its manifest is damaged, or none is of that kind.
    """
    entries = sorted(read_manifest(cache)["subjects"].items())
    found = [
        SubjectSource(name, "prepared", folder=cache / HEADS / name, site=entry.get("site", ""))
        for name, entry in entries
        if kind in ("auto", entry["kind"])
    ]
    if not found:
        there = ", ".join(sorted({entry["kind"] for _, entry in entries})) or "no head"
        raise InputError(cache, f"a cache of {there}", f"heads of the kind {kind}", "Prepare a cache with that --kind.")
    return found
