"""Who was scanned at which site: sessions, the people they belong to, and the files that hold them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from qontrast.anatomy.cohort import people_of
from qontrast.anatomy.labelled_scans import LabelledScanSource
from qontrast.anatomy.source import EMBEDDED, SubjectSource
from qontrast.basics.errors import InputError, PlanError, nearest
from qontrast.studies.plan import Site, StudyPlan
from qontrast.tasks.cases import labelled_scans
from qontrast.tasks.plans import Cohort
from qontrast.tasks.speaking import say
from qontrast.tasks.subjects import sources_of


@dataclass(frozen=True)
class Session:
    """One head at one time, as one site shows it.

    Args:
        site: of the plan.
        name: subject and session, as its cohort calls it.
        person: who it is; the same in every session and at every site.
        files: that hold its scans and truth; none for an embedded head.
        beside: what tells how they are read, sidecars and tables of labels; several people may share them.
    """

    site: str
    name: str
    person: str
    files: tuple[Path, ...]
    beside: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Place:
    """A site with its cohort found.

    Args:
        name: of the site.
        site: of the plan.
        cohort: all of its data.
        group: of people that its subjects' names belong to.
        sessions: that belong to the site, by name.
    """

    name: str
    site: Site
    cohort: Cohort
    group: str
    sessions: tuple[Session, ...]

    def chosen(self, names: tuple[str, ...], suffixes: tuple[str, ...] = ()) -> Cohort:
        """The cohort of those sessions alone, of real scans those with the suffixes."""
        return replace(self.cohort, subjects=names, suffixes=suffixes)


def person_of(session: str) -> str:
    """The subject of a session: its name up to ``_ses-``."""
    return session.split("_ses-")[0]


def find_places(plan: StudyPlan, *, quiet: bool = False) -> dict[str, Place]:
    """Every site of the plan with its cohort and sessions; nothing but names and headers is read.

    Raises:
        InputError: for data that is not there.
        PlanError: if a site names a subject that is not there, or no subject is left.
    """
    said: set[str] = set()
    places: dict[str, Place] = {}
    for name, site in plan.sites.items():
        cohort = cohort_of(plan, site, f"sites.{name}.data", said, quiet=quiet)
        group = site.people or people_of(cohort.data)
        files = _files_of(site, cohort)
        kept = _kept(name, site, files)
        sessions = tuple(Session(name, s, person_of(s), *files[s]) for s in kept)
        places[name] = Place(name, site, cohort, group, sessions)
    return _told_apart(places)


def cohort_of(plan: StudyPlan, site: Site, where: str, said: set[str], *, quiet: bool = False) -> Cohort:
    """A site's cohort, or the one that the plan takes where its data is not there.

    Raises:
        InputError: if the data is not there and the plan names no other.
    """
    named = site.data or plan.data
    assert named is not None
    data = os.path.expandvars(named)
    labels = site.labels or plan.labels
    if data != EMBEDDED and ("$" in data or not Path(data).exists()):
        if plan.otherwise is None:
            remedy = "Set the variable, mend the path, or say otherwise: embedded."
            raise InputError(where, f"{data}, which is not there", "a folder with the cohort", remedy)
        if data not in said:
            say(f"note: {data} is not there; taken instead: {plan.otherwise}", quiet=quiet)
            said.add(data)
        data, labels = os.path.expandvars(plan.otherwise), None
    return Cohort(
        data=data,
        labels=os.path.expandvars(labels) if labels and data != EMBEDDED else None,
        embedded=plan.embedded,
        kind="labels" if site.simulated and data != EMBEDDED else "auto",
    )


def files_of(source: SubjectSource) -> tuple[Path, ...]:
    """All files of a subject, those of a prepared cache's folder too."""
    if source.folder is not None:
        return tuple(sorted(path for path in source.folder.rglob("*") if path.is_file()))
    return tuple(file.path for file in source.files)


def _files_of(site: Site, cohort: Cohort) -> dict[str, tuple[tuple[Path, ...], tuple[Path, ...]]]:
    """A session's images, and what tells how they are read."""
    if site.simulated:
        sources = [source for source in sources_of(cohort) if site.where in (None, source.site)]
        return {source.name: (files_of(source), source.beside) for source in sources}
    found: dict[str, tuple[set[Path], set[Path]]] = {}
    for scan in scans_of(site, cohort):
        images, beside = found.setdefault(scan.subject, (set(), set()))
        images.update((scan.scan.path, *(truth.path for truth in scan.truth)))
        beside.update(scan.beside)
    return {name: (tuple(sorted(images)), tuple(sorted(beside))) for name, (images, beside) in sorted(found.items())}


def scans_of(site: Site, cohort: Cohort) -> list[LabelledScanSource]:
    """The real scans of a site that have a truth beside them, in its contrasts.

    Raises:
        InputError: if there is none.
    """
    wanted = set(site.contrasts.values())
    found = [
        scan
        for scan in labelled_scans(cohort)
        if scan.scan.suffix in wanted and site.where in (None, scan.scan.entities.get("site"))
    ]
    if not found:
        what = f"no scan with a truth beside it and the suffix {' or '.join(sorted(wanted))}"
        raise InputError(cohort.data, what, "scans with dseg, probseg or label masks", "Or name protocols.")
    return found


def _kept(name: str, site: Site, names: Mapping[str, object]) -> list[str]:
    """Sessions that belong to the site; a subject may be named without its session."""
    known = set(names) | {person_of(n) for n in names}
    for field, given in (("subjects", site.subjects), ("leave_out", site.leave_out)):
        for subject in given:
            if subject not in known:
                raise PlanError(
                    f"sites.{name}.{field}", repr(subject), "a subject of the site", nearest(subject, known)
                )

    def within(session: str, given: tuple[str, ...]) -> bool:
        return session in given or person_of(session) in given

    kept = [n for n in names if (not site.subjects or within(n, site.subjects)) and not within(n, site.leave_out)]
    if not kept:
        raise PlanError(f"sites.{name}", "no subject left", "one or more", "Leave fewer out.")
    return kept


def _told_apart(places: dict[str, Place]) -> dict[str, Place]:
    """People of different groups with one name are different people: the group's first site becomes part of theirs."""
    groups: dict[str, set[str]] = {}
    first: dict[str, str] = {}
    for place in places.values():
        first.setdefault(place.group, place.site.people or place.name)
        for session in place.sessions:
            groups.setdefault(session.person, set()).add(place.group)
    return {
        name: replace(
            place,
            sessions=tuple(
                replace(s, person=f"{first[place.group]}:{s.person}") if len(groups[s.person]) > 1 else s
                for s in place.sessions
            ),
        )
        for name, place in places.items()
    }
