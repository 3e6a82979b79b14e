import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qontrast.results.sign_flip import sign_flip_interval, sign_flip_p

FEW = st.lists(st.integers(-20, 20), min_size=1, max_size=8)


def listed_p(differences):
    """Every sign pattern, one by one, in whole numbers."""
    seen = abs(sum(differences))
    sums = [abs(sum(s * d for s, d in zip(signs, differences, strict=True))) for signs in signs_of(len(differences))]
    return sum(total >= seen for total in sums) / len(sums)


def signs_of(count):
    return itertools.product((-1, 1), repeat=count)


@settings(max_examples=60, deadline=None)
@given(FEW)
def test_p_is_the_share_of_sign_patterns_as_extreme(differences):
    assert sign_flip_p(np.array([differences], dtype=float))[0] == pytest.approx(listed_p(differences))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-20, 20), min_size=6, max_size=8), st.sampled_from([0.9, 0.95]))
def test_the_interval_holds_what_the_test_does_not_refuse(differences, confidence):
    low, high = (float(end[0]) for end in sign_flip_interval(np.array([differences], dtype=float), confidence))
    for shift in np.arange(-21, 21, 0.37):
        refused = listed_p([d - shift for d in differences]) <= 1 - confidence + 1e-12
        if min(abs(shift - low), abs(shift - high)) > 1e-9:
            assert refused == (shift < low or shift > high)


def test_with_drawn_patterns_interval_and_p_agree_and_come_near_the_textbook():
    rows = np.random.default_rng(0).normal(0.5, 1, (200, 20))
    p = sign_flip_p(rows)
    low, high = sign_flip_interval(rows)
    np.testing.assert_array_equal(p <= 0.05, (low > 0) | (high < 0))
    assert 40 < (p <= 0.05).sum() < 160
    half = 2.093 * rows.std(axis=1, ddof=1) / math.sqrt(20)
    np.testing.assert_allclose(low, rows.mean(axis=1) - half, atol=0.08)
    np.testing.assert_allclose(high, rows.mean(axis=1) + half, atol=0.08)


def test_with_hardly_any_patterns_some_are_full_or_empty_and_still_agree():
    rows = np.random.default_rng(1).normal(0.8, 1, (300, 15))
    for flips in (39, 200):
        low, high = sign_flip_interval(rows, 0.95, 3, flips)
        p = sign_flip_p(rows, 3, flips)
        np.testing.assert_array_equal(p <= 0.05, (low > 0) | (high < 0))
        assert p.min() == pytest.approx(1 / (flips + 1))


def test_the_seed_decides_and_the_mirror_image_is_mirrored():
    rows = np.random.default_rng(2).exponential(1, (3, 16))
    np.testing.assert_array_equal(sign_flip_p(rows, 5), sign_flip_p(rows, 5))
    assert not np.array_equal(sign_flip_p(rows - 0.6, 5), sign_flip_p(rows - 0.6, 6))
    np.testing.assert_array_equal(sign_flip_p(rows, 5), sign_flip_p(-rows, 5))
    for end, mirrored in zip(sign_flip_interval(rows), reversed(sign_flip_interval(-rows)), strict=True):
        np.testing.assert_allclose(end, -mirrored)


@pytest.mark.parametrize(("count", "known"), [(1, False), (5, False), (6, True)])
def test_fewer_than_six_subjects_allow_no_interval(count, known):
    assert (sign_flip_interval(np.ones((1, count))) is not None) is known


def test_all_zero_is_no_evidence_and_equal_differences_are_certain():
    assert sign_flip_p(np.zeros((2, 9))).tolist() == [1.0, 1.0]
    low, high = sign_flip_interval(np.full((1, 9), 0.1))
    assert (low[0], high[0]) == pytest.approx((0.1, 0.1))
