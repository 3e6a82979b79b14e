"""Ledger rows to means over subjects."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from qontrast.basics.errors import InputError, nearest
from qontrast.results.intervals import bootstrap_mean
from qontrast.results.score_catalogue import METRICS

EMPTY_PREDICTION = "empty prediction"


def summarise(
    rows: Iterable[Mapping[str, Any]],
    by: Sequence[str] = ("arm", "contrast"),
    metrics: Sequence[str] = ("dice", "hd95_mm"),
) -> list[dict[str, Any]]:
    """Average rows first within each subject, then over subjects with an interval.

    Within a subject the mean is over all its rows of the group: classes, and seeds or runs where an arm has several.
    So a subject counts once, however often it was scored. Name ``class`` in ``by`` for one line per class.

    Args:
        rows: ledger rows.
        by: keys that make a group.
        metrics: keys to average.

    Returns:
        One dictionary per group, in order of first appearance: the keys of ``by``; ``subjects`` (how many);
        ``scores`` (how many rows); ``empty_predictions`` (how many rows with that note, all of them counted in the
        means); and for each metric an :class:`~qontrast.results.intervals.Interval`.

    Raises:
        InputError: if a row lacks a key, or a metric is no finite number.
    """
    summary = []
    for key, members in group_rows(rows, by).items():
        line: dict[str, Any] = dict(zip(by, key, strict=True))
        line["subjects"] = len({str(_field(row, "subject")) for row in members})
        line["scores"] = len(members)
        line["empty_predictions"] = sum(row.get("note") == EMPTY_PREDICTION for row in members)
        for metric in metrics:
            means = subject_means(members, metric)
            bounds = METRICS[metric].bounds if metric in METRICS else (-math.inf, math.inf)
            line[metric] = bootstrap_mean([means[subject] for subject in sorted(means)], bounds=bounds)
        summary.append(line)
    return summary


def subject_means(rows: Iterable[Mapping[str, Any]], metric: str) -> dict[str, float]:
    """The mean of ``metric`` over the rows of each subject (classes, seeds, runs), by subject.

    Raises:
        InputError: if a row lacks ``subject`` or the metric, or the metric is no number.
    """
    values: dict[str, list[float]] = {}
    for row in rows:
        values.setdefault(str(_field(row, "subject")), []).append(score_of(row, metric))
    return {subject: sum(numbers) / len(numbers) for subject, numbers in values.items()}


def score_of(row: Mapping[str, Any], metric: str) -> float:
    """The row's score; true and false count 1 and 0 where the metric is ``correct``.

    Raises:
        InputError: if the row lacks the metric, or it is no number.
    """
    value = _field(row, metric)
    if not isinstance(value, int | float) or (isinstance(value, bool) and metric != "correct"):
        raise InputError(f"ledger row {_where(row)}, {metric!r}", f"{value!r}", "a number", "Score it again.")
    return float(value)


def group_rows(rows: Iterable[Mapping[str, Any]], by: Sequence[str]) -> dict[tuple[Any, ...], list[Mapping[str, Any]]]:
    """Rows by their values of the keys ``by``, groups in order of first appearance.

    Raises:
        InputError: if a row lacks one of the keys.
    """
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(_field(row, key) for key in by), []).append(row)
    return groups


def _field(row: Mapping[str, Any], key: str) -> Any:
    if key not in row:
        raise InputError(f"ledger row {_where(row)}", f"no key {key!r}", "that key in every row", nearest(key, row))
    return row[key]


def _where(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={row[key]!r}" for key in ("run", "arm", "subject", "contrast", "class") if key in row)
