"""A study's numbers as tables of the page: the layout, tiers, comparisons, empty predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qontrast.report.dots import Lane
from qontrast.report.tables import Cell, Table, interval_cell, subjects_cell
from qontrast.results.compare import FEWEST_PAIRS
from qontrast.results.family import Comparison, Family, means_by_subject, rank_tiers, unit_means
from qontrast.results.intervals import bootstrap_mean
from qontrast.results.score_catalogue import EMPTY_COUNTED, METRICS
from qontrast.results.study_rows import fractions_of
from qontrast.results.study_table import EVERYWHERE, Score, StudyTable
from qontrast.results.table import EMPTY_PREDICTION, group_rows
from qontrast.results.table_text import ALIKE, alike, empty_words, score_words

Row = Mapping[str, Any]


@dataclass(frozen=True)
class LayoutCell:
    """A score in the layout: its mean, whether it is best, its mark, and quieter lines below."""

    text: str
    best: bool = False
    mark: str = ""
    more: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """The layout as the page shows it.

    Args:
        title: its heading.
        groups: fractions.
        columns: arms within each fraction.
        body: site, contrast and cells of each line.
        notes: what the marks mean, and what was not scored.
    """

    title: str
    groups: tuple[str, ...]
    columns: tuple[str, ...]
    body: tuple[tuple[str, str, tuple[LayoutCell, ...]], ...]
    notes: tuple[str, ...]


def layout(table: StudyTable) -> Layout:
    """The study's table for the page; its last line counts empty predictions."""
    columns = [(fraction, arm) for fraction in table.fractions for arm in table.arms]
    body = [
        (*_named(place), tuple(_layout_cell(table, table.scores.get((place, *column))) for column in columns))
        for place in table.places
    ]
    if counts_empty(table):
        body.append(("Empty predictions", "", tuple(LayoutCell(empty_words(table, *column)) for column in columns)))
    title = f"{METRICS[table.metric].name} by site and contrast"
    return Layout(title, table.fractions, table.arms, tuple(body), table.notes)


def counts_empty(table: StudyTable) -> bool:
    """Whether predictions of this table's metric may be empty."""
    return table.metric in EMPTY_COUNTED


def tier_table(family: Family, fractions: Sequence[str]) -> Table | None:
    """Arms in tiers, one line per fraction; None where there is but one arm."""
    if not family.comparisons:
        return None
    decimals = METRICS[family.metric].decimals
    tiers = {fraction: rank_tiers(family, (fraction,)) for fraction in fractions}
    most = max((len(found) for found in tiers.values() if found), default=1)
    body = []
    for fraction, found in tiers.items():
        standing = family.standings.get((fraction,), {})
        cells: list[Cell] = [
            (", ".join(f"{arm} {standing[arm]:.{decimals}f}" for arm in tier), "") for tier in found or ()
        ]
        cells += [("", "")] * (most - len(cells)) if found else [("none: the arms share too little", "")]
        body.append(((fraction, ""), *cells, *[("", "")] * (most - len(cells))))
    head = ("Labels", *(f"Tier {n}" for n in range(1, most + 1)))
    return Table(f"{METRICS[family.metric].name}: tiers of arms", head, tuple(body), len(head), TIER_READING)


def comparison_table(family: Family, order: Sequence[str], title: str) -> Table | None:
    """Every comparison of the family, cells in the order given; None where there is none."""
    if not family.comparisons:
        return None
    rank = {fraction: number for number, fraction in enumerate(order)}
    comparisons = sorted(family.comparisons, key=lambda c: (c.cell[:-1], rank.get(c.cell[-1], 0)))
    decimals = METRICS[family.metric].decimals
    body = [
        (
            (", ".join(compared.cell), ""),
            (f"{compared.first} minus {compared.second}", ""),
            (verdict(family.metric, compared), ""),
            interval_cell(compared.paired.difference, decimals, signed=True),
            (p_words(compared.permutation_holm), f"alone {p_words(compared.paired.permutation_p)}"),
            _rank_cell(compared),
            (_effect(compared.paired.effect), ""),
            (_effect(compared.paired.rank_biserial), ""),
            subjects_cell(compared.paired),
        )
        for compared in comparisons
    ]
    head = ("Labels", "Arms", "Verdict", "Difference", "p", "p, rank test", "Effect", "Rank-biserial", "Subjects")
    apart = "".join(f" Not compared: {pair}." for pair in family.apart)
    reading = f"{COMPARISON_READING} This family holds {len(comparisons)} comparisons.{apart}"
    return Table(title, head, tuple(body), 3, reading)


