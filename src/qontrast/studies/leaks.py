"""What makes a test worthless, looked for at every start: each is refused, with names."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from qontrast.anatomy.cohort import people_of
from qontrast.anatomy.source import EMBEDDED
from qontrast.basics.errors import InputError
from qontrast.studies.digests import Digest, Digests
from qontrast.studies.people import Place, Session, files_of, person_of
from qontrast.studies.plan import StudyPlan
from qontrast.studies.splits import SPLITS, Split, shown, terms
from qontrast.tasks.plans import Cohort
from qontrast.tasks.subjects import sources_of

SHOWN = 5
ANEW = "Start anew with another --out."


class LeakError(InputError):
    """A test that would see what training saw."""


def check_split(
    folder: Path, plan: StudyPlan, split: Split, places: Mapping[str, Place], digests: Mapping[Path, Digest]
) -> None:
    """Refuse a split that leaks, or that is not of this plan and these files any more.

    Raises:
        InputError: if the plan's terms, a file or a subject changed since the split was made.
        LeakError: for a person on two sides, or one scan under the names of two people.
    """
    sessions = {(s.site, s.name): s for place in places.values() for s in place.sessions}
    _refuse_other_terms(folder, plan, split)
    _refuse_two_sides(folder, split)
    _refuse_changes(folder, split, sessions, digests)
    refuse_copies([sessions[key] for key in split.members], digests)


def _refuse_other_terms(folder: Path, plan: StudyPlan, split: Split) -> None:
    for name, value in terms(plan).items():
        if split.made_with.get(name) != value:
            found = f"{name} {split.made_with.get(name)!r} there and {value!r} in the plan"
            raise InputError(folder / SPLITS, found, "the split that the study began with", ANEW)


def _refuse_two_sides(folder: Path, split: Split) -> None:
    """A person counts by the name that the split keeps, and by the session's own within a site."""
    sides: dict[str, tuple[str, str]] = {}
    for (site, name), member in sorted(split.members.items()):
        for person in (member.person, f"{site}/{person_of(name)}"):
            side, where = sides.setdefault(person, (member.side, f"{name} at {site}"))
            if side != member.side:
                raise LeakError(
                    folder / SPLITS,
                    f"{member.person} on both sides: {where} to {side} on, {name} at {site} to {member.side} on",
                    "all sessions of a person on one side",
                    "Restore the file that the study made, or start anew with another --out.",
                )


def _refuse_changes(
    folder: Path, split: Split, sessions: Mapping[tuple[str, str], Session], digests: Mapping[Path, Digest]
) -> None:
    gone, changed = [], []
    for (site, name), member in sorted(split.members.items()):
        session = sessions.get((site, name))
        if session is None:
            gone.append(f"{name} at {site}")
            continue
        now = {shown(file, session): digests[file].sha256 for file in session.files}
        gone += [f"{file} of {name}" for file in sorted(member.files.keys() - now.keys())]
        changed += [
            f"{file} of {name}" for file, sha in sorted(now.items()) if member.files.get(file) not in (None, sha)
        ]
        changed += [f"{file} of {name} (new)" for file in sorted(now.keys() - member.files.keys())]
        if session.person != member.person:
            changed.append(f"{name} at {site}, now {session.person}")
    for what, found in (("vanished", gone), ("changed", changed)):
        if found:
            raise InputError(
                folder / SPLITS,
                f"a cohort that changed since the split was made, {what}: {listed(found)}",
                "the files that the study began with",
                "Restore them, or start anew with another --out.",
            )


def refuse_copies(sessions: Iterable[Session], digests: Mapping[Path, Digest]) -> None:
    """Refuse one scan (or truth) under the names of two people, whichever side they are on.

    Raises:
        LeakError: naming both files.
    """
    seen: dict[str, tuple[str, Path]] = {}
    for session in sessions:
        for file in session.files:
            content = digests[file].content
            if not content:
                continue
            person, first = seen.setdefault(content, (session.person, file))
            if person != session.person:
                raise LeakError(
                    file,
                    f"the same voxels as in {first}: {session.person} and {person} share a scan",
                    "a scan under one name",
                    "They are one person, or a copy: name one of them in the site's leave_out.",
                )


def check_pretraining(
    arm: str,
    cohorts: Sequence[Cohort],
    split: Split,
    places: Mapping[str, Place],
    digests: Digests,
    *,
    remedy: str = "Leave the cohort out: the arm then sees the study's training subjects.",
) -> None:
    """Refuse a pretraining that sees somebody whom the study tests on, by name or by file.

    Args:
        arm: its name.
        cohorts: of the pretraining.
        split: of the study.
        places: its sites.
        digests: of files.
        remedy: what to do.

    Raises:
        LeakError: naming the person.
    """
    sides = {key: member.side for key, member in split.members.items()}  # of sessions newer than the split nothing
    tested = [s for p in places.values() for s in p.sessions if sides.get((s.site, s.name)) == "test"]
    groups: dict[str, set[str]] = {}  # and the folders that each has its people in: one name in them is one person
    for place in places.values():
        groups.setdefault(place.group, {place.group}).add(people_of(place.cohort.data))
    names = {(group, person_of(s.name)): s.person for s in tested for group in groups[places[s.site].group]}
    contents = {digests.of(file).content: s.person for s in tested for file in s.files}
    contents.pop("", None)
    for cohort in cohorts:
        if cohort.data != EMBEDDED and not Path(cohort.data).exists():
            continue
        group = people_of(cohort.data)
        for source in sources_of(cohort):
            person = names.get((group, person_of(source.name)))
            why = f"{source.name} of {cohort.data}"
            for file in () if person else files_of(source):
                person = contents.get(digests.of(file).content)
                if person:
                    why = f"{file}, which shows the same"
                    break
            if person:
                found = f"{person}, whom the study tests on ({why})"
                raise LeakError(f"arms.{arm}", found, "pretraining without the test subjects", remedy)


def listed(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
