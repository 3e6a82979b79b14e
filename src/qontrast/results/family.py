"""All pairs of arms in one family of comparisons, corrected together, and the tiers that follow."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from qontrast.basics.errors import InputError
from qontrast.results.compare import Paired, paired
from qontrast.results.holm import holm
from qontrast.results.score_catalogue import METRICS
from qontrast.results.sign_flip import FLIPS
from qontrast.results.table import group_rows, score_of

Row = Mapping[str, Any]
Unit = tuple[str, ...]
Cell = tuple[str, ...]

LEVEL = 0.05
PATTERNS_EACH = 40
"""Sign patterns drawn for each comparison of a large family: the least p, corrected, is then half of the level."""
_WITHIN_SUBJECT = ("site", "contrast", "class", "session", "image")


@dataclass(frozen=True)
class Comparison:
    """Two arms in one cell.

    Args:
        cell: values of the keys that the family is divided by.
        first: the arm from which the second is taken away.
        second: the other arm.
        paired: the comparison, not corrected.
        permutation_holm: p of the permutation test, corrected over the family.
        wilcoxon_holm: p of the signed-rank test, likewise; 1 where it cannot tell.
    """

    cell: Cell
    first: str
    second: str
    paired: Paired
    permutation_holm: float
    wilcoxon_holm: float

    @property
    def significant(self) -> bool:
        """Whether the corrected permutation test calls the arms different."""
        return self.permutation_holm <= LEVEL


@dataclass(frozen=True)
class Family:
    """Comparisons that are corrected together.

    Args:
        metric: the score compared.
        within: keys of the rows whose values make the cells; arms are compared within a cell.
        comparisons: all pairs of arms in all cells.
        standings: in each cell each arm's mean over what all arms were scored on; empty where there is nothing.
        apart: pairs of arms that share no subject in a cell, in words; they are in no comparison.
    """

    metric: str
    within: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    standings: Mapping[Cell, Mapping[str, float]]
    apart: tuple[str, ...]

    @property
    def powered(self) -> bool:
        """Whether the smallest p that so few subjects allow could be significant once corrected."""
        most = max((comparison.paired.count for comparison in self.comparisons), default=1)
        return 2.0 ** (1 - most) * len(self.comparisons) <= LEVEL

    def of_cell(self, cell: Cell) -> list[Comparison]:
        """The comparisons of one cell."""
        return [comparison for comparison in self.comparisons if comparison.cell == cell]


def compare_arms(rows: Iterable[Row], metric: str, within: Sequence[str] = ("fraction",), seed: int = 0) -> Family:
    """Compare every two arms in every cell, subject by subject; Holm's correction is over all of these comparisons.

    Scores are matched by subject, site, contrast and class (and session and image where rows name them). Seeds are
    averaged within each of these, then these within the subject, which counts once. What one arm lacks is left out of
    both, and is named in ``only_first`` and ``only_second``.

    Args:
        rows: of one task, as :func:`qontrast.results.study_rows.study_rows` gives them.
        metric: key of the score.
        within: keys whose values make the cells.
        seed: of the sign patterns drawn.

    Raises:
        InputError: if the metric is unknown, or a row lacks it or a key.
    """
    if metric not in METRICS:
        raise InputError("metric", repr(metric), f"one of {', '.join(METRICS)}", "")
    found: list[tuple[Cell, str, str, Paired]] = []
    cells: dict[Cell, dict[str, dict[Unit, float]]] = {}
    standings: dict[Cell, dict[str, float]] = {}
    apart: list[str] = []
    for key, members in sorted(group_rows(rows, within).items(), key=str):
        cell = tuple(str(value) for value in key)
        by_arm = sorted(group_rows(members, ("arm",)).items())
        cells[cell] = {str(arm): unit_means(of_arm, metric) for (arm,), of_arm in by_arm}
    flips = max(FLIPS, PATTERNS_EACH * sum(math.comb(len(arms), 2) for arms in cells.values()))
    for cell, arms in cells.items():
        standings[cell] = _standings(arms)
        for first, second in combinations(arms, 2):
            compared = matched(arms[first], arms[second], seed, flips)
            if compared is None:
                apart.append(", ".join((*cell, f"{first} and {second} share no subject")))
            else:
                found.append((cell, first, second, compared))
    by_permutation = holm([compared.permutation_p for *_, compared in found])
    by_rank = holm([1.0 if c.wilcoxon_p is None else c.wilcoxon_p for *_, c in found])
    comparisons = [Comparison(*one, p, q) for one, p, q in zip(found, by_permutation, by_rank, strict=True)]
    return Family(metric, tuple(within), tuple(comparisons), standings, tuple(apart))


def rank_tiers(family: Family, cell: Cell) -> list[tuple[str, ...]] | None:
    """Arms in tiers, best first.

    The arm with the best mean opens the first tier; every arm that is not significantly different from it (corrected
    permutation test, 5 %) joins. Of those left the best opens the second tier, and so on. "Not significantly different"
    is not transitive: two arms of one tier may differ from each other, two arms of different tiers need not, and a
    noisy arm may stand in a better tier than one of a better mean.

    Returns:
        The arms of each tier, by mean; None where the arms of the cell share no score, or two of them no subject.
    """
    standing = family.standings.get(cell, {})
    comparisons = family.of_cell(cell)
    if not standing or len(comparisons) != len(standing) * (len(standing) - 1) // 2:
        return None
    differ = {frozenset((c.first, c.second)) for c in comparisons if c.significant}
    sign = -1 if METRICS[family.metric].better == "higher" else 1
    left = sorted(standing, key=lambda arm: (sign * standing[arm], arm))
    tiers = []
    while left:
        tier = tuple(arm for arm in left if frozenset((left[0], arm)) not in differ)
        tiers.append(tier)
        left = [arm for arm in left if arm not in tier]
    return tiers


def unit_means(rows: Iterable[Row], metric: str) -> dict[Unit, float]:
    """The mean over seeds of each subject's score in each site, contrast, class, session and image.

    Raises:
        InputError: if a row lacks the metric, or it is no number.
    """
    values: dict[Unit, list[float]] = {}
    for row in rows:
        values.setdefault(unit_of(row), []).append(score_of(row, metric))
    return {unit: math.fsum(numbers) / len(numbers) for unit, numbers in values.items()}


def unit_of(row: Row) -> Unit:
    """Subject, site, contrast, class, session and image of a row."""
    return (str(row["subject"]), *(str(row.get(key) or "") for key in _WITHIN_SUBJECT))


def means_by_subject(units: Mapping[Unit, float]) -> dict[str, float]:
    """The mean over the units of each subject, by name: what follows must not hang on the order of rows."""
    values: dict[str, list[float]] = {}
    for unit, value in units.items():
        values.setdefault(unit[0], []).append(value)
    return {subject: math.fsum(numbers) / len(numbers) for subject, numbers in sorted(values.items())}


def lacking(units: Iterable[Unit], others: Iterable[Unit]) -> tuple[str, ...]:
    """Subjects of ``units`` that ``others`` lack, or what of a subject they lack, in words."""
    there = set(others)
    known = {unit[0] for unit in there}
    names: dict[str, list[str]] = {}
    for unit in sorted(set(units) - there):
        names.setdefault(unit[0], []).append(" ".join(part for part in unit[1:] if part))
    return tuple(f"{who} ({'; '.join(what)})" if who in known else who for who, what in names.items())


def matched(a: Mapping[Unit, float], b: Mapping[Unit, float], seed: int = 0, flips: int = FLIPS) -> Paired | None:
    """Two arms by what both were scored on; None where that is nothing. See :func:`compare_arms`."""
    shared = a.keys() & b.keys()
    if not shared:
        return None
    first, second = (means_by_subject({unit: one[unit] for unit in sorted(shared)}) for one in (a, b))
    return replace(paired(first, second, seed, flips), only_first=lacking(a, b), only_second=lacking(b, a))


def _standings(arms: Mapping[str, Mapping[Unit, float]]) -> dict[str, float]:
    shared = sorted(set.intersection(*(set(units) for units in arms.values())))
    if not shared:
        return {}
    means = {arm: means_by_subject({unit: units[unit] for unit in shared}) for arm, units in arms.items()}
    return {arm: math.fsum(values.values()) / len(values) for arm, values in means.items()}
