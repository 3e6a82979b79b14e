import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qontrast.basics.errors import InputError
from qontrast.results.intervals import Interval, bootstrap_mean

VALUES = st.lists(st.floats(-100, 100), min_size=2, max_size=12)


@settings(max_examples=30, deadline=None)
@given(VALUES)
def test_the_interval_lies_within_the_values(values):
    interval = bootstrap_mean(values)
    assert interval.count == len(values)
    assert interval.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert min(values) - 1e-9 <= interval.low <= interval.high <= max(values) + 1e-9


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(-50, 50), min_size=4, max_size=9, unique=True), st.integers(-20, 20))
def test_shifting_and_mirroring_the_values_moves_the_interval_alike(values, shift):
    plain, moved = bootstrap_mean(values), bootstrap_mean([v + shift for v in values])
    assert (moved.low, moved.high) == pytest.approx((plain.low + shift, plain.high + shift), abs=0.05)
    mirrored = bootstrap_mean([-v for v in values])
    assert (mirrored.low, mirrored.high) == pytest.approx((-plain.high, -plain.low), abs=2.5)


def test_a_normal_sample_gives_nearly_the_textbook_interval():
    values = np.random.default_rng(3).normal(5, 2, 400)
    interval = bootstrap_mean(values)
    half = 1.96 * values.std(ddof=1) / 20
    assert (interval.low, interval.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)


def test_it_covers_the_true_mean_about_as_often_as_it_says():
    samples = np.random.default_rng(0).normal(0, 1, (100, 25))
    found = [bootstrap_mean(sample) for sample in samples]
    assert 86 <= sum(i.low <= 0 <= i.high for i in found) <= 99


def test_the_seed_decides_and_confidence_widens():
    values = [0.2, 0.5, 0.9, 0.4, 0.7]
    assert bootstrap_mean(values, seed=1) == bootstrap_mean(values, seed=1)
    narrow, wide = bootstrap_mean(values, confidence=0.5), bootstrap_mean(values, confidence=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_one_value_and_equal_values():
    assert bootstrap_mean([0.7]) == Interval(0.7, None, None, 1)
    assert bootstrap_mean([0.1] * 3) == Interval(0.1, 0.1, 0.1, 3)


@pytest.mark.parametrize(("values", "confidence"), [([], 0.95), ([0.1, float("nan")], 0.95), ([0.1, 0.2], 1.0)])
def test_nonsense_is_refused(values, confidence):
    with pytest.raises(InputError):
        bootstrap_mean(values, confidence=confidence)
