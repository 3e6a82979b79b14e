import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qontrast.basics.errors import InputError
from qontrast.results.intervals import Interval, bootstrap_mean

VALUES = st.lists(st.floats(-100, 100), min_size=2, max_size=12)


@settings(max_examples=30, deadline=None)
@given(VALUES)
def test_the_interval_is_finite_around_the_mean_and_cut_at_the_bounds(values):
    interval = bootstrap_mean(values)
    assert interval.count == len(values)
    assert interval.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert -np.inf < interval.low - 1e-9 <= interval.mean <= interval.high + 1e-9 < np.inf
    cut = bootstrap_mean(values, bounds=(min(values), max(values)))
    assert (cut.low, cut.high) == (max(interval.low, min(values)), min(interval.high, max(values)))


def slow_studentised(values, seed):
    """One resample after the other; resamples of one value alone deviate without end."""
    values = np.array(values)
    rng, ratios = np.random.default_rng([seed, 0]), []
    for times in rng.multinomial(len(values), np.full(len(values), 1 / len(values)), size=9999):
        resample = np.repeat(values, times)
        gap, error = resample.mean() - values.mean(), resample.std(ddof=1) / np.sqrt(len(values))
        ratios.append(gap / error if error > 0 else np.copysign(np.inf, gap))
    low, high = np.quantile(ratios, [0.025, 0.975], method="nearest")
    error = values.std(ddof=1) / np.sqrt(len(values))
    return values.mean() - high * error, values.mean() - low * error


def test_it_is_the_bootstrap_of_the_ratio_of_mean_and_standard_error():
    values = [0.91, 0.88, 0.93, 0.9, 0.86, 0.4, 0.89]
    interval = bootstrap_mean(values, seed=3)
    assert (interval.low, interval.high) == pytest.approx(slow_studentised(values, 3))
    assert interval.mean - interval.low > 2 * (interval.high - interval.mean)  # it leans to where the failure lies


def test_many_values_are_resampled_in_batches():
    rng = np.random.default_rng(1)
    interval = bootstrap_mean(rng.normal(0, 1, 900))
    assert (interval.high - interval.low) / 2 == pytest.approx(1.96 / 30, rel=0.1)


def test_with_two_to_five_values_it_is_students():
    interval = bootstrap_mean([1.0, 2.0, 3.0])
    assert (interval.low, interval.high) == pytest.approx((2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-4)
    few = bootstrap_mean([1.0] * 18 + [0.0] * 2)  # an eighth of the resamples holds no 0 at all
    half = 2.0930 * 0.30779 / 20**0.5
    assert (few.low, few.high) == pytest.approx((0.9 - half, 0.9 + half), abs=1e-4)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(-50, 50), min_size=4, max_size=9, unique=True), st.integers(-20, 20))
def test_shifting_and_mirroring_the_values_moves_the_interval_alike(values, shift):
    plain, moved = bootstrap_mean(values), bootstrap_mean([v + shift for v in values])
    assert (moved.low, moved.high) == pytest.approx((plain.low + shift, plain.high + shift))
    mirrored = bootstrap_mean([-v for v in values])
    assert (mirrored.low, mirrored.high) == pytest.approx((-plain.high, -plain.low))


def test_a_normal_sample_gives_nearly_the_textbook_interval():
    values = np.random.default_rng(3).normal(5, 2, 400)
    interval = bootstrap_mean(values)
    half = 1.96 * values.std(ddof=1) / 20
    assert (interval.low, interval.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)


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
