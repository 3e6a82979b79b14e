"""Sizes of effects between two arms on the same subjects, which do not depend on the unit of the scores."""

import numpy as np
from scipy.special import gammaln
from scipy.stats import rankdata


def hedges_g(differences: np.ndarray) -> float | None:
    """Mean difference over the differences' standard deviation (Cohen's d_z), corrected for few subjects.

    The correction is ``J = gamma(m / 2) / (sqrt(m / 2) gamma((m - 1) / 2))`` with m = n - 1 (Hedges 1981,
    doi:10.3102/10769986006002107); without it d_z is on average too large by a tenth at n = 9.

    Args:
        differences: ``[subject]``, finite.

    Returns:
        The effect, signed as the mean; None with fewer than three subjects or where all differences are the same.
    """
    if differences.size < 3 or differences.min() == differences.max():
        return None
    half = (differences.size - 1) / 2
    correction = np.exp(gammaln(half) - gammaln(half - 0.5)) / np.sqrt(half)
    return float(correction * differences.mean() / differences.std(ddof=1))


def rank_biserial(differences: np.ndarray) -> float | None:
    """Share of the signed ranks that favour the first arm minus the share that favours the second (-1 to 1).

    The matched-pairs rank-biserial correlation (Kerby 2014, doi:10.2466/11.IT.3.1): sizes of differences are ranked,
    those that are 0 left out, ties share their mean rank.

    Args:
        differences: ``[subject]``, finite.

    Returns:
        The correlation; None where all differences are 0.
    """
    moved = differences[differences != 0]
    if moved.size == 0:
        return None
    ranks = rankdata(np.abs(moved))
    return float((ranks * np.sign(moved)).sum() / ranks.sum())
