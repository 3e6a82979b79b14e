import math

import pytest
from ledgers import study_ledger

from qontrast.basics.errors import InputError
from qontrast.results.study_rows import fractions_of, metrics_of, study_rows, tasks_of

OLD = {
    "run": "r", "arm": "seqinv", "data": "/somewhere/ixi", "labels": None, "snr": None, "seed": 0,
    "train_subjects": 2, "model_digest": "m", "subject": "s1", "contrast": "T1w", "image": "s1_T1w.nii.gz",
    "trained_on": False, "class": "grey", "dice": 0.9, "hd95_mm": 2.0, "truth_voxels": 4, "note": "",
}  # fmt: skip


def fractions(*values):
    rows = study_rows([{"subject": "s", "arm": "a", "dice": 0.5, "fraction": value} for value in values])
    return [(row["fraction"], row["labelled"]) for row in rows]


def test_rows_of_evaluate_are_filled_in():
    (row,) = study_rows([OLD])
    assert (row["task"], row["site"], row["arm"], row["fraction"]) == ("segmentation", "ixi", "seqinv", "2 subjects")
    assert row["labels"] is None  # what it said of the label table is kept
    apart = study_rows([OLD, {**OLD, "trained_on": True}])
    names = [f"seqinv, trained on these heads: {known}" for known in (False, True)]
    assert [row["arm"] for row in apart] == names
    places = study_rows([{**OLD, "train_site": place} for place in ("guys", "hh")])
    assert [row["arm"] for row in places] == ["seqinv, labels from: guys", "seqinv, labels from: hh"]


def test_whole_numbers_are_subjects_and_decimals_shares():
    assert fractions(1, 3, 10) == [("1 subject", 1.0), ("3 subjects", 3.0), ("10 subjects", 10.0)]
    assert fractions(3.0, 1.0) == [("3 subjects", 3.0), ("1 subject", 1.0)]
    assert fractions(0.01, 0.1, 1.0) == [("1 %", 0.01), ("10 %", 0.1), ("100 %", 1.0)]
    assert fractions(0.1, 1) == [("10 %", 0.1), ("100 %", 1.0)]
    assert fractions(1)[0][0] == "1 subject"
    assert fractions(1.0)[0][0] == "100 %"
    text, number = fractions(None)[0]
    assert (text, math.isnan(number)) == ("labels not stated", True)


def test_each_task_has_its_own_kind_of_fraction_and_metrics():
    rows = study_rows(
        [
            {"subject": "s", "arm": "a", "psnr_db": 30.0, "ssim": 0.9, "fraction": 0.1},
            {"subject": "s", "arm": "a", "dice": 0.9, "fraction": 3, "task": "lesion"},
            {"subject": "s", "arm": "a", "absolute_error_years": 4.0},
            {"subject": "s", "arm": "a", "correct": True},
        ]
    )
    assert tasks_of(rows) == ["age", "denoising", "lesion", "sex"]
    assert {row["task"]: row["fraction"] for row in rows}["lesion"] == "3 subjects"
    assert metrics_of(rows) == ["dice", "psnr_db", "ssim", "absolute_error_years", "correct"]


def test_fractions_are_in_order_of_their_numbers():
    assert fractions_of(study_rows(study_ledger(fractions=(10, 1, 3)))) == ["1 subject", "3 subjects", "10 subjects"]


def test_two_schedules_are_two_arms():
    rows = study_ledger(subjects=1, seeds=1)
    both = study_rows(rows + [{**row, "schedule": "frozen"} for row in rows])
    assert {row["arm"] for row in both} == {
        f"{a}, {s}" for a in ("scratch", "base", "seqinv") for s in ("full", "frozen")
    }
    assert {row["arm"] for row in study_rows(rows)} == {"scratch", "base", "seqinv"}


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ([], "no rows"),
        ([{"arm": "a", "dice": 0.5}], "no key 'subject'"),
        ([{"subject": "s", "dice": 0.5}], "no key 'arm'"),
        ([{"subject": "s", "arm": "a", "score": 0.5}], "wanted one of dice"),
        ([{"subject": "s", "arm": "a", "dice": 0.5, "fraction": f} for f in (0.1, 3)], "found 0.1, 3"),
        ([{"subject": "s", "arm": "a", "dice": 0.5, "fraction": "10 %"}], "'10 %'"),
        ([{"subject": "s", "arm": "a", "dice": 0.5, "fraction": True}], "True"),
        ([{"subject": "s", "arm": "a", "dice": 0.5, "fraction": 2.5}], "found 2.5"),
    ],
)
def test_what_cannot_be_told_is_refused(rows, word):
    with pytest.raises(InputError, match=word):
        study_rows(rows)
