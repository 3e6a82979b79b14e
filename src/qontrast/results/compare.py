"""Two arms on the same subjects: the mean difference, and whether it could be chance."""

from collections.abc import Mapping
from dataclasses import dataclass

from scipy.stats import wilcoxon

from qontrast.basics.errors import InputError
from qontrast.results.intervals import Interval, bootstrap_mean

FEWEST_PAIRS = 6
"""With five pairs the smallest two-sided p of the signed-rank test is 2 / 2**5 = 0.0625; with six it is 0.031."""


@dataclass(frozen=True)
class Paired:
    """First minus second arm over the subjects they share.

    Args:
        difference: mean difference with its bootstrap interval, in the unit of the values.
        wilcoxon_p: two-sided p of the signed-rank test, not corrected for other comparisons; None where it cannot
            tell.
        count: number of subjects shared.
    """

    difference: Interval
    wilcoxon_p: float | None
    count: int


def paired(a: Mapping[str, float], b: Mapping[str, float], seed: int = 0) -> Paired:
    """Compare two arms subject by subject: ``a - b`` over the keys they share.

    The p value is that of the Wilcoxon signed-rank test (Wilcoxon 1945, doi:10.2307/3001968), which leaves out
    subjects without any difference. It is None when fewer than six pairs differ, since it could not reach 0.05
    whatever the data, and so also when all differences are zero.

    Args:
        a: value of each subject in the first arm.
        b: value of each subject in the second arm.
        seed: seed of the bootstrap.

    Raises:
        InputError: if the arms share no subject, or a value is not finite.
    """
    shared = [subject for subject in a if subject in b]
    if not shared:
        raise InputError(
            "subjects of two arms",
            f"{sorted(a)[:5]} and {sorted(b)[:5]}",
            "at least one subject in both",
            "Evaluate both arms on the same test subjects.",
        )
    differences = [float(a[subject]) - float(b[subject]) for subject in sorted(shared)]
    interval = bootstrap_mean(differences, seed=seed)
    moved = [d for d in differences if d != 0]
    p = float(wilcoxon(moved).pvalue) if len(moved) >= FEWEST_PAIRS else None
    return Paired(interval, p, len(shared))
