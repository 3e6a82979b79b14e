"""Images to subjects and sessions, by their names and folders."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from qontrast.anatomy.observed import IMAGE_SUFFIXES, contrast_of, scans_among
from qontrast.anatomy.qmri import TARGETS
from qontrast.anatomy.source import SubjectSource
from qontrast.scans.names import Named, is_magnitude

LABEL_SUFFIXES = ("dseg", "aseg", "aparc+aseg", "seg")
RAW = ("anat", "fmap")
"""BIDS folders of structural images and field maps."""
Kind = Literal["auto", "maps", "labels", "scans"]


def group_subjects(
    files: list[Named], kind: Kind = "auto", labels: Path | None = None, *, whatever: bool = False
) -> list[SubjectSource]:
    """Images by subject and session; see :func:`qontrast.anatomy.cohort.find_subjects`.

    Args:
        files: the images.
        kind: what to look for.
        labels: TSV with the labels' tissues or parameters.
        whatever: take any image for a label map where ``labels`` are given.
    """
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
