"""Many comparisons at once: p values that keep the family's error rate."""

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (Holm 1979, Scandinavian Journal of Statistics 6, 65 to 70).

    The smallest of m values is multiplied by m, the next by m - 1 and so on; none may fall below an earlier one, or
    exceed 1. Calling those significant that are at most 0.05 then calls even one wrongly in at most 5 % of families,
    however the comparisons depend on each other.

    Args:
        p_values: uncorrected, of all comparisons of the family.

    Returns:
        Corrected values, in the same order.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)))
    return [float(value) for value in corrected]
