"""The claims' verdicts follow docs/claims.md, and README quotes what the ledgers say."""

import json
import re
import sys
from pathlib import Path

import pytest

from qontrast.basics.errors import InputError

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "claims"))

import invariance  # noqa: E402
import keep  # noqa: E402
import page  # noqa: E402
import scores  # noqa: E402

SUBJECTS = ("a", "b", "c", "d")


def rows_of(arm, dice, *, site="adni", contrast="T1w", labels=1, schedule="warm-up", seed=0):
    return [
        {"task": "tissue", "arm": arm, "schedule": schedule, "fraction": labels, "seed": seed, "site": site,
         "contrast": contrast, "subject": s, "image": "x", "class": "grey matter", "dice": d, "hd95_mm": 1.0}
        for s, d in zip(SUBJECTS, dice, strict=True)
    ]  # fmt: skip


def verdict_of(name, about, rows):
    (found,) = (c for c in scores.claims(rows) if (c.name, c.about) == (name, about))
    return found.verdict


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [
        ((0.09, 0.10, 0.08, 0.09), "holds"),
        ((0.07, 0.07, 0.07, 0.07), "not reached"),  # smaller than was claimed
        ((0.5, 0.5, 0.5, -0.01), "not reached"),  # large, but one head disagrees
        ((-0.1, 0.0, 0.05, 0.0), "fails"),
    ],
)
def test_a_claim_holds_if_its_size_is_reached_and_all_heads_agree(gain, verdict):
    base = (0.5, 0.4, 0.45, 0.5)
    rows = rows_of("base", base) + rows_of("hybrid", [b + g for b, g in zip(base, gain, strict=True)])
    assert verdict_of("C1, tuned", "base", rows) == verdict
    assert verdict_of("C1, frozen", "base", rows) == "not run"


def test_seen_and_unseen_protocols_are_never_mixed():
    low, high = [0.1] * 4, [0.9] * 4
    unseen = {"site": "portable", "contrast": "T2w", "labels": 3}
    rows = rows_of("base", low, labels=3) + rows_of("hybrid", high, labels=3)
    rows += rows_of("base", high, **unseen) + rows_of("hybrid", low, **unseen)
    assert verdict_of("C2, tuned", "base", rows) == "fails"


def test_arms_are_compared_on_what_both_were_scored_on():
    unseen = {"site": "portable", "contrast": "T2w", "labels": 3}
    elsewhere = {"site": "hammersmith", "contrast": "T2w", "labels": 3}
    rows = rows_of("masked", [0.5] * 4, **unseen) + rows_of("hybrid", [0.4] * 4, **unseen)
    rows += rows_of("hybrid", [0.9] * 4, **elsewhere)
    assert verdict_of("C2, tuned", "masked", rows) == "fails"


def test_arms_are_compared_by_the_seeds_that_both_have():
    unseen = {"site": "portable", "contrast": "T2w", "labels": 3}
    rows = rows_of("masked", [0.5] * 4, **unseen) + rows_of("hybrid", [0.4] * 4, **unseen)
    rows += rows_of("hybrid", [0.9] * 4, seed=1, **unseen)
    assert verdict_of("C2, tuned", "masked", rows) == "fails"


def test_a_claim_needs_its_sign_with_every_seed():
    rows = rows_of("base", [0.5] * 4) + rows_of("hybrid", [0.9] * 4)
    assert verdict_of("C1, tuned", "base", rows) == "holds"
    rows += rows_of("base", [0.5] * 4, seed=1) + rows_of("hybrid", [0.49] * 4, seed=1)
    assert verdict_of("C1, tuned", "base", rows) == "not reached"


def test_a_part_has_to_be_worth_more_than_another_training():
    unseen = {"site": "portable", "contrast": "T2w", "labels": 3}
    name, rows = ("no-dense, tuned", "no-dense"), []
    near, far = (rows_of("no-dense", [dice] * 4, **unseen) for dice in (0.55, 0.45))
    for seed, dice in enumerate((0.6, 0.65, 0.55)):
        assert verdict_of(*name, rows + far) == "not run"
        rows += rows_of("hybrid", [dice] * 4, seed=seed, **unseen)
    assert verdict_of(*name, rows + near) == "not told apart"
    assert verdict_of(*name, rows + far) == "holds"


