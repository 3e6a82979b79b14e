"""Scores of sex and age, against scikit-learn's, and what constant and perfect predictions get."""

import numpy as np
import pytest
from sklearn import metrics

from qontrast.basics.errors import InputError
from qontrast.results.people_scores import area_under_curve, balanced_accuracy, correlation, explained, score_people


def draws(seed=0, count=40):
    rng = np.random.default_rng(seed)
    truth = (rng.random(count) < 0.3).astype(int)
    return truth, np.round(np.clip(0.3 * truth + 0.7 * rng.random(count), 0, 1), 1)  # rounded: with ties


def test_they_are_scikit_learns():
    truth, positive = draws()
    positive[positive == 0.5] = 0.6
    once = np.ones((1, 40))
    expected = metrics.balanced_accuracy_score(truth, positive > 0.5)
    assert balanced_accuracy(truth, positive, once) == pytest.approx(expected)
    assert area_under_curve(truth, positive, once) == pytest.approx(metrics.roc_auc_score(truth, positive))
    age = 50 + 10 * np.random.default_rng(1).normal(size=30)
    told = age + np.random.default_rng(2).normal(size=30) * 5
    assert explained(age, told, np.ones((1, 30))) == pytest.approx(metrics.r2_score(age, told))


@pytest.mark.parametrize("score", [balanced_accuracy, area_under_curve, explained, correlation])
def test_a_subject_that_counts_twice_is_as_good_as_one_that_is_there_twice(score):
    truth, positive = draws(4, count=12)
    counts = np.random.default_rng(0).integers(1, 4, (5, 12))
    found = score(truth, positive, counts.astype(float))
    for number, some in enumerate(counts):
        again = [np.repeat(values, some) for values in (truth, positive)]
        assert found[number] == pytest.approx(float(score(*again, np.ones((1, some.sum())))[0]))


def sex_rows(truth, positive, scans=1):
    names = {0: "female", 1: "male"}
    return [
        {"target": "sex", "subject": f"sub-{n}", "truth": names[t], "probability_male": p}
        for n, (t, p) in enumerate(zip(truth.tolist(), positive.tolist(), strict=True))
        for _ in range(scans)
    ]


def age_rows(truth, predicted):
    return [
        {"target": "age", "subject": f"sub-{n}", "truth": t, "predicted": p}
        for n, (t, p) in enumerate(zip(truth.tolist(), predicted.tolist(), strict=True))
    ]


def test_a_constant_answer_is_chance_and_a_perfect_one_is_perfect():
    truth, _ = draws()
    for answer, value in ((np.full(40, 0.9), 0.5), (np.full(40, 0.5), 0.5), (truth.astype(float), 1.0)):
        scores = score_people(sex_rows(truth, answer))
        assert {name: (s.mean, s.low, s.high) for name, s in scores.items()} == {
            "balanced_accuracy": (value,) * 3,
            "auc": (value,) * 3,
        }
    age = np.array([20.0, 30.0, 40.0, 60.0])
    scores = score_people(age_rows(age, np.full(4, 40.0)))
    assert scores["mean_absolute_error"].mean == 12.5
    assert scores["r2"].mean == pytest.approx(1 - (400 + 100 + 400) / (17.5**2 + 7.5**2 + 2.5**2 + 22.5**2))
    assert scores["correlation"].mean == 0
    scores = score_people(age_rows(age, age))
    assert [scores[name].mean for name in ("mean_absolute_error", "r2", "correlation")] == pytest.approx([0, 1, 1])


def test_a_subject_counts_once_however_often_it_was_scanned():
    truth, positive = draws(3)
    once, thrice = score_people(sex_rows(truth, positive)), score_people(sex_rows(truth, positive, scans=3))
    assert once == thrice
    assert once["auc"].count == 40


def test_the_interval_covers_the_known_area_about_as_often_as_it_says():
    """Normal values one deviation apart: the area is the probability that one exceeds the other, 0.7602."""
    covered = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        truth = np.arange(60) % 2
        found = score_people(sex_rows(truth, truth + rng.normal(size=60)))["auc"]
        covered += found.low <= 0.7602 <= found.high
    assert covered >= 51  # of 60 at 95 %: fewer has a probability below 0.1 %


def test_of_one_sex_only_the_share_that_is_right_remains_and_of_one_age_only_the_error():
    assert list(score_people(sex_rows(np.ones(4, int), np.array([0.9, 0.8, 0.2, 0.7])))) == ["accuracy"]
    assert list(score_people(age_rows(np.full(3, 40.0), np.array([38.0, 41, 45])))) == ["mean_absolute_error"]


def test_no_rows_and_rows_of_both_targets_are_refused():
    both = sex_rows(*draws()) + age_rows(np.array([1.0]), np.array([2.0]))
    for rows in ([], both):
        with pytest.raises(InputError, match="rows of one target"):
            score_people(rows)


def test_correlation_is_numpys():
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(2, 20))
    assert correlation(a, b, np.ones((1, 20))) == pytest.approx(np.corrcoef(a, b)[0, 1])
