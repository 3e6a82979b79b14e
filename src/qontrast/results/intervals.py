"""How sure a mean over subjects is: bootstrap intervals."""

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import bootstrap

from qontrast.basics.errors import InputError

RESAMPLES = 9999
_NUMBERS_AT_ONCE = 2_000_000

Method = Literal["BCa", "percentile"]


@dataclass(frozen=True)
class Interval:
    """A mean over subjects with its confidence interval, in the unit of the values.

    Args:
        mean: the mean.
        low: lower end; None where one subject allows no interval.
        high: upper end; None where one subject allows no interval.
        count: number of subjects.
    """

    mean: float
    low: float | None
    high: float | None
    count: int


def bootstrap_mean(values: Iterable[float], seed: int = 0, confidence: float = 0.95) -> Interval:
    """Mean and bootstrap interval over subjects, one value each.

    Bias-corrected and accelerated (BCa; Efron 1987, doi:10.1080/01621459.1987.10478410), or the percentile interval
    where BCa is degenerate. With few subjects every bootstrap interval is somewhat too narrow.

    Args:
        values: one number per subject.
        seed: seed of the resampling; the same seed and values give the same interval.
        confidence: coverage aimed at, between 0 and 1.

    Returns:
        The interval; its ends are None for a single value, and equal the mean where all values are the same.

    Raises:
        InputError: if there are no values, one is not finite, or the confidence is not between 0 and 1.
    """
    sample = np.array([float(v) for v in values], dtype=np.float64)
    if sample.size == 0:
        raise InputError("values", "none", "at least one subject", "Score a subject before asking for a mean.")
    if not np.isfinite(sample).all():
        raise InputError("values", f"{sample.tolist()}", "finite numbers", "Score empty predictions, don't drop them.")
    if not 0 < confidence < 1:
        raise InputError("confidence", f"{confidence}", "a number between 0 and 1", "Use 0.95 for 95 %.")
    if sample.min() == sample.max():
        same = float(sample[0])
        end = None if sample.size == 1 else same
        return Interval(same, end, end, sample.size)
    mean = math.fsum(sample) / sample.size
    low, high = _resample(sample, seed, confidence, "BCa")
    if not (math.isfinite(low) and math.isfinite(high)):
        low, high = _resample(sample, seed, confidence, "percentile")
    return Interval(mean, low, high, sample.size)


def _resample(sample: np.ndarray, seed: int, confidence: float, method: Method) -> tuple[float, float]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # a degenerate BCa announces itself by NaN, which the caller looks for
        found = bootstrap(
            (sample,),
            np.mean,
            n_resamples=RESAMPLES,
            batch=max(1, _NUMBERS_AT_ONCE // sample.size),
            confidence_level=confidence,
            method=method,
            random_state=np.random.default_rng(seed),
        ).confidence_interval
    return float(found.low), float(found.high)
