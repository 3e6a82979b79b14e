"""Two arms on the same subjects: the mean difference, how large it is, and whether it could be chance."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import wilcoxon

from qontrast.basics.errors import InputError
from qontrast.results.effects import hedges_g, rank_biserial
from qontrast.results.intervals import Interval, finite_sample
from qontrast.results.sign_flip import FLIPS, sign_flip_interval, sign_flip_p

FEWEST_PAIRS = 6
"""With five pairs the smallest two-sided p of either test is 2 / 2**5 = 0.0625; with six it is 0.031."""


@dataclass(frozen=True)
class Paired:
    """First minus second arm over the subjects they share. No p is corrected for other comparisons.

    Args:
        difference: mean difference in the unit of the values; its interval holds what the permutation test does not
            refuse, and has no ends with fewer than six subjects.
        wilcoxon_p: two-sided p of the signed-rank test; None where it cannot tell.
        count: number of subjects shared.
        permutation_p: two-sided p of the sign-flip permutation test of the mean.
        effect: d_z with Hedges' correction; None where it is not defined.
        rank_biserial: matched-pairs rank-biserial correlation; None where all differences are 0.
        only_first: subjects that only the first arm has, which are not in any of the numbers.
        only_second: likewise of the second arm.
    """

    difference: Interval
    wilcoxon_p: float | None
    count: int
    permutation_p: float
    effect: float | None
    rank_biserial: float | None
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]


def paired(a: Mapping[str, float], b: Mapping[str, float], seed: int = 0, flips: int = FLIPS) -> Paired:
    """Compare two arms subject by subject: ``a - b`` over the keys they share; the others are named.

    Args:
        a: value of each subject in the first arm.
        b: value of each subject in the second arm.
        seed: of the sign patterns that are drawn where there are more than 14 subjects.
        flips: how many are drawn then.

    Raises:
        InputError: if the arms share no subject, or a value is not finite.
    """
    shared = sorted(subject for subject in a if subject in b)
    if not shared:
        raise InputError(
            "subjects of two arms",
            f"{sorted(a)[:5]} and {sorted(b)[:5]}",
            "at least one subject in both",
            "Evaluate both arms on the same test subjects.",
        )
    differences = finite_sample(float(a[subject]) - float(b[subject]) for subject in shared)
    return Paired(
        difference=difference_interval(differences, seed, flips),
        wilcoxon_p=float(signed_rank_p(differences[None])[0]) if testable(differences) else None,
        count=len(shared),
        permutation_p=float(sign_flip_p(differences[None], seed, flips)[0]),
        effect=hedges_g(differences),
        rank_biserial=rank_biserial(differences),
        only_first=tuple(sorted(a.keys() - b.keys())),
        only_second=tuple(sorted(b.keys() - a.keys())),
    )


def difference_interval(differences: np.ndarray, seed: int = 0, flips: int = FLIPS) -> Interval:
    """The mean of ``differences [subject]`` with the 95 % interval that the permutation test leaves."""
    ends = sign_flip_interval(differences[None], 0.95, seed, flips)
    low, high = (None, None) if ends is None else (float(ends[0][0]), float(ends[1][0]))
    return Interval(float(differences.mean()), low, high, differences.size)


def testable(differences: np.ndarray) -> bool:
    """Whether the signed-rank test could reach 0.05: whether at least six pairs differ."""
    return int(np.count_nonzero(differences)) >= FEWEST_PAIRS


def signed_rank_p(differences: np.ndarray) -> np.ndarray:
    """Two-sided p of the Wilcoxon signed-rank test of each row (Wilcoxon 1945, doi:10.2307/3001968).

    Pairs that do not differ are left out. Exact up to 50 pairs without ties; else the normal approximation, but for
    up to 13 pairs, whose signs are all listed.

    Args:
        differences: ``[study, subject]``, finite, not all 0 in any row.

    Returns:
        ``[study]``.
    """
    if (differences == 0).any():
        return np.array([float(wilcoxon(row[row != 0]).pvalue) for row in differences])
    return np.asarray(wilcoxon(differences, axis=1).pvalue, dtype=np.float64)
