import base64
import subprocess
import sys

import numpy as np
import pytest
from ledgers import study_ledger
from test_report_page import EVIL, read

from qontrast.basics.errors import InputError
from qontrast.report.study import MOST_PICTURES, worst_cases, write_study_report
from qontrast.report.study_curves import draw_low_data
from qontrast.report.study_tables import comparison_table, empty_table, site_lanes, tier_table, verdict
from qontrast.results.family import compare_arms
from qontrast.results.ledger import append_rows
from qontrast.results.study_rows import study_rows
from qontrast.results.study_table import EVERYWHERE, study_table


def slices(path, count=2, name="worst case"):
    labels = np.random.default_rng(0).integers(0, 2, (count, 9, 8))
    np.savez(
        path,
        image=np.random.default_rng(1).random((count, 9, 8)),
        truth=labels,
        prediction=labels[:, ::-1],
        caption=np.array([f"{name} {n}" for n in range(count)]),
        classes=np.array(["background", "lesion"]),
    )


@pytest.fixture(scope="module")
def ledgered():
    rows = study_ledger(subjects=8, sites=("guys", "hh"), contrasts=("T1w",), arms=("scratch", "seqinv"))
    rows[1]["note"] = "empty prediction"
    rows = [row for row in rows if not (row["arm"] == "scratch" and row["subject"] == "hh-03")]
    sex = [{"subject": f"s{n}", "arm": arm, "correct": n > 2, "task": "sex"} for n in range(7) for arm in (EVIL, "b")]
    return rows + sex


@pytest.fixture(scope="module")
def page(tmp_path_factory, ledgered):
    folder = tmp_path_factory.mktemp("study")
    append_rows(folder / "ledger.jsonl", ledgered)
    (folder / "worst").mkdir()
    slices(folder / "worst" / "lesion.npz", name=EVIL)
    out = folder / "new" / "report.html"
    worst, notes = folder / "worst", ["First.", EVIL]
    write_study_report(out, title=EVIL, ledger=folder / "ledger.jsonl", pictures=worst, notes=notes, arms=("seqinv",))
    return read(out)


def test_the_page_needs_nothing_else_and_hides_nothing(page):
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert all(link.startswith(("data:image/png;base64,", "data:image/svg+xml;base64,", "#")) for link in page.links)
    anchors = {link[1:] for link in page.links if link.startswith("#")}
    assert {"notes", "reading", "task-1", "task-2", "cases"} == anchors <= set(page.ids)
    assert page.text.count(EVIL) > 5  # title twice, a note, captions, an arm


def test_every_picture_says_what_it_shows(page):
    # Dice: all places, two places, two fractions; HD95: all places; accuracy: one strip; two slices
    assert len(page.images) == 3 + 2 + 1 + 1 + 2
    for image in page.images:
        assert len(image["alt"]) > 60
        base64.b64decode(image["src"].partition(";base64,")[2], validate=True)
    told = next(image["alt"] for image in page.images if image["alt"].startswith("Line plot of Dice"))
    assert told.startswith("Line plot of Dice against the labels used for training, all sites and contrasts")
    assert "seqinv: 0.6" in told
    assert "with 1 subject" in told


def test_the_page_holds_tables_tiers_comparisons_and_what_is_missing(page):
    text = " ".join(page.text.split())
    assert "Dice by site and contrast" in text
    assert "all sites all contrasts" in text
    assert "scratch minus seqinv seqinv better \u22120.0" in text
    assert "in one arm only: hh-03" in text
    assert "Not scored: scratch, hh, T1w: hh-03 (1 subject, 3 subjects)." in text
    assert "Empty predictions 0 of 64 1 of 60" in text
    assert "This family holds 2 comparisons." in text
    assert "This family holds 4 comparisons." in text
    assert "Accuracy: tiers of arms" in text
    assert "Read a tier as: not shown to be worse than its first arm." in text
    assert f"{EVIL} 1" in text