def test_ranges_are_compared_at_equal_sequences_and_what_was_held_out_where_it_was():
    low, flair = {"site": "portable", "contrast": "T2w"}, {"site": "biobank", "contrast": "FLAIR"}
    seven = {"site": "seven", "contrast": "UNI"}
    rows = [r for seed in range(3) for r in rows_of("hybrid", [0.6] * 4, labels=3, seed=seed, **low)]
    rows += rows_of("six-sequences", [0.6] * 4, labels=3, **low) + rows_of(
        "published-ranges", [0.5] * 4, labels=3, **low
    )
    for place, ours in ((low, 0.5), (flair, 0.5), (seven, 0.0)):  # the last was simulated, and does not count
        rows += rows_of("held-out", [ours] * 4, labels=3, **place) + rows_of("base", [0.3] * 4, labels=3, **place)
    assert verdict_of("ranges, tuned", "published-ranges", rows) == "holds"
    assert verdict_of("held-out, tuned", "base", rows) == "holds"


def test_encoders_with_a_new_decoder_are_a_task_of_their_own():
    unseen = {"site": "portable", "contrast": "T2w", "labels": 3}
    both = rows_of("hybrid", [0.7] * 4, **unseen) + rows_of("masked", [0.5] * 4, **unseen)
    assert verdict_of("encoder alone, tuned", "masked", both) == "not run"
    alone = [row | {"task": "tissue-encoder"} for row in both]
    assert verdict_of("encoder alone, tuned", "masked", alone) == "holds"
    assert verdict_of("C2, tuned", "masked", alone) == "not run"


def test_the_better_schedule_of_a_rival_counts_and_a_claim_is_its_worst_part():
    rows = rows_of("hybrid", [0.7] * 4) + rows_of("base", [0.5] * 4) + rows_of("base", [0.65] * 4, schedule="full")
    rows += rows_of("hybrid", [0.9] * 4, schedule="full")  # ours was fixed beforehand
    found = scores.claims(rows)
    (base,) = (c for c in found if (c.name, c.about) == ("C1, tuned", "base"))
    assert (base.second, base.verdict) == ("base, full", "not reached")
    assert scores.joint(found, "C1, tuned") == "not reached"
    worse = scores.claims(rows + rows_of("seqaug", [0.8] * 4))
    assert scores.joint(worse, "C1, tuned") == "fails"
    assert scores.joint(worse, "C3") == "not run"


def test_parts_are_judged_at_the_same_schedule():
    unseen = {"site": "portable", "contrast": "T2w", "labels": 3}
    rows = [r for seed in range(3) for r in rows_of("hybrid", [0.6] * 4, seed=seed, **unseen)]
    rows += rows_of("no-dense", [0.5] * 4, **unseen) + rows_of("no-dense", [0.9] * 4, schedule="full", **unseen)
    assert verdict_of("no-dense, tuned", "no-dense", rows) == "holds"


@pytest.mark.parametrize(("control", "verdict"), [(0.6, "fails"), (0.5, "holds")])
def test_plain_segmentation_of_the_same_images_decides_whether_few_labels_are_claimed(control, verdict):
    unseen = {"site": "portable", "contrast": "T2w", "labels": 3}
    rows = rows_of("hybrid", [0.6] * 4, **unseen) + rows_of("supervised", [control] * 4, **unseen)
    assert verdict_of(scores.CONTROL, "supervised", rows) == verdict
    said = page.claim_table(scores.claims(rows), {})
    assert ("no claim about few labels" in said) == (verdict == "fails")


def swept(arm, dice, retrieval):
    points = [{"task": "sweep", "arm": arm, "model": "warm-up", "useless": False, "dice_mean": d} for d in dice]
    moved = {"task": "sweep", "arm": arm, "useless": False, "retrieval": retrieval, "drift_relative": 0.1}
    return [*points, moved, {"task": "leakage", "arm": arm, "leakage": 0.2}]


@pytest.mark.parametrize(
    ("dice", "retrieval", "verdict"),
    [
        ((0.6, 0.62), 0.8, "holds"),
        ((0.6, 0.62), 0.45, "not reached"),  # more than base, and hardly more than chance
        ((0.1, 0.1), 0.8, "not reached"),  # steady, and worse
        ((0.1, 0.1), 0.2, "fails"),
    ],
)
def test_steady_means_as_good_too_and_found_again_means_above_chance(dice, retrieval, verdict):
    rows = swept("base", (0.4, 0.7), 0.4) + swept("hybrid", dice, retrieval)
    rows += [{**row, "model": "full"} for row in swept("base", (0.1, 0.12), 0.4)[:2]]  # the worse one does not count
    rows.append({**rows[0], "arm": "hybrid", "useless": True, "dice_mean": 0.0})  # an image without tissue
    assert invariance.verdicts(invariance.steadiness(rows)) == {"base": verdict, "masked": "not run"}


