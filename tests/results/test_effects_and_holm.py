import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qontrast.results.effects import hedges_g, rank_biserial
from qontrast.results.holm import holm


def test_hedges_g_is_unbiased_where_cohens_d_is_not():
    rows = np.random.default_rng(0).normal(0.8, 1, (4000, 9))
    plain = float(np.mean(rows.mean(axis=1) / rows.std(axis=1, ddof=1)))
    corrected = float(np.mean([hedges_g(row) for row in rows]))
    assert corrected == pytest.approx(0.8, abs=0.025)
    assert plain > 0.86


def test_the_correction_is_the_known_one():
    found = hedges_g(np.array([1.0, 2.0, 3.0]))
    assert found == pytest.approx(2.0 * math.gamma(1) / (math.sqrt(1) * math.gamma(0.5)))


def test_effects_without_a_spread_are_not_numbers():
    assert hedges_g(np.array([1.0, 2.0])) is None
    assert hedges_g(np.full(5, 0.1)) is None
    assert rank_biserial(np.zeros(4)) is None


@pytest.mark.parametrize(
    ("differences", "wanted"),
    [([1, 2, 3], 1.0), ([-1, -2, 0], -1.0), ([1, -2, 3], (1 + 3 - 2) / 6), ([2, -2], 0.0), ([0, 5, -1, 5], 4 / 6)],
)
def test_rank_biserial_by_hand(differences, wanted):
    assert rank_biserial(np.array(differences, dtype=float)) == pytest.approx(wanted)


def slow_holm(p):
    """By its definition: refuse one after the other from the smallest, as long as each passes."""
    found = {}
    for level in [0.0, *sorted({value * (len(p) - k) for value in p for k in range(len(p))}), 1.0]:
        left = sorted(range(len(p)), key=lambda i: p[i])
        while left and p[left[0]] * len(left) <= level:
            found.setdefault(left[0], min(1.0, level))
            left.pop(0)
    return [found.get(i, 1.0) for i in range(len(p))]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 64), min_size=1, max_size=6))
def test_holm_is_the_smallest_level_at_which_each_would_be_refused(counts):
    p = [count / 64 for count in counts]
    assert holm(p) == pytest.approx(slow_holm(p))


def test_holm_of_a_textbook_family():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
