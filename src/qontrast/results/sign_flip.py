"""The sign-flip permutation test of a mean difference, and the interval that it leaves.

Where two arms do not differ, each subject's difference is as likely to have either sign. The test asks how many of all
ways of choosing the signs give a mean as far from 0 as the one found (Fisher 1935). It is exact for differences that
are symmetric about 0, which they are wherever the two arms' scores could be exchanged.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

EXACT_UP_TO = 14
"""With up to so many subjects all 2**13 pairs of opposite sign patterns are listed; with more, ``FLIPS`` are drawn."""

FLIPS = 9999
_NUMBERS_AT_ONCE = 4_000_000
_ROUNDING = 1e-10


class _Subsets(NamedTuple):
    """Whose sign is turned: members ``[value, subset]`` as 0 and 1, neither empty nor full where exact."""

    members: np.ndarray
    sizes: np.ndarray


def sign_flip_p(differences: np.ndarray, seed: int = 0, flips: int = FLIPS) -> np.ndarray:
    """Two-sided p of the mean of each row.

    With up to 14 differences all sign patterns are listed. With more, p is ``(k + 1) / (flips + 1)``, where k drawn
    patterns are as extreme as what was found, which never is 0 (Phipson and Smyth 2010, doi:10.2202/1544-6115.1585).

    Args:
        differences: ``[study, subject]``, finite.
        seed: of the patterns drawn; all rows share them.
        flips: how many are drawn.

    Returns:
        ``[study]``; 1 where all differences are 0.
    """
    found = []
    subsets = _subsets(differences.shape[1], seed, flips)
    for rows in _batches(differences, subsets):
        total = rows.sum(axis=1, keepdims=True)
        turned = np.abs(total - 2 * rows @ subsets.members)
        slack = _ROUNDING * np.abs(rows).sum(axis=1, keepdims=True)
        found.append((1 + (turned >= np.abs(total) - slack).sum(axis=1)) / (1 + subsets.sizes.size))
    return np.concatenate(found)


def sign_flip_interval(
    differences: np.ndarray, confidence: float = 0.95, seed: int = 0, flips: int = FLIPS
) -> tuple[np.ndarray, np.ndarray] | None:
    """The mean differences that the test does not refuse: both ends of the interval of each row.

    They are order statistics of the means of subsets of the subjects (Hartigan 1969,
    doi:10.1080/01621459.1969.10501057), so the interval leaves out 0 exactly where p is at most 1 - confidence.

    Args:
        differences: ``[study, subject]``, finite.
        confidence: coverage; it is at least this for differences that are symmetric about their mean.
        seed: as :func:`sign_flip_p`.
        flips: as :func:`sign_flip_p`.

    Returns:
        Lower and upper ends, ``[study]`` each; None where the test could refuse nothing, as with five subjects at 95 %.
    """
    subsets = _subsets(differences.shape[1], seed, flips)
    # Slack, since (1 - 0.95) * 20 is a little more than 1 in floating point, and could be a little less.
    refused = int(np.floor((1 - confidence) * (1 + subsets.sizes.size) + _ROUNDING)) - 1
    if refused < 0:
        return None
    lows, highs = [], []
    for rows in _batches(differences, subsets):
        inside = rows @ subsets.members
        outside = rows.sum(axis=1, keepdims=True) - inside
        with np.errstate(all="ignore"):  # a drawn subset may be empty or full; such a pattern is always as extreme
            means = np.concatenate([inside / subsets.sizes, outside / (rows.shape[1] - subsets.sizes)], axis=1)
        whole = (subsets.sizes == 0) | (subsets.sizes == rows.shape[1])
        means[:, np.concatenate([whole, whole])] = np.inf
        lows.append(_smallest(means, int(whole.sum()), refused))
        highs.append(-_smallest(np.where(np.isinf(means), means, -means), int(whole.sum()), refused))
    return np.concatenate(lows), np.concatenate(highs)


def _smallest(means: np.ndarray, always: int, refused: int) -> np.ndarray:
    """The value that ``refused`` numbers of each row lie below, of which ``always`` do wherever one looks."""
    if always > refused:
        return np.full(len(means), -np.inf)
    return np.partition(means, refused - always, axis=1)[:, refused - always]


def _batches(differences: np.ndarray, subsets: _Subsets) -> list[np.ndarray]:
    rows = max(1, _NUMBERS_AT_ONCE // max(1, subsets.sizes.size))
    return [differences[begin : begin + rows] for begin in range(0, len(differences), rows)]


@lru_cache(maxsize=8)
def _subsets(count: int, seed: int, flips: int) -> _Subsets:
    """Subsets of the subjects, of which none is the complement of another where all are listed."""
    if count <= EXACT_UP_TO:
        # The last subject's sign is kept: turning all signs changes nothing that is two-sided.
        patterns = np.arange(1, 2 ** (count - 1))
        members = (patterns[None] >> np.arange(count)[:, None]) & 1
    else:
        members = np.random.default_rng(seed).integers(0, 2, (count, flips))
    return _Subsets(members.astype(np.float64), members.sum(axis=0).astype(np.float64))