def test_what_is_kept_of_sweeps_is_what_they_wrote(tmp_path, monkeypatch):
    monkeypatch.setattr(keep, "KEPT", tmp_path)
    for kind, column, value in (("warm-up", "dice_mean", "0.5"), ("encoder", "retrieval", "0.75")):
        folder = tmp_path / "sweeps" / "base" / kind
        folder.mkdir(parents=True)
        lines = [f"sequence,field_T,state,useless,drift_relative,{column}", f"mprage,3,scored,,,{value}"]
        lines += [f"flair,3,scored,no tissue,,{value}", "fse,3,impossible,,,"]
        (folder / "points.csv").write_text("\n".join(lines) + "\n")
    told = [
        {"state": "scored", "head": head, "sequence": sequence, "embedding": [way, float(number)]}
        for number, head in enumerate(SUBJECTS) for sequence, way in (("mprage", 1.0), ("flair", -1.0))
    ]  # fmt: skip
    (folder / "sweep.jsonl").write_text("".join(json.dumps(row) + "\n" for row in told))
    kept = scores.kept_rows(keep.keep(tmp_path / "sweeps").parent)
    assert [(r["sequence"], r["useless"], r.get("dice_mean"), r.get("retrieval")) for r in kept if "useless" in r] == [
        ("mprage", False, None, 0.75), ("flair", True, None, 0.75),
        ("mprage", False, 0.5, None), ("flair", True, 0.5, None),
    ]  # fmt: skip
    assert [r["leakage"] for r in kept if r["task"] == "leakage"] == [1.0]


def test_the_controls_protocols_become_the_studies_places(tmp_path, monkeypatch):
    monkeypatch.setattr(keep, "KEPT", tmp_path)
    folder = tmp_path / "supervised"
    folder.mkdir()
    row = {
        "contrast": "lowfield-t2",
        "subject": "a",
        "class": "white matter",
        "dice": 0.5,
        "schedule": "full",
        "seed": 0,
    }
    (folder / "ledger.jsonl").write_text(json.dumps(row) + "\n")
    (kept,) = scores.kept_rows(keep.keep(folder).parent)
    assert (kept["site"], kept["contrast"], kept["fraction"], kept["arm"]) == ("portable", "T2w", 3, "supervised")


def test_strokes_of_drawn_shapes_are_not_kept(tmp_path):
    row = {"task": "lesion", "lesions": "acute-stroke, drawn shapes, in 1 of heads"}
    (tmp_path / "ledger.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(InputError, match="drawn shapes"):
        keep.keep(tmp_path)


def test_the_page_shows_every_arm_that_was_run(tmp_path, monkeypatch):
    for name, value in (("DOCS", tmp_path), ("FOLDER", tmp_path / "results")):
        monkeypatch.setattr(page, name, value)
    unseen = {"site": "portable", "contrast": "T2w", "labels": 3}
    rows = (
        rows_of("base", [0.51] * 4)
        + rows_of("hybrid", [0.62, 0.63, 0.64, 0.63])
        + rows_of("hybrid", [0.7] * 4, **unseen)
    )
    page.main(rows)
    text = (tmp_path / "results.md").read_text()
    assert "| base | warm-up | 0.510" in text
    assert "| hybrid | warm-up | 0.630 [" in text
    assert "masked" not in text.split("## C1")[1]
    assert page.numbers(scores.claims(rows), page.cells(rows))["hybrid, warm-up, 3 labelled, others"] == "0.700"
    assert (tmp_path / "results" / "c1.png").read_bytes().startswith(b"\x89PNG")


QUOTE = re.compile(r"<!-- claims: (.+?) -->([^<]*)<!-- -->")


def wrong_quotes(text, numbers):
    return [(name, said) for name, said in QUOTE.findall(text) if numbers.get(name) != said]


def test_a_number_that_is_not_the_ledgers_is_found():
    text = "gains <!-- claims: C1, tuned, above base -->+0.090<!-- --> of Dice"
    assert wrong_quotes(text, {"C1, tuned, above base": "+0.090"}) == []
    assert wrong_quotes(text, {"C1, tuned, above base": "+0.080"})
    assert wrong_quotes(text, {})


def test_readme_quotes_the_ledgers():
    rows = scores.kept_rows()
    numbers = page.numbers(scores.claims(rows), page.cells(rows))
    assert wrong_quotes((ROOT / "README.md").read_text(encoding="utf-8"), numbers) == []
