"""Scans of people with what is known of them: embeddings by any encoder, sex or age, and who is trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from qontrast.basics.errors import InputError, PlanError, nearest
from qontrast.basics.randomness import derive_seed
from qontrast.cohorts.people import People, Person, read_people
from qontrast.tasks.embed import embed, find_scans
from qontrast.tasks.loading import Loaded
from qontrast.tasks.speaking import say

Goal = Literal["sex", "age"]
SEXES = ("female", "male")


@dataclass(frozen=True)
class Seen:
    """One scan of a person whose sex or age is known.

    Args:
        person: who.
        contrast: BIDS suffix of the scan.
        path: of its file.
        embedding: float32 ``[feature]``; none where it was not asked for.
    """

    person: Person
    contrast: str
    path: Path
    embedding: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32), compare=False)

    @property
    def image(self) -> str:
        """Name of the file."""
        return self.path.name

    def truth(self, goal: Goal) -> str | float:
        """Sex, or age in years."""
        known = self.person.sex if goal == "sex" else self.person.age
        assert known is not None
        return known


def see_people(
    source: Path,
    weights: Loaded,
    out: Path,
    goal: Goal,
    *,
    table: Path | None = None,
    suffixes: tuple[str, ...] = (),
    quiet: bool = False,
) -> list[Seen]:
    """Embed every scan of a cohort (what is there already is kept) and put to it what is known of the person.

    Scans of people whose sex or age is not known, and people without a scan, are left out and counted aloud.

    Args:
        source: the cohort's folder.
        weights: of the encoder.
        out: folder of the embeddings, as of ``qontrast embed``.
        goal: what has to be known.
        table: that says who was scanned; by default looked for in ``source``.
        suffixes: BIDS suffixes of the scans; empty for all usual ones.
        quiet: print nothing.

    Raises:
        InputError: if there is no such table or column in it, no scan, or no scan of anybody of whom it is known.
    """
    known = {one.path: one for one in known_scans(source, goal, out, table=table, suffixes=suffixes, quiet=quiet)}
    summary = embed(source, weights, out, suffixes=suffixes, quiet=quiet)
    scans, lost = find_scans(source, out, suffixes)
    for path, why in summary.failed:
        if (path, why) not in lost:  # which was said
            say(f"note: {why if str(path) in why else f'{path}: {why}'}; left out", quiet=quiet)
    failed, seen = {path for path, _ in summary.failed}, []  # two scans may share a table
    for target in scans:
        if target.scan.path not in failed and target.scan.path in known:
            embedding = np.loadtxt(target.table, skiprows=1, usecols=1, dtype=np.float32, ndmin=1)
            seen.append(replace(known[target.scan.path], embedding=embedding))
    return seen


def known_scans(
    source: Path,
    goal: Goal,
    out: Path,
    *,
    table: Path | None = None,
    suffixes: tuple[str, ...] = (),
    quiet: bool = False,
) -> list[Seen]:
    """The scans of a cohort of whose people sex or age is known, without embeddings; see :func:`see_people`.

    Raises:
        InputError: if there is no such table or column in it, no scan, or no scan of anybody of whom it is known.
    """
    people = read_people(table or source, needs=(goal,))
    for note in people.notes:
        say(f"note: {note}", quiet=quiet)
    by_name, seen, scanned, unknown = people.by_subject(), [], set(), 0
    scans, lost = find_scans(source, out, suffixes)
    for path, why in lost:
        say(f"note: {path}: {why}; left out", quiet=quiet)
    for target in scans:
        person = by_name.get(target.scan.subject)
        scanned.add(target.scan.subject)
        if person is None or (person.sex if goal == "sex" else person.age) is None:
            unknown += 1
        else:
            seen.append(Seen(person, target.scan.suffix, target.scan.path))
    _say_left_out(people, scanned, unknown, goal, quiet=quiet)
    if not seen:
        found = f"{len(scanned)} people with scans, {len(people)} in the table, and {goal} known of nobody in both"
        remedy = "Compare participant_id with sub-..."
        raise InputError(people.table, found, "names that are those of the scans", remedy)
    return seen


def _say_left_out(people: People, scanned: set[str], unknown: int, goal: Goal, *, quiet: bool) -> None:
    absent = [person.subject for person in people if person.subject not in scanned]
    if absent:
        shown = ", ".join(absent[:3]) + (", ..." if len(absent) > 3 else "")
        say(f"note: {len(absent)} people of the table have no scan ({shown}); left out", quiet=quiet)
    if unknown:
        say(f"note: {unknown} scans of people whose {goal} is not known; left out", quiet=quiet)


def halves(seen: Sequence[Seen], train: Sequence[str], goal: Goal) -> list[tuple[list[str], list[str]]]:
    """One split: the named people to train on, all others to test on.

    Raises:
        PlanError: for a name without a scan or a known sex or age, or if nobody is left to test on.
    """
    known = list(dict.fromkeys(one.person.subject for one in seen))
    for name in train:
        if name not in known:
            raise PlanError("train", repr(name), f"a subject with a scan and a known {goal}", nearest(name, known))
    rest = [name for name in known if name not in train]
    if not rest:
        raise PlanError("train", f"all {len(known)} people", "some left to test on", "Or give folds instead.")
    return [(list(train), rest)]


def folds(seen: Sequence[Seen], count: int, seed: int, goal: Goal) -> list[tuple[list[str], list[str]]]:
    """Splits that test everybody once, each fold with its share of both sexes or of all ages.

    People are ordered by sex or age and dealt out in rounds; each round is shuffled by the seed.

    Raises:
        PlanError: for fewer than two folds or more than people.
    """
    people = {one.person.subject: one.truth(goal) for one in seen}
    if not 2 <= count <= len(people):
        raise PlanError("folds", f"{count}", f"2 to {len(people)}, the number of people")
    generator = np.random.default_rng(derive_seed(seed, "folds"))
    order = sorted(people, key=lambda name: (people[name], name))
    dealt: list[list[str]] = [[] for _ in range(count)]
    for start in range(0, len(order), count):
        some = order[start : start + count]
        for fold, name in zip(generator.permutation(count), some, strict=False):
            dealt[fold].append(name)
    return [([n for n in order if n not in test], test) for test in dealt if test]


def check_training(seen: Sequence[Seen], train: Sequence[str], goal: Goal) -> None:
    """Refuse training subjects from whom nothing can be learned.

    Raises:
        InputError: if a sex is absent from them, or there are fewer than two ages.
    """
    truths = {one.person.subject: one.truth(goal) for one in seen if one.person.subject in train}
    found = f"{len(truths)} training subjects"
    if goal == "sex":
        for sex in SEXES:
            if sex not in truths.values():
                raise InputError("train", f"{found}, none of them {sex}", "both sexes", "Train on more people.")
    elif len(set(truths.values())) < 2:
        raise InputError("train", f"{found} of one age", "two ages or more", "Train on more people.")
