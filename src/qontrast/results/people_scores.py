"""What predictions of sex and age are worth: scores over subjects with bootstrap intervals."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from qontrast.basics.errors import InputError
from qontrast.results.intervals import Interval, bootstrap_mean

RESAMPLES = 2000
Row = Mapping[str, Any]
Score = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Of truth ``[subject]``, prediction ``[subject]`` and how often each subject counts, ``[resample, subject]``."""


def balanced_accuracy(truth: np.ndarray, positive: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean over both classes of the share that is told rightly; a constant answer has 0.5.

    Args:
        truth: 0 or 1, ``[subject]``.
        positive: probability of 1; above 0.5 it is told, at 0.5 half of it.
        counts: how often each subject counts, ``[resample, subject]``.
    """
    told = np.where(positive == 0.5, 0.5, positive > 0.5)
    right = np.where(truth == 1, told, 1 - told)
    shares = [(counts[:, truth == c] @ right[truth == c]) / counts[:, truth == c].sum(axis=1) for c in (0, 1)]
    return (shares[0] + shares[1]) / 2


def area_under_curve(truth: np.ndarray, positive: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Probability that a random subject of class 1 has a higher value than one of class 0; equal ones count half.

    Hanley and McNeil 1982 (doi:10.1148/radiology.143.1.7063747), pair by pair. A constant answer has 0.5.
    """
    ones, zeros = truth == 1, truth == 0
    above = np.sign(positive[ones][:, None] - positive[zeros][None]) / 2 + 0.5
    pairs = counts[:, ones].sum(axis=1) * counts[:, zeros].sum(axis=1)
    return np.einsum("ri,ri->r", counts[:, ones] @ above, counts[:, zeros]) / pairs


def explained(truth: np.ndarray, predicted: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """R^2 = 1 - sum (y - p)^2 / sum (y - mean y)^2: 0 for the mean of these very subjects, below 0 for worse."""
    return 1 - counts @ (truth - predicted) ** 2 / _spread(truth, truth, counts)


def correlation(truth: np.ndarray, predicted: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Pearson's; 0 for a constant prediction, which tells nothing."""
    if np.ptp(predicted) == 0:
        return np.zeros(len(counts))
    both = _spread(truth, predicted, counts)
    return both / np.sqrt(_spread(truth, truth, counts) * _spread(predicted, predicted, counts))


def _spread(a: np.ndarray, b: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Sum of products of deviations from the means."""
    a, b, total = a - a.mean(), b - b.mean(), counts.sum(axis=1)
    return counts @ (a * b) - (counts @ a) * (counts @ b) / total


def score_people(rows: Iterable[Row], seed: int = 0) -> dict[str, Interval]:
    """Scores of one target over subjects, each with its 95 % interval.

    Of a subject with several rows (scans, seeds) the predictions are averaged first, so that each subject counts once.

    Args:
        rows: of the ledger: ``target``, ``subject``, ``truth``, and ``probability_male`` or ``predicted``.
        seed: of the resampling.

    Returns:
        For sex ``balanced_accuracy`` and ``auc``, where both sexes are among the subjects, else the share that is right
        as ``accuracy``; for age ``mean_absolute_error`` (years), and ``r2`` and ``correlation`` where ages differ. The
        interval is :func:`bootstrap_mean`'s for a mean; for the others percentiles of 2000 resamples of the subjects,
        of each sex apart for sex. ``mean`` of an interval is the score itself.

    Raises:
        InputError: if there are no rows, or rows of several targets.
    """
    rows = list(rows)
    targets = {str(row["target"]) for row in rows}
    if len(targets) != 1:
        raise InputError("rows", f"{sorted(targets) or 'none'}", "rows of one target, sex or age")
    if targets == {"sex"}:
        truth, positive = _by_subject(rows, lambda row: row["truth"] == "male", "probability_male")
        if len(np.unique(truth)) < 2:
            right = (positive > 0.5) == (truth == 1)
            return {"accuracy": bootstrap_mean(right.astype(float), seed)}
        strata = [np.flatnonzero(truth == sex) for sex in (0, 1)]
        return {
            "balanced_accuracy": _interval(truth, positive, balanced_accuracy, strata, seed),
            "auc": _interval(truth, positive, area_under_curve, strata, seed),
        }
    truth, predicted = _by_subject(rows, lambda row: row["truth"], "predicted")
    found = {"mean_absolute_error": bootstrap_mean(np.abs(truth - predicted), seed)}
    if np.ptp(truth) > 0:
        every = [np.arange(len(truth))]
        found["r2"] = _interval(truth, predicted, explained, every, seed)
        found["correlation"] = _interval(truth, predicted, correlation, every, seed)
    return found


def _by_subject(rows: list[Row], truth: Callable[[Row], Any], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Truth and mean prediction of each subject."""
    truths: dict[str, float] = {}
    predicted: dict[str, list[float]] = {}
    for row in rows:
        truths[str(row["subject"])] = float(truth(row))
        predicted.setdefault(str(row["subject"]), []).append(float(row[key]))
    return np.array(list(truths.values())), np.array([np.mean(predicted[subject]) for subject in truths])


def _interval(
    truth: np.ndarray, predicted: np.ndarray, score: Score, strata: Sequence[np.ndarray], seed: int
) -> Interval:
    generator, counts = np.random.default_rng(seed), np.zeros((RESAMPLES, len(truth)))
    for stratum in strata:
        counts[:, stratum] = generator.multinomial(len(stratum), np.full(len(stratum), 1 / len(stratum)), RESAMPLES)
    with np.errstate(all="ignore"):  # a resample of one subject alone has no spread, and no score
        scores = score(truth, predicted, counts)
    low, high = np.quantile(scores[np.isfinite(scores)], [0.025, 0.975])
    return Interval(float(score(truth, predicted, np.ones((1, len(truth))))[0]), float(low), float(high), len(truth))
