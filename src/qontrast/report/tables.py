"""The ledger as tables and dots: means with intervals, and arms compared on the same subjects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from qontrast.basics.errors import InputError
from qontrast.report.dots import Lane
from qontrast.results.compare import FEWEST_PAIRS, Paired
from qontrast.results.family import matched, unit_means
from qontrast.results.intervals import Interval
from qontrast.results.ledger import read_rows
from qontrast.results.score_catalogue import EMPTY_COUNTED
from qontrast.results.score_catalogue import METRICS as CATALOGUE
from qontrast.results.table import group_rows, subject_means, summarise

Row = Mapping[str, Any]
Cell = tuple[str, str]
"""What a cell says, and a quieter second part."""

METRICS = {key: (CATALOGUE[key].name, CATALOGUE[key].better, CATALOGUE[key].decimals) for key in EMPTY_COUNTED}
"""Metric to its name, which way is better, and decimals shown."""


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Args:
        title: its heading.
        head: names of the columns.
        body: rows of cells.
        words: number of leading columns that hold words; the rest hold numbers.
        reading: how to read it.
    """

    title: str
    head: tuple[str, ...]
    body: tuple[tuple[Cell, ...], ...]
    words: int
    reading: str


APART = {
    "task": "task",
    "schedule": "schedule",
    "fraction": "labels",
    "train_subjects": "training subjects",
    "data": "data",
    "snr": "SNR",
    "trained_on": "trained on these heads",
}


def read_scores(path: Path) -> list[Row]:
    """Rows of a ledger, arms told apart by what else differs between their experiments.

    Raises:
        InputError: if the ledger is missing, garbled or empty, or a row lacks arm, contrast, class or subject.
    """
    rows: list[Row] = list(read_rows(path))
    if not rows:
        raise InputError(path, "no rows", "at least one score", "Run evaluate to fill the ledger.")
    wanted = ("arm", "subject", "contrast", "class", *METRICS)
    for row in rows:
        lacking = [key for key in wanted if key not in row]
        if lacking:
            raise InputError(path, f"a row without {', '.join(lacking)}: {dict(row)}", f"{', '.join(wanted)}", "")
    # Rows of different experiments are never averaged: what varies between them becomes a part of the arm's name.
    for key, name in APART.items():
        if len({str(row.get(key)) for row in rows}) > 1:
            rows = [{**row, "arm": f"{row['arm']}, {name}: {row.get(key)}"} for row in rows]
    return rows


def score_table(rows: Sequence[Row], *, per_class: bool = False) -> Table:
    """Mean and interval of every metric per arm and contrast, or per arm, contrast and class."""
    by = ("arm", "contrast", "class") if per_class else ("arm", "contrast")
    seeds = {key: len({str(row.get("seed")) for row in members}) for key, members in group_rows(rows, by).items()}
    body = []
    for line in summarise(rows, by, tuple(METRICS)):
        key = tuple(line[k] for k in by)
        body.append(
            (
                *((str(value), "") for value in key),
                *(interval_cell(line[metric], decimals) for metric, (_, _, decimals) in METRICS.items()),
                (str(line["subjects"]), ""),
                (str(seeds[key]), ""),
                (str(line["empty_predictions"]), f"of {line['scores']}"),
            )
        )
    head = tuple(k.capitalize() for k in by) + tuple(name for name, _, _ in METRICS.values())
    return Table(
        title="Means per arm, contrast and class" if per_class else "Means per arm and contrast",
        head=(*head, "Subjects", "Seeds", "Empty predictions"),
        body=tuple(body),
        words=len(by),
        reading=_CLASS_READING if per_class else _SCORE_READING,
    )


