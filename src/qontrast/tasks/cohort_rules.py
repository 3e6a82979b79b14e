"""What is to be expected of a cohort's images: IXI's names and grids, lesion masks and the scans they are drawn on."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from qontrast.anatomy.labelled_scans import DIFFUSION, kind_of
from qontrast.anatomy.observed import IMAGE_SUFFIXES
from qontrast.basics.errors import InputError
from qontrast.basics.grid import Grid
from qontrast.cohorts.catalogue import COHORTS
from qontrast.scans.names import Named, is_lesion
from qontrast.scans.nifti import read_image
from qontrast.tasks.findings import Finding, broken, note

Grids = Mapping[Path, Grid]


def by_session(images: list[Named]) -> dict[str, list[Named]]:
    """Images by subject and session."""
    sessions: dict[str, list[Named]] = {}
    for file in images:
        sessions.setdefault(file.session, []).append(file)
    return dict(sorted(sessions.items()))


def missing_contrasts(images: list[Named], cohort: str) -> list[Finding]:
    """Sessions that lack a contrast which others have; to lack one is a note, since cohorts are like that."""
    expected = COHORTS[cohort].contrasts if cohort else IMAGE_SUFFIXES
    there = {kind_of(f) for f in images}
    found = []
    for session, own in by_session(images).items():
        kinds = {kind_of(f) for f in own}
        if kinds & set(expected):
            found += [note(session, f"no {kind}") for kind in expected if kind in there and kind not in kinds]
    return found


def check_ixi(folder: Path, images: list[Named], grids: Grids) -> list[Finding]:
    """IXI: sites that are known, each contrast once, T2 and PD on one grid, T1 on another."""
    sites = {site.name for site in COHORTS["ixi"].sites}
    found = []
    for subject, own in by_session([f for f in images if f.path.name.startswith("IXI")]).items():
        told = {f.entities.get("site", "") for f in own}
        if not told <= sites:
            found.append(broken(subject, f"a site that IXI does not have ({', '.join(sorted(told - sites))})"))
        if len(told) > 1:
            found.append(broken(subject, f"scans of several sites ({', '.join(sorted(told))})"))
        kinds: dict[str, list[Named]] = {}
        for file in own:
            kinds.setdefault(file.suffix, []).append(file)
        for kind, files in kinds.items():
            if len(files) > 1:
                found.append(broken(subject, f"{len(files)} files of {kind}: {', '.join(f.path.name for f in files)}"))
        grid = {kind: grids[files[0].path] for kind, files in kinds.items() if files[0].path in grids}
        if "T2w" in grid and "PDw" in grid and not grid["T2w"].matches(grid["PDw"]):
            found.append(broken(subject, "T2 and PD on two grids, and IXI's share one"))
        if "T1w" in grid and "T2w" in grid and grid["T1w"].matches(grid["T2w"]):
            found.append(note(subject, "T1 on the grid of T2: it was resampled"))
    if not (folder / "IXI.xls").is_file() and not any((folder / f"IXI{e}").is_file() for e in (".csv", ".tsv")):
        found.append(note("IXI.xls", "missing: there is no sex and no age"))
    return found


def check_lesions(images: list[Named], grids: Grids, *, drawn_on: str = "") -> list[Finding]:
    """Lesion masks: of zeros and ones, and on the grid of a scan of their session.

    Args:
        images: of the cohort.
        grids: of those that could be read.
        drawn_on: the contrast that masks are drawn on, if it is one for all.
    """
    found: list[Finding] = []
    masks = [f for f in images if is_lesion(f)]
    sessions = by_session(images)
    for mask in masks:
        if mask.path not in grids:
            continue  # named already
        scans = [f for f in sessions[mask.session] if f.suffix in IMAGE_SUFFIXES or kind_of(f) in DIFFUSION]
        alike = {kind_of(s) for s in scans if s.path in grids and grids[s.path].matches(grids[mask.path])}
        where = mask.path.name
        if not scans:
            found.append(broken(where, "a lesion mask without a scan in its session"))
        elif drawn_on and drawn_on not in {kind_of(s) for s in scans}:
            found.append(broken(where, f"a lesion mask without the {drawn_on} that it is drawn on"))
        elif not alike:
            found.append(broken(where, "a lesion mask on the grid of no scan of its session"))
        elif drawn_on and drawn_on not in alike:
            found.append(broken(where, f"a lesion mask on the grid of {', '.join(sorted(alike))}, not of {drawn_on}"))
        found += _voxels(mask)
    if masks:
        drawn = {m.session for m in masks}
        kinds = {kind_of(f) for m in masks for f in sessions[m.session]}
        without = [s for s in sessions if s not in drawn and any(kind_of(f) in kinds for f in sessions[s])]
        found += [note(session, "no lesion mask") for session in without]
    return found


def _voxels(mask: Named) -> list[Finding]:
    try:
        values = np.unique(read_image(mask.path).data)
    except InputError as error:
        return [broken(mask.path.name, error.found)]
    if not np.isin(values, (0, 1)).all():
        low, high = float(values[0]), float(values[-1])
        return [broken(mask.path.name, f"a lesion mask with values from {low:g} to {high:g}, not 0 and 1")]
    return [] if values.any() else [note(mask.path.name, "an empty lesion mask")]
