"""The table of a study in the method's layout: a line per site and contrast, a column per fraction and arm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qontrast.basics.errors import InputError
from qontrast.results.family import Family, compare_arms, lacking, means_by_subject, rank_tiers, unit_means, unit_of
from qontrast.results.intervals import Interval, bootstrap_mean
from qontrast.results.score_catalogue import EMPTY_COUNTED, METRICS
from qontrast.results.study_rows import fractions_of
from qontrast.results.table import EMPTY_PREDICTION, group_rows

Row = Mapping[str, Any]
Place = tuple[str, str]

ALL = "all"
EVERYWHERE: Place = (ALL, ALL)
_CELL = ("site", "contrast", "fraction")


@dataclass(frozen=True)
class Score:
    """One cell of the table.

    Args:
        interval: mean over subjects with its interval.
        best: whether no arm has a better mean in this line and fraction.
        tier: rank of the arm's tier among the arms of this line and fraction, 1 is the best; None where there is none.
        empty: number of empty predictions, all of them counted in the mean.
        scores: number of rows in the mean.
    """

    interval: Interval
    best: bool
    tier: int | None
    empty: int
    scores: int


@dataclass(frozen=True)
class StudyTable:
    """Scores of one task in one metric.

    Args:
        task: the task.
        metric: key of the score.
        places: site and contrast of each line; the last is all of them together where there are several.
        fractions: fractions of the labels, fewest first.
        arms: the arms, in the order of columns.
        scores: by place, fraction and arm; what was not scored is not there.
        notes: how the marks were made, and what was not scored.
        inside: comparisons inside of each site and contrast; cells are site, contrast and fraction.
        across: comparisons over all of them; cells are fractions.
    """

    task: str
    metric: str
    places: tuple[Place, ...]
    fractions: tuple[str, ...]
    arms: tuple[str, ...]
    scores: Mapping[tuple[Place, str, str], Score]
    notes: tuple[str, ...]
    inside: Family
    across: Family

    def empty(self, fraction: str, arm: str) -> tuple[int, int]:
        """Empty predictions in a column, and the number of its scores."""
        places = [place for place in self.places if place != EVERYWHERE] or list(self.places)
        found = [self.scores[place, fraction, arm] for place in places if (place, fraction, arm) in self.scores]
        return sum(score.empty for score in found), sum(score.scores for score in found)


def study_table(rows: Sequence[Row], metric: str, *, task: str | None = None, arms: Sequence[str] = ()) -> StudyTable:
    """Make the table of a task.

    Args:
        rows: as :func:`qontrast.results.study_rows.study_rows` gives them.
        metric: key of the score.
        task: which; None where the rows hold one task.
        arms: their order; those not named follow in alphabetical order.

    Raises:
        InputError: if there is no such task, or a row lacks the metric.
    """
    tasks = sorted({row["task"] for row in rows})
    if (task is None and len(tasks) != 1) or (task is not None and task not in tasks):
        raise InputError("task", f"{task!r}", f"one of {', '.join(tasks) or 'none'}", "Name the task of the table.")
    rows = [row for row in rows if row["task"] == (task or tasks[0])]
    by_place = {(str(site), str(contrast)): found for (site, contrast), found in group_rows(rows, _CELL[:2]).items()}
    places = [*sorted(by_place), *([EVERYWHERE] if len(by_place) > 1 else [])]
    inside, across = compare_arms(rows, metric, _CELL), compare_arms(rows, metric, ("fraction",))
    scores: dict[tuple[Place, str, str], Score] = {}
    for place in places:
        members = by_place.get(place, rows)
        for (fraction,), of_fraction in group_rows(members, ("fraction",)).items():
            family, cell = (across, (fraction,)) if place == EVERYWHERE else (inside, (*place, fraction))
            found = _line(of_fraction, metric, rank_tiers(family, cell) or [])
            scores |= {(place, fraction, arm): score for arm, score in found.items()}
    return StudyTable(
        task=task or tasks[0],
        metric=metric,
        places=tuple(places),
        fractions=tuple(fractions_of(rows)),
        arms=tuple(arms_in_order(rows, arms)),
        scores=scores,
        notes=(
            *_marks(metric, inside, across, EVERYWHERE in places),
            *missing_scores(rows),
            *travelling_subjects(rows),
            *uneven_seeds(rows),
        ),
        inside=inside,
        across=across,
    )


def arms_in_order(rows: Sequence[Row], arms: Sequence[str] = ()) -> list[str]:
    """The arms of the rows: those named first, in that order (with their schedules), then the others by name."""
    there = sorted({str(row["arm"]) for row in rows})

    def place(arm: str) -> int:
        plain = arm if arm in arms else arm.split(", ")[0]
        return list(arms).index(plain) if plain in arms else len(arms)

    return sorted(there, key=place)


def missing_scores(rows: Sequence[Row]) -> list[str]:
    """What an arm lacks of what another was scored on, cell by cell, in words."""
    said: dict[str, list[str]] = {}
    arms = sorted({str(row["arm"]) for row in rows})
    rank = {fraction: number for number, fraction in enumerate(fractions_of(rows))}
    cells = group_rows(rows, _CELL)
    for site, contrast, fraction in sorted(cells, key=lambda cell: (cell[0], cell[1], rank[cell[2]])):
        members = cells[site, contrast, fraction]
        everything = {unit_of(row) for row in members}
        for arm in arms:
            own = {unit_of(row) for row in members if row["arm"] == arm}
            names = lacking(everything, own)
            who = ", ".join(names) if own else f"none of {len(names)} subjects"
            if names:
                said.setdefault(f"{arm}, {site}, {contrast}: {who}", []).append(fraction)
    return [f"Not scored: {what} ({', '.join(fractions)})." for what, fractions in said.items()]


def travelling_subjects(rows: Sequence[Row]) -> list[str]:
    """Subjects that were scanned at several sites, in words: each counts once where sites are taken together."""
    sites: dict[str, set[str]] = {}
    for row in rows:
        sites.setdefault(str(row["subject"]), set()).add(str(row["site"]))
    several = sorted(subject for subject, found in sites.items() if len(found) > 1)
    if not several:
        return []
    shown = ", ".join(several[:5]) + (" and others" if len(several) > 5 else "")
    return [f"Scored at several sites: {len(several)} of {len(sites)} subjects ({shown}). Each counts once."]


def uneven_seeds(rows: Sequence[Row]) -> list[str]:
    """Fractions whose arms have different numbers of seeds, in words."""
    said = []
    for (fraction,), members in sorted(group_rows(rows, ("fraction",)).items()):
        seeds = {
            str(arm): len({str(row.get("seed")) for row in found})
            for (arm,), found in sorted(group_rows(members, ("arm",)).items())
        }
        if len(set(seeds.values())) > 1:
            counts = ", ".join(f"{arm} {count}" for arm, count in seeds.items())
            said.append(f"Seeds differ, {fraction}: {counts}. An arm of fewer seeds varies more by chance.")
    return said


def _line(rows: Sequence[Row], metric: str, tiers: Sequence[Sequence[str]]) -> dict[str, Score]:
    """The scores of one place and fraction by arm."""
    of_arm = {str(arm): members for (arm,), members in group_rows(rows, ("arm",)).items()}
    rank = {arm: number for number, tier in enumerate(tiers, 1) for arm in tier}
    means = {
        arm: bootstrap_mean(means_by_subject(unit_means(found, metric)).values(), bounds=METRICS[metric].bounds)
        for arm, found in of_arm.items()
    }
    pick = max if METRICS[metric].better == "higher" else min
    top = pick(interval.mean for interval in means.values())
    return {
        arm: Score(
            interval=means[arm],
            best=means[arm].mean == top,
            tier=rank.get(arm),
            empty=sum(row.get("note") == EMPTY_PREDICTION for row in found),
            scores=len(found),
        )
        for arm, found in of_arm.items()
    }


def _marks(metric: str, inside: Family, across: Family, several: bool) -> list[str]:
    """What bold and the marks mean, and over how many comparisons they were corrected."""
    words = [
        f"{METRICS[metric].name}: mean over subjects [95 % interval], {METRICS[metric].better} is better. "
        "Bold: the best mean of its line and fraction."
    ]
    if inside.comparisons:
        words.append(
            "\u2248: not told from the best (permutation test over subjects, Holm's correction over the "
            f"{len(inside.comparisons)} comparisons inside of the sites and contrasts, 5 %)."
        )
        if not inside.powered:
            words.append("So few subjects could not have told any arms apart inside of a site and contrast.")
    if several and across.comparisons:
        words.append(
            f"The last line holds all sites and contrasts, each subject once; its {len(across.comparisons)} "
            "comparisons are corrected as a family of their own."
        )
    if metric in EMPTY_COUNTED:
        words.append(
            "Empty predictions count with Dice 0 and the image's diagonal as HD95; none is left out. "
            "Nothing to find and nothing found is a Dice of 1."
        )
    return words
