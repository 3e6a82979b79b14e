"""Open whatever the user points at: qMRI maps, label maps, scans of several contrasts, a cache, the embedded heads."""

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from qontrast.anatomy.label_table import table_for
from qontrast.anatomy.labelled import LabelSubject
from qontrast.anatomy.mni_heads import mni_head
from qontrast.anatomy.observed import IMAGE_SUFFIXES, ObservedHead, contrast_of, read_scans, scans_among
from qontrast.anatomy.prepared import HEADS, is_cache, open_head, read_manifest
from qontrast.anatomy.qmri import SUFFIXES, TARGETS, read_maps
from qontrast.anatomy.subject import Subject
from qontrast.basics.errors import InputError
from qontrast.scans.names import Named, find_images, is_magnitude
from qontrast.scans.nifti import read_image
from qontrast.scans.table import read_table

EMBEDDED = "embedded"
TABLES = (".tsv", ".csv")
LABEL_SUFFIXES = ("dseg", "aseg", "aparc+aseg", "seg")
RAW = ("anat", "fmap")
"""BIDS folders of structural images and field maps."""
KEPT_IN_MEMORY = 24  # subjects per process, with all their voxels
KEPT_OPEN = 8  # subjects of a cache per process: a head from a label map keeps 25 MB of sketches
Kind = Literal["auto", "maps", "labels", "scans"]


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


def group_subjects(
    files: list[Named], kind: Kind = "auto", labels: Path | None = None, *, whatever: bool = False
) -> list[SubjectSource]:
    """Images by subject and session; see :func:`find_subjects`. ``whatever`` takes any image for a label map."""
    sessions: dict[str, list[Named]] = {}
    for file in _told_apart(files):
        sessions.setdefault(file.session, []).append(file)
    found = []
    for name, own in sorted(sessions.items()):
        segmentations = [f for f in own if f.suffix in LABEL_SUFFIXES or (whatever and labels is not None)]
        scans = scans_among(own)
        targets = {TARGETS.get(f.suffix) for f in own}
        site = next((f.entities["site"] for f in own if f.entities.get("site")), "")
        contrasts = {contrast_of(f) for f in scans}
        # A stray map (a B1 map of another scan) makes neither a label map nor scans a set of tissue maps.
        other = segmentations or (kind == "auto" and len(contrasts) > 1)
        mapped = {"pd", "r1"} <= targets or (targets != {None} and not other)
        masks = [f for f in own if f.suffix == "mask"]
        if kind in ("auto", "maps") and mapped:
            maps = [f for f in own if f.suffix in TARGETS]
            found.append(SubjectSource(name, "maps", _once(maps + masks), site=site, homes=_homes(own)))
        elif kind in ("auto", "labels") and segmentations:
            found.append(
                SubjectSource(name, "labels", _one_a_folder(segmentations), table=labels, site=site, homes=_homes(own))
            )
        elif (kind == "scans" and scans) or (kind == "auto" and len(contrasts) > 1):
            found.append(SubjectSource(name, "scans", _once(scans + masks), site=site, homes=_homes(own)))
    return found


def _told_apart(files: list[Named]) -> list[Named]:
    """Where a folder holds several people's label maps by names of its own, each is called what precedes its suffix.

    The folder would name all of them alike, and one head would be left.
    """
    nameless: dict[Path, list[Named]] = {}
    for file in files:
        if not file.named and file.home is None and "sub" not in file.entities:
            nameless.setdefault(file.path.parent, []).append(file)
    names: dict[Path, str] = {}
    for own in nameless.values():
        prefixes = {f.prefix for f in own if f.suffix in LABEL_SUFFIXES}
        if len(prefixes) > 1:
            names |= {f.path: f.prefix for f in own if f.prefix in prefixes}
    return [replace(f, named=names[f.path]) if names.get(f.path) else f for f in files] if names else files


def passed_over(files: list[Named], found: list[SubjectSource]) -> dict[str, str]:
    """The sessions that :func:`group_subjects` found no use for though they hold images of a brain, and why."""
    used = {source.name for source in found}
    known = (*IMAGE_SUFFIXES, *LABEL_SUFFIXES, *TARGETS)
    suffixes: dict[str, set[str]] = {}
    strange: dict[str, set[str]] = {}
    for file in _told_apart(files):
        if file.session in used:
            continue
        if file.suffix in known:
            part = "" if is_magnitude(file) else f" ({file.entities['part']})"
            suffixes.setdefault(file.session, set()).add(f"{file.suffix}{part}")
        elif file.named or file.home is not None or "sub" in file.entities:
            strange.setdefault(file.session, set()).add(file.suffix)
    why = {
        name: f"{', '.join(sorted(there))} alone; tissue maps, a label map or co-registered scans of two contrasts are "
        "needed, and of these what --kind asks for"
        for name, there in suffixes.items()
    }
    for name, there in strange.items():
        meant = {k for suffix in there if suffix for k in known if k.lower().startswith(suffix.lower())}
        hint = f"; {' or '.join(sorted(meant))} may be meant" if meant else ""
        why.setdefault(name, f"images with no suffix that is known ({', '.join(sorted(there))}){hint}")
    return why


def _one_a_folder(files: list[Named]) -> tuple[Named, ...]:
    """The first label map by name of each folder: others beside it show the same head in other labels."""
    first: dict[Path, Named] = {}
    for file in _once(files):
        first.setdefault(file.path.parent, file)
    if len(first) == 1:
        return tuple(first.values())
    distinct: dict[Path, Named] = {}
    for file in first.values():  # links may lead to one by other names
        distinct.setdefault(file.path.resolve(), file)
    return tuple(distinct.values())


def _homes(files: list[Named]) -> tuple[Path, ...]:
    """Folders ``sub-...`` with raw images in them, as BIDS has them; not what a pipeline made of those."""
    found: dict[Path, None] = {}
    for file in files:
        home, above = file.home, file.path.parent
        if file.named or home is None or {"desc", "space"} & file.entities.keys() or "derivatives" in home.parts:
            continue
        scan = file.suffix in IMAGE_SUFFIXES and (above == home or above.name.startswith("ses-"))
        if scan or above.name in RAW:
            found[home] = None
    return tuple(found)


def _once(files: list[Named]) -> tuple[Named, ...]:
    """Each file once, though links may lead to it by several ways; by path."""
    if len({f.path.name for f in files}) == len(files):  # to resolve every path of a cohort takes longer than all else
        return tuple(sorted(files, key=lambda f: f.path))
    found: dict[Path, Named] = {}
    for file in sorted(files, key=lambda f: f.path):
        found.setdefault(file.path.resolve(), file)
    return tuple(found.values())


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
