import numpy as np
import pytest
from ledgers import study_ledger

from qontrast.basics.errors import InputError
from qontrast.results.compare import paired
from qontrast.results.family import Comparison, Family, compare_arms, rank_tiers
from qontrast.results.holm import holm
from qontrast.results.study_rows import study_rows

CELL = ("1 subject",)


def made_family(means, differing, metric="dice"):
    """A family of one cell with these means, in which the named pairs differ."""
    same = paired({"s": 1.0}, {"s": 1.0})
    arms = sorted(means)
    comparisons = [
        Comparison(CELL, a, b, same, 0.01 if {a, b} in differing else 0.5, 1.0)
        for n, a in enumerate(arms)
        for b in arms[n + 1 :]
    ]
    return Family(metric, ("fraction",), tuple(comparisons), {CELL: means}, ())


def test_seeds_and_classes_are_averaged_within_a_subject_before_pairing():
    rows = study_ledger(arms=("a", "b"), subjects=7, sites=("x",), contrasts=("T1w",), fractions=(1,), seeds=3)
    family = compare_arms(study_rows(rows), "dice")
    (compared,) = family.comparisons
    scores = {arm: np.array([r["dice"] for r in rows if r["arm"] == arm]).reshape(7, -1).mean(axis=1) for arm in "ab"}
    assert compared.paired.count == 7
    assert compared.paired.difference.mean == pytest.approx(np.mean(scores["a"] - scores["b"]))
    assert family.standings[CELL] == pytest.approx({arm: values.mean() for arm, values in scores.items()})
    assert compared.permutation_holm == compared.paired.permutation_p  # a family of one


def test_the_correction_is_over_all_pairs_in_all_cells():
    family = compare_arms(study_rows(study_ledger()), "dice", ("site", "contrast", "fraction"))
    assert len(family.comparisons) == 3 * 2 * 2 * 2
    p = [c.paired.permutation_p for c in family.comparisons]
    assert [c.permutation_holm for c in family.comparisons] == pytest.approx(holm(p))
    assert not family.powered  # 2 / 2**8 * 24
    pooled = compare_arms(study_rows(study_ledger()), "dice")
    assert len(pooled.comparisons) == 6
    assert pooled.powered
    assert all(c.significant for c in pooled.comparisons if "seqinv" in (c.first, c.second))


def test_a_subject_of_one_arm_is_named_and_in_no_number():
    rows = study_rows(study_ledger(arms=("a", "b"), fractions=(1,)))
    whole = compare_arms(rows, "dice").comparisons[0].paired
    extra = {**rows[0], "subject": "stranger", "dice": 0.0}
    part = {**rows[0], "contrast": "FLAIR", "dice": 0.0}
    found = compare_arms([*rows, extra, part], "dice").comparisons[0].paired
    assert found.difference == whole.difference
    assert found.only_first == ("guys-00 (guys FLAIR grey)", "stranger")
    assert found.only_second == ()


def test_arms_without_a_subject_in_common_are_named():
    rows = study_rows(study_ledger(arms=("a",), fractions=(1,)))
    other = [{**row, "arm": "b", "subject": "b" + row["subject"]} for row in rows]
    family = compare_arms([*rows, *other], "dice")
    assert family.comparisons == ()
    assert family.apart == ("1 subject, a and b share no subject",)
    assert rank_tiers(family, CELL) is None


def test_the_order_of_rows_does_not_matter():
    rows = study_rows(study_ledger(subjects=16))
    assert compare_arms(rows, "dice") == compare_arms(rows[::-1], "dice")


def test_tiers_hold_what_is_not_told_from_their_first_arm():
    means = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.6}
    told = [{"a", "c"}, {"a", "d"}]
    assert rank_tiers(made_family(means, told), CELL) == [("a", "b"), ("c", "d")]
    assert rank_tiers(made_family(means, []), CELL) == [("a", "b", "c", "d")]
    every = [{a, b} for a in means for b in means if a < b]
    assert rank_tiers(made_family(means, every), CELL) == [("a",), ("b",), ("c",), ("d",)]


def test_tiers_are_not_transitive_and_a_noisy_arm_may_stand_higher():
    means = {"a": 0.9, "b": 0.8, "noisy": 0.7}
    assert rank_tiers(made_family(means, [{"a", "b"}]), CELL) == [("a", "noisy"), ("b",)]
    assert rank_tiers(made_family(means, [{"b", "noisy"}]), CELL) == [("a", "b", "noisy")]


def test_where_lower_is_better_the_lowest_opens_the_first_tier():
    means = {"a": 9.0, "b": 3.0, "c": 4.0}
    family = made_family(means, [{"a", "b"}, {"a", "c"}], metric="hd95_mm")
    assert rank_tiers(family, CELL) == [("b", "c"), ("a",)]


@pytest.mark.parametrize(("metric", "change"), [("dices", {}), ("dice", {"dice": None}), ("dice", {"dice": "0.1"})])
def test_scores_that_are_none_are_refused(metric, change):
    rows = study_rows(study_ledger(subjects=1))
    with pytest.raises(InputError):
        compare_arms([{**rows[0], **change}, *rows[1:]], metric)


def test_a_large_family_can_still_be_significant():
    rows = [
        {"subject": f"s{s}", "arm": arm, "fraction": cell, "dice": 0.5 + 0.05 * k + 0.001 * s}
        for s in range(20)
        for cell in range(40)
        for k, arm in enumerate("abcdef")
    ]
    family = compare_arms(rows, "dice")
    assert len(family.comparisons) == 600
    assert all(comparison.significant for comparison in family.comparisons)
