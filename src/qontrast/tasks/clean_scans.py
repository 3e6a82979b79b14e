"""What noise is added to: scans simulated from label maps or maps, else real scans as their own clean reference."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from qontrast.anatomy.cohort import find_subjects, images_of
from qontrast.anatomy.grouping import group_subjects
from qontrast.anatomy.observed import (
    IMAGE_SUFFIXES,
    ObservedHead,
    ObservedScan,
    contrast_of,
    read_scan,
    scans_among,
    without_copies,
)
from qontrast.anatomy.prepared import is_cache
from qontrast.anatomy.source import EMBEDDED
from qontrast.anatomy.subject import Subject
from qontrast.basics.errors import InputError, MissingMapError, PlanError, nearest
from qontrast.physics.clinical import protocol_of
from qontrast.scans.names import Named
from qontrast.tasks.plans import Cohort
from qontrast.tasks.subjects import open_subjects, sources_of


@dataclass(frozen=True)
class ScanSource:
    """A real scan that stands for a clean one.

    Args:
        name: subject, session and contrast.
        subject: subject and session.
        contrast: BIDS suffix, with what tells it from the session's others.
        site: where it was scanned, if that is known.
        file: of the scan; None for one of a cache.
        opened: the scan of a cache.
    """

    name: str
    subject: str
    contrast: str
    site: str = ""
    file: Named | None = None
    opened: ObservedScan | None = None

    def open(self) -> ObservedScan:
        """Read the scan; see :func:`qontrast.anatomy.observed.read_scan` for what is refused."""
        if self.opened is not None:
            return self.opened
        assert self.file is not None
        return read_scan(self.file)


def real_scans(cohort: Cohort) -> list[ScanSource]:
    """The cohort's scans; none where scans are to be simulated: of embedded heads, maps and label maps.

    Raises:
        InputError: if there is neither.
        PlanError: if the plan names a subject that is not there.
    """
    if cohort.data == EMBEDDED or cohort.kind in ("maps", "labels"):
        return []
    folder = Path(cohort.data)
    if is_cache(folder):
        return _of_cache(cohort)
    files = images_of(folder)
    if cohort.kind == "auto" and any(s.kind != "scans" for s in group_subjects(files)):
        return []
    scans = without_copies(scans_among(files))
    if not scans:
        raise InputError(
            folder, f"{len(files)} images, none of them a scan", f"scans ({', '.join(IMAGE_SUFFIXES)}), maps or labels",
            "Name files as BIDS does: sub-01_T1w.nii.gz.",
        )  # fmt: skip
    names = Counter(f"{f.session}_{contrast_of(f)}" for f in scans)
    if (twice := names.most_common(1)[0])[1] > 1:
        raise InputError(folder, f"two scans called {twice[0]}", "one of each contrast", "Move one away.")
    found = [
        ScanSource(f"{f.session}_{contrast_of(f)}", f.session, contrast_of(f), f.entities.get("site", ""), f)
        for f in scans
    ]
    return _named(found, cohort)


def tissue_heads(cohort: Cohort, contrasts: tuple[str, ...], *, quiet: bool = False) -> list[Subject]:
    """The cohort's heads whose tissue is known, for all of the contrasts.

    Raises:
        InputError: for heads that are known from scans alone.
        MissingMapError: if a subject's maps do not suffice for a contrast.
    """
    heads = []
    for head in open_subjects(sources_of(cohort), quiet=quiet):
        if not isinstance(head, Subject):
            raise InputError(head.name, "scans alone", "tissue maps or a label map", "Or set cohort.kind: scans.")
        for contrast in contrasts:
            if protocol_of(contrast).name not in head.sequences:
                raise MissingMapError(
                    head.name, f"maps that do not suffice for {contrast}", f"one of {', '.join(head.sequences)}",
                    "Choose it with --contrasts.",
                )  # fmt: skip
        heads.append(head)
    return heads


def _of_cache(cohort: Cohort) -> list[ScanSource]:
    """The scans of a cache of scans; none of a cache of other heads."""
    sources = find_subjects(cohort.data, kind=cohort.kind)
    found = []
    for source in sources:
        head = source.open()
        if not isinstance(head, ObservedHead):
            return []
        found += [
            ScanSource(f"{head.name}_{contrast}", head.name, contrast, source.site, opened=scan)
            for contrast, scan in sorted(head.scans.items())
        ]
    return _named(found, cohort)


def _named(found: list[ScanSource], cohort: Cohort) -> list[ScanSource]:
    known = {s.subject for s in found}
    for name in cohort.subjects:
        if name not in known:
            raise PlanError("cohort.subjects", repr(name), f"a subject of {cohort.data}", nearest(name, known))
    return [s for s in found if not cohort.subjects or s.subject in cohort.subjects]
