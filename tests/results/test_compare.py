import itertools

import pytest

from qontrast.basics.errors import InputError
from qontrast.results.compare import paired


def exact_signed_rank_p(differences):
    """Two-sided p by listing every assignment of signs (no ties)."""
    ranks = [sorted(abs(d) for d in differences).index(abs(d)) + 1 for d in differences]
    seen = sum(r for r, d in zip(ranks, differences, strict=True) if d > 0)
    sums = [
        sum(r for r, up in zip(ranks, ups, strict=True) if up) for ups in itertools.product((0, 1), repeat=len(ranks))
    ]
    low = sum(s <= seen for s in sums) / len(sums)
    high = sum(s >= seen for s in sums) / len(sums)
    return min(1.0, 2 * min(low, high))


@pytest.mark.parametrize(
    "differences",
    [[1, 2, 3, 4, 5, 6], [-1, 2, 3, -4, 5, 6, 7], [1, -2, 3, -4, 5, -6, 7, -8], [-9, -8, 7, -6, -5, -4, -3, 2, -1]],
)
def test_p_equals_the_enumeration_of_signs(differences):
    a = {f"sub-{n}": float(d) for n, d in enumerate(differences)}
    found = paired(a, dict.fromkeys(a, 0.0))
    assert found.wilcoxon_p == pytest.approx(exact_signed_rank_p(differences))
    assert found.difference.mean == pytest.approx(sum(differences) / len(differences))


def test_only_shared_subjects_count_and_order_does_not_matter():
    a, b = {"x": 1.0, "y": 2.0, "only-a": 90.0}, {"only-b": -90.0, "y": 1.0, "x": 0.5}
    found = paired(a, b)
    assert (found.count, found.difference.mean, found.wilcoxon_p) == (2, 0.75, None)
    assert (found.only_first, found.only_second) == (("only-a",), ("only-b",))
    assert (found.difference.low, found.permutation_p) == (None, 0.5)
    assert paired(dict(reversed(a.items())), b) == found


def test_exchanging_the_arms_changes_the_sign_only():
    a = {str(n): v for n, v in enumerate([0.3, 0.8, 0.5, 0.9, 0.4, 0.7, 0.2])}
    b = {str(n): v for n, v in enumerate([0.25, 0.7, 0.55, 0.6, 0.3, 0.3, 0.35])}
    forth, back = paired(a, b), paired(b, a)
    assert forth.difference.mean == pytest.approx(-back.difference.mean)
    assert (forth.wilcoxon_p, forth.permutation_p) == pytest.approx((back.wilcoxon_p, back.permutation_p))
    assert (forth.effect, forth.rank_biserial) == pytest.approx((-back.effect, -back.rank_biserial))
    assert (forth.difference.low, forth.difference.high) == pytest.approx((-back.difference.high, -back.difference.low))


@pytest.mark.parametrize(("moved", "testable"), [(0, False), (5, False), (6, True)])
def test_p_needs_six_pairs_that_differ(moved, testable):
    a = {str(n): 1.0 + n if n < moved else 0.0 for n in range(10)}
    assert (paired(a, dict.fromkeys(a, 0.0)).wilcoxon_p is not None) is testable


def test_ties_among_few_pairs_are_listed():
    a = {str(n): float(d) for n, d in enumerate([1, 1, 1, 2, 2, 3, 0])}
    assert paired(a, dict.fromkeys(a, 0.0)).wilcoxon_p == pytest.approx(2 / 2**6)


def test_strangers_cannot_be_paired():
    with pytest.raises(InputError, match="at least one subject in both"):
        paired({"x": 1.0}, {"y": 1.0})
