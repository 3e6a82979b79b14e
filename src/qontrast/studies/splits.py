"""Who is trained and who is tested on: by person, stratified by site, made once and kept."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import InputError, PlanError, nearest
from qontrast.basics.randomness import derive
from qontrast.studies.digests import Digest
from qontrast.studies.people import Place, Session, person_of
from qontrast.studies.plan import Shares, StudyPlan, is_share

SPLITS = "splits.json"
FORMAT = 1
Side = Literal["train", "validation", "test"]
SIDES: tuple[Side, ...] = ("train", "validation", "test")
Key = tuple[str, str]
"""Site and session."""


@dataclass(frozen=True)
class Member:
    """A session as the split keeps it.

    Args:
        person: who it is.
        side: ``train``, ``validation`` or ``test``.
        files: name to SHA-256 of each of its files.
    """

    person: str
    side: str
    files: Mapping[str, str]


@dataclass(frozen=True)
class Split:
    """The division of a study's sessions.

    Args:
        made_with: seed, shares and lists of the plan that made it.
        members: by site and session.
    """

    made_with: Mapping[str, Any]
    members: Mapping[Key, Member]

    def names(self, site: str, side: str) -> tuple[str, ...]:
        """Sessions of a site on a side, sorted."""
        return tuple(sorted(name for (s, name), m in self.members.items() if s == site and m.side == side))

    def people(self, side: str) -> set[str]:
        """Everybody on a side."""
        return {member.person for member in self.members.values() if member.side == side}


def terms(plan: StudyPlan) -> dict[str, Any]:
    """What of a plan decides over its split."""
    split = plan.split
    return {
        "seed": plan.seed,
        "shares": [split.train, split.validation, split.test],
        "train_subjects": sorted(split.train_subjects),
        "test_subjects": sorted(split.test_subjects),
        "sites": sorted(plan.sites),
    }


def make_split(plan: StudyPlan, places: Mapping[str, Place], digests: Mapping[Path, Digest]) -> Split:
    """Divide the people of all sites.

    People who were scanned at the same sites make a stratum; each is divided by the shares, rounded so that they add
    up (largest remainder), in an order that the seed draws. Whoever the plan names goes where the plan says.

    Raises:
        PlanError: for a named subject that is not there, a person with sessions in both lists, or a site without
            anybody to train or to test on where there ought to be.
    """
    sessions = [session for place in places.values() for session in place.sessions]
    sides = _as_named(plan.split, sessions)
    for stratum, people in sorted(strata(sessions).items()):
        free = [person for person in people if person not in sides]
        order = torch.randperm(len(free), generator=derive(plan.seed, "split", *stratum)).tolist()
        counts = divided(len(free), (plan.split.train, plan.split.validation, plan.split.test))
        marks = [side for side, count in zip(SIDES, counts, strict=True) for _ in range(count)]
        sides |= {free[index]: side for index, side in zip(order, marks, strict=True)}
    members = {
        (s.site, s.name): Member(s.person, sides[s.person], {shown(f, s): digests[f].sha256 for f in s.files})
        for s in sessions
    }
    split = Split(terms(plan), members)
    _refuse_empty_sides(plan, split)
    return split


def strata(sessions: Iterable[Session]) -> dict[tuple[str, ...], list[str]]:
    """People by the sites at which they were scanned, both sorted."""
    sites: dict[str, set[str]] = {}
    for session in sessions:
        sites.setdefault(session.person, set()).add(session.site)
    found: dict[tuple[str, ...], list[str]] = {}
    for person, where in sorted(sites.items()):
        found.setdefault(tuple(sorted(where)), []).append(person)
    return found


def divided(count: int, shares: tuple[float, ...]) -> list[int]:
    """``count`` divided by shares into whole numbers that add up to it; ties go to the earlier share, the last second.

    With shares to train, validate and test the order of ties is train, test, validation.
    """
    exact = [count * share for share in shares]
    whole = [int(value + 1e-9) for value in exact]
    ties = [0, *range(len(shares) - 1, 0, -1)]
    by_remainder = sorted(ties, key=lambda i: -round(exact[i] - whole[i], 9))
    for index in by_remainder[: count - sum(whole)]:
        whole[index] += 1
    return whole


def labelled(plan: StudyPlan, split: Split, site: str, fraction: int | float, seed: int) -> tuple[str, ...]:
    """Sessions that carry labels; those of a smaller fraction are among those of a larger one of the same seed.

    Raises:
        PlanError: if the fraction gives nobody, or there are not so many to train on.
    """
    of_person: dict[str, list[str]] = {}
    for name in split.names(site, "train"):
        of_person.setdefault(split.members[site, name].person, []).append(name)
    count = counted(fraction, len(of_person), site)
    people = sorted(of_person)
    order = torch.randperm(len(people), generator=derive(seed, "labels", site)).tolist()
    return tuple(sorted(name for index in order[:count] for name in of_person[people[index]]))


def counted(fraction: int | float, people: int, site: str) -> int:
    """How many people a fraction is; shares are rounded down.

    Raises:
        PlanError: if that is nobody, or more than there are.
    """
    if is_share(fraction):
        count = int(fraction * people + 1e-9)
        if count < 1:
            least = -(-1000 // people) / 1000 if people else 1.0
            raise PlanError(
                "fractions",
                f"{fraction:g} of the {people} training subjects of {site}, which is {fraction * people:.2g}: nobody",
                "one subject or more",
                f"Say {least:g} or more, or numbers of subjects such as 1.",
            )
        return count
    if fraction > people:
        raise PlanError(
            "fractions",
            f"{fraction:g} of the {people} training subjects of {site}",
            f"{people} or fewer",
            "Take fewer, or a larger split.train.",
        )
    return int(fraction)


def save_split(folder: Path, split: Split) -> None:
    """Keep a split; a study makes one.

    Raises:
        WriteError: if the folder cannot be written.
    """
    sessions: dict[str, dict[str, Any]] = {}
    for (site, name), member in sorted(split.members.items()):
        entry = {"person": member.person, "side": member.side, "files": dict(sorted(member.files.items()))}
        sessions.setdefault(site, {})[name] = entry
    content = {"format": FORMAT, "made_with": dict(split.made_with), "sessions": sessions}
    write_atomic(folder / SPLITS, json.dumps(content, indent=1) + "\n")


def load_split(folder: Path) -> Split | None:
    """The split that a study's folder holds; None for a new study.

    Raises:
        InputError: if the file is damaged.
    """
    file = folder / SPLITS
    if not file.is_file():
        return None
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}")
        members = {
            (site, name): Member(str(m["person"]), str(m["side"]), {str(k): str(v) for k, v in m["files"].items()})
            for site, sessions in content["sessions"].items()
            for name, m in sessions.items()
        }
        if wrong := sorted({m.side for m in members.values()} - set(SIDES)):
            raise ValueError(f"the side {wrong[0]!r}")
        return Split(dict(content["made_with"]), members)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        remedy = "Restore the file, or start anew with another --out."
        raise InputError(file, f"a damaged split ({error})", "the split that the study made", remedy) from error


def shown(file: Path, session: Session) -> str:
    """A file's name as the split keeps it: from the subject's folder on, if it lies in one."""
    parts = file.parts
    begin = next((i for i, part in enumerate(parts[:-1]) if part == person_of(session.name)), len(parts) - 1)
    return "/".join(parts[begin:])


def _as_named(shares: Shares, sessions: list[Session]) -> dict[str, Side]:
    """The sides of the people whom the plan names, by person or by session."""
    known: dict[str, set[str]] = {}
    for session in sessions:
        for name in (session.name, person_of(session.name), session.person):
            known.setdefault(name, set()).add(session.person)
    sides: dict[str, Side] = {}
    lists: tuple[tuple[str, Side, tuple[str, ...]], ...] = (
        ("train_subjects", "train", shares.train_subjects),
        ("test_subjects", "test", shares.test_subjects),
    )
    for field, side, names in lists:
        for name in names:
            if name not in known:
                raise PlanError(f"split.{field}", repr(name), "a subject of a site", nearest(name, known))
            for person in known[name]:
                if sides.setdefault(person, side) != side:
                    raise PlanError(
                        f"split.{field}",
                        f"{name}, of {person}, who is also among those to train on",
                        "all sessions of a person on one side",
                        "Take them out of one of the lists.",
                    )
    return sides


def _refuse_empty_sides(plan: StudyPlan, split: Split) -> None:
    for site in plan.sites:
        needed = ["test"] + (["train"] if site in {s for s, _ in plan.trained_at} else [])
        for side in needed:
            if not split.names(site, side):
                everybody = {m.person for (s, _), m in split.members.items() if s == site}
                raise PlanError(
                    "split",
                    f"nobody of the {len(everybody)} subjects of {site} to {side} on",
                    "one or more",
                    f"Name them in split.{side}_subjects, or change the shares.",
                )