def paired_table(rows: Sequence[Row]) -> Table | None:
    """Every two arms by the images and classes that both were scored on in a contrast; None where no two share any."""
    body = []
    for contrast, members in _by_contrast(rows).items():
        by_arm = group_rows(members, ("arm",)).items()
        arms = {str(arm): [unit_means(found, metric) for metric in METRICS] for (arm,), found in by_arm}
        for first, second in combinations(arms, 2):
            both = zip(arms[first], arms[second], strict=True)
            compared = [found for one, other in both if (found := matched(one, other)) is not None]
            if not compared:
                continue
            cells: list[Cell] = []
            for found, (_, _, decimals) in zip(compared, METRICS.values(), strict=True):
                cells += [interval_cell(found.difference, decimals, signed=True), p_cell(found)]
            body.append(((contrast, ""), (f"{first} minus {second}", ""), *cells, subjects_cell(compared[0])))
    if not body:
        return None
    columns = [column for name, _, _ in METRICS.values() for column in (f"{name} difference", "p")]
    return Table("Paired differences", ("Contrast", "Arms", *columns, "Subjects"), tuple(body), 2, _PAIRED_READING)


def score_lanes(rows: Sequence[Row], metric: str) -> list[Lane]:
    """Per contrast and arm, one value per subject and the mean over them."""
    means = {(line["contrast"], line["arm"]): line[metric] for line in summarise(rows, metrics=(metric,))}
    return [
        Lane(contrast, str(arm), tuple(subject_means(found, metric).values()), means[found[0]["contrast"], arm])
        for contrast, members in _by_contrast(rows).items()
        for (arm,), found in group_rows(members, ("arm",)).items()
    ]


def interval_cell(interval: Interval, decimals: int, *, signed: bool = False) -> Cell:
    """``0.812`` and ``0.790 to 0.831``; a plus or minus sign where ``signed``."""

    def number(value: float) -> str:
        text = f"{value:{'+' if signed else ''}.{decimals}f}"
        return text.replace("-", "\u2212")

    if interval.low is None or interval.high is None:
        return number(interval.mean), "too few subjects for an interval"
    return number(interval.mean), f"{number(interval.low)} to {number(interval.high)}"


def p_cell(compared: Paired) -> Cell:
    """The p value in two digits, or why there is none."""
    p = compared.wilcoxon_p
    if p is None:
        return "none", f"fewer than {FEWEST_PAIRS} pairs differ"
    return ("< 0.001" if p < 0.001 else f"{p:.2g}"), ""


def subjects_cell(compared: Paired) -> Cell:
    """How many subjects were compared, and the names of those that one arm lacks."""
    alone = sorted((*compared.only_first, *compared.only_second))
    return str(compared.count), f"in one arm only: {', '.join(alone)}" if alone else ""


def _by_contrast(rows: Sequence[Row]) -> dict[str, list[Row]]:
    return {str(contrast): members for (contrast,), members in group_rows(rows, ("contrast",)).items()}


_SCORE_READING = (
    "Each line is one way of training (arm) tested on one contrast. The large number is the mean over subjects, each "
    "counted once; the small ones are its 95 % interval, from a studentised bootstrap over subjects. With few subjects "
    "intervals are wide: trust the order of two arms only where the paired differences support it. Dice is the overlap "
    "with the truth (1 is perfect). HD95 is how far apart the outlines lie, leaving out the farthest 5 %. A class that "
    "was not found at all (an empty prediction) counts with Dice 0 and the image's diagonal as HD95, and is never left "
    "out."
)
_CLASS_READING = (
    "The same scores for each class on its own. Small classes score a lower Dice at the same distance, since a shift "
    "of one voxel costs them a larger share of their overlap."
)
_PAIRED_READING = (
    "Both arms saw the same subjects, so each subject is compared with itself: first arm minus second. A positive Dice "
    "difference, or a negative HD95 difference, favours the first arm. The interval is what a permutation test of the "
    "mean does not refuse; one that contains 0 means that these subjects cannot tell which is better. p is that of the "
    "Wilcoxon signed-rank test and is not corrected for the number of comparisons in this table: of twenty comparisons "
    "without any true difference, about one falls below 0.05."
)
