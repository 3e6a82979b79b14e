import pytest

from qontrast.basics.errors import InputError
from qontrast.results.table import group_rows, subject_means, summarise


def row(arm, subject, kind, dice, contrast="T1w", note="", hd95=1.0):
    return {
        "run": "r", "arm": arm, "subject": subject, "contrast": contrast, "class": kind, "dice": dice,
        "hd95_mm": hd95, "note": note,
    }  # fmt: skip


ROWS = [
    row("ours", "s1", "gm", 0.8),
    row("ours", "s1", "wm", 0.6),
    row("ours", "s2", "gm", 0.2),
    row("ours", "s2", "wm", 0.0, note="empty prediction", hd95=200.0),
    row("scratch", "s1", "gm", 0.5),
    row("ours", "s1", "gm", 0.9, contrast="FLAIR"),
]


def test_classes_are_averaged_within_a_subject_before_subjects():
    first, second, third = summarise(ROWS)
    assert (first["arm"], first["contrast"], first["subjects"], first["scores"]) == ("ours", "T1w", 2, 4)
    assert first["dice"].mean == pytest.approx((0.7 + 0.1) / 2)
    assert first["dice"].count == 2
    assert first["hd95_mm"].mean == pytest.approx((1.0 + 100.5) / 2)
    assert first["empty_predictions"] == 1
    assert (second["arm"], second["dice"].low, second["empty_predictions"]) == ("scratch", None, 0)
    assert third["contrast"] == "FLAIR"


def test_a_subject_scored_more_often_counts_once():
    rows = [row("ours", "s1", "gm", 1.0) for _ in range(9)] + [row("ours", "s2", "gm", 0.0)]
    (line,) = summarise(rows, metrics=("dice",))
    assert line["dice"].mean == 0.5
    assert "hd95_mm" not in line


def test_per_class_lines():
    lines = {(line["arm"], line["class"]): line for line in summarise(ROWS[:5], by=("arm", "contrast", "class"))}
    assert lines["ours", "gm"]["dice"].mean == pytest.approx(0.5)
    assert lines["ours", "wm"]["empty_predictions"] == 1
    assert list(lines) == [("ours", "gm"), ("ours", "wm"), ("scratch", "gm")]


def test_no_interval_of_a_dice_leaves_0_to_1():
    rows = [row("ours", f"s{n}", "gm", dice) for n, dice in enumerate([1.0, 1.0, 0.1])]
    (line,) = summarise(rows)
    assert (line["dice"].low, line["dice"].high) == (0.0, 1.0)


def test_groups_and_means():
    assert subject_means(ROWS[:2], "dice") == {"s1": pytest.approx(0.7)}
    assert {key: len(rows) for key, rows in group_rows(ROWS, ("arm",)).items()} == {("ours",): 5, ("scratch",): 1}


@pytest.mark.parametrize("change", [{"dice": None}, {"dice": "0.5"}, {"dice": float("nan")}, {"dice": True}])
def test_a_score_that_is_no_number_is_refused(change):
    with pytest.raises(InputError):
        summarise([{**ROWS[0], **change}])


def test_a_missing_key_is_named():
    with pytest.raises(InputError, match=r"no key 'arms'.*'arm'"):
        summarise(ROWS, by=("arms",))


def test_no_rows_make_no_lines():
    assert summarise([]) == []