def test_of_a_ledger_of_evaluate_there_is_a_page_too(tmp_path):
    rows = [
        {"run": "r", "arm": arm, "data": "embedded", "subject": f"s{n}", "contrast": "mprage", "class": "grey",
         "dice": 0.5 + n / 100, "hd95_mm": 2.0, "note": "", "seed": 0, "train_subjects": 4}
        for arm in "ab" for n in range(3)
    ]  # fmt: skip
    append_rows(tmp_path / "l.jsonl", rows)
    text = read(write_study_report(tmp_path / "p.html", title="t", ledger=tmp_path / "l.jsonl")).text
    assert "Worst cases" not in text
    assert "too few subjects for an interval" in text
    assert "embedded" in text


def test_verdicts_follow_the_better_way():
    rows = study_rows(study_ledger())
    (dice, *_), (distance, *_) = (
        [c for c in compare_arms(rows, metric).comparisons if c.second == "seqinv"] for metric in ("dice", "hd95_mm")
    )
    assert verdict("dice", dice) == "seqinv better"
    assert verdict("hd95_mm", dice) == f"{dice.first} better"
    assert not distance.significant
    assert verdict("hd95_mm", distance) == "not told apart"


def test_a_single_arm_has_no_comparison_and_a_single_fraction_no_curve():
    rows = study_rows(study_ledger(arms=("a",), fractions=(3,)))
    family = compare_arms(rows, "dice")
    assert tier_table(family, ["3 subjects"]) is None
    assert comparison_table(family, ["3 subjects"], "t") is None
    assert draw_low_data(study_table(rows, "dice"), EVERYWHERE) is None


def test_lanes_have_one_dot_per_subject_of_the_site():
    rows = study_rows(study_ledger(fractions=(1,)))
    lanes = site_lanes(rows, "dice", ("seqinv", "scratch", "base"))
    assert [(lane.contrast, lane.arm) for lane in lanes[:3]] == [("guys", arm) for arm in ("seqinv", "scratch", "base")]
    assert all(len(lane.values) == 8 for lane in lanes)
    (first,) = (v for v in [lanes[1].values[0]])
    own = [r["dice"] for r in rows if (r["subject"], r["arm"]) == ("guys-00", "scratch")]
    assert first == pytest.approx(np.mean(own))


def test_empty_predictions_are_told_by_class():
    rows = study_rows(study_ledger())
    rows[1]["note"] = "empty prediction"
    body = empty_table(rows, ("scratch", "base")).body
    assert [line[:2] for line in body][1] == (("scratch", ""), ("white", ""))
    assert body[1][2] == ("1", "of 64")
    assert all(cell[0] == "0" for line in body for cell in line[2:] if line is not body[1])


def test_pictures_are_limited_and_the_rest_is_counted(tmp_path):
    slices(tmp_path / "a.npz", MOST_PICTURES - 1)
    slices(tmp_path / "b.npz", 3)
    first, second = worst_cases(tmp_path)
    assert (len(first.pictures), first.hidden) == (MOST_PICTURES - 1, 0)
    assert (len(second.pictures), second.hidden) == (1, 2)


def test_what_cannot_be_reported_is_refused_and_nothing_is_written(tmp_path):
    append_rows(tmp_path / "l.jsonl", study_ledger(subjects=1))
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.npz").write_bytes(b"PK torn")
    for change, word in [
        ({"ledger": tmp_path / "absent.jsonl"}, "no such file"),
        ({"ledger": tmp_path / "empty.jsonl"}, "no rows"),
        ({"pictures": tmp_path / "absent"}, "no such folder"),
        ({"pictures": tmp_path / "bad"}, r"x\.npz"),
    ]:
        with pytest.raises(InputError, match=word):
            write_study_report(tmp_path / "p.html", title="t", **{"ledger": tmp_path / "l.jsonl", **change})
    assert not (tmp_path / "p.html").exists()


def test_the_report_of_a_study_starts_without_torch_and_without_pyplot():
    code = (
        "import sys, qontrast.report.study, qontrast.results.layout; "
        "print([m for m in ('torch', 'monai', 'matplotlib.pyplot') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