def verdict(metric: str, compared: Comparison) -> str:
    """Which arm is better, or that they were not told apart."""
    if not compared.significant:
        return "not told apart"
    ahead = (compared.paired.difference.mean > 0) == (METRICS[metric].better == "higher")
    return f"{compared.first if ahead else compared.second} better"


def empty_table(rows: Sequence[Row], arms: Sequence[str]) -> Table:
    """Empty predictions of each arm and class by fraction."""
    fractions = fractions_of(rows)
    by = group_rows(rows, ("arm", "class", "fraction"))
    kinds = sorted({str(row["class"]) for row in rows})

    def cell(arm: str, kind: str, fraction: str) -> Cell:
        found = by.get((arm, kind, fraction), [])
        return (str(sum(row.get("note") == EMPTY_PREDICTION for row in found)), f"of {len(found)}")

    body = [
        ((arm, ""), (kind or "all", ""), *(cell(arm, kind, fraction) for fraction in fractions))
        for arm in arms
        for kind in kinds
    ]
    return Table("Empty predictions", ("Arm", "Class", *fractions), tuple(body), 2, EMPTY_READING)


def site_lanes(rows: Sequence[Row], metric: str, arms: Sequence[str]) -> list[Lane]:
    """Per site and arm one value per subject, and their mean."""
    found = {(str(s), str(a)): members for (s, a), members in group_rows(rows, ("site", "arm")).items()}
    lanes = []
    for site in sorted({site for site, _ in found}):
        for arm in (arm for arm in arms if (site, arm) in found):
            values = tuple(means_by_subject(unit_means(found[site, arm], metric)).values())
            lanes.append(Lane(site, arm, values, bootstrap_mean(values, bounds=METRICS[metric].bounds)))
    return lanes


def p_words(p: float) -> str:
    """A p value in two digits."""
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def _named(place: tuple[str, str]) -> tuple[str, str]:
    return ("all sites", "all contrasts") if place == EVERYWHERE else place


def _layout_cell(table: StudyTable, score: Score | None) -> LayoutCell:
    if score is None:
        return LayoutCell("not scored")
    mean, ends = score_words(table, score)
    empty = f"{score.empty} empty" if score.empty else ""
    return LayoutCell(
        mean, score.best, ALIKE if alike(score) else "", tuple(part for part in (ends or "no interval", empty) if part)
    )


def _rank_cell(compared: Comparison) -> Cell:
    alone = compared.paired.wilcoxon_p
    if alone is None:
        return "none", f"fewer than {FEWEST_PAIRS} pairs differ"
    return p_words(compared.wilcoxon_holm), f"alone {p_words(alone)}"


def _effect(value: float | None) -> str:
    return "none" if value is None else f"{value:+.2f}".replace("-", "\u2212")


TIER_READING = (
    "The arm with the best mean opens tier 1; every arm that the corrected permutation test does not tell from it "
    "joins. The best of the others opens tier 2, and so on. Read a tier as: not shown to be worse than its first arm. "
    "It does not say that its arms are equal. Two arms of one tier may differ from each other, two of different tiers "
    "may not, and an arm that varies much may stand in a better tier than one with a better mean. With few subjects "
    "all arms share one tier."
)
COMPARISON_READING = (
    "Each subject is compared with itself: first arm minus second, seeds averaged before. Large is the mean "
    "difference, small its 95 % interval: what the permutation test does not refuse, not corrected. p is that of the "
    "permutation test of the mean (all or 9,999 ways of exchanging the two arms within subjects), corrected after Holm "
    "over the whole family; at most 0.05 the arms differ. The Wilcoxon signed-rank test stands beside it, corrected "
    "likewise. Effect is the mean difference over the differences' deviation (Cohen's d_z with Hedges' correction; 0.2 "
    "is small, 0.8 large), rank-biserial the share of evidence for the first arm minus that for the second, from "
    "\u22121 to 1. Subjects that one arm lacks are named and are in none of the numbers."
)
EMPTY_READING = (
    "Predictions in which a class that is there was not found at all. They count in all means, with Dice 0 and the "
    "image's diagonal as HD95. Nothing to find and nothing found is a Dice of 1; a class found where there is none is "
    "0."
)
