"""The claims' verdicts follow docs/claims.md, and README quotes what the ledgers say."""

import json
import re
import sys
from itertools import chain
from pathlib import Path

import pytest

from qontrast.basics.errors import InputError

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "claims"))

import invariance  # noqa: E402
import keep  # noqa: E402
import page  # noqa: E402
import scores  # noqa: E402
import strokes_page  # noqa: E402

SUBJECTS = ("a", "b", "c", "d")


def rows_of(arm, dice, *, site="adni", contrast="T1w", labels=1, schedule="full", seed=0):
    return [
        {"task": "tissue", "arm": arm, "schedule": schedule, "fraction": labels, "seed": seed, "site": site,
         "contrast": contrast, "subject": s, "image": "x", "class": "grey matter", "dice": d, "hd95_mm": 1.0}
        for s, d in zip(SUBJECTS, dice, strict=True)
    ]  # fmt: skip


UNSEEN = {"site": "portable", "contrast": "T2w", "labels": 3}


def trained(arm, dice, *, seeds=(0, 1, 2), schedules=("full", "frozen"), **place):
    return [r for seed in seeds for how in schedules for r in rows_of(arm, dice, schedule=how, seed=seed, **place)]


def rivals(dice, **place):
    """All of them in all ways, the main arms three times."""
    rows = [r for arm in scores.RIVALS for r in trained(arm, dice, seeds=(0,), **place)]
    return rows + [r for arm in ("scratch", "base") for r in trained(arm, dice, seeds=(1, 2), **place)]


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
    rows = rivals(base) + trained("hybrid", [b + g for b, g in zip(base, gain, strict=True)])
    assert verdict_of("C1, tuned", "base", rows) == verdict
    assert verdict_of("C1, frozen", "base", [r for r in rows if r["schedule"] == "full"]) == "not run"


def test_seen_and_unseen_protocols_are_never_mixed():
    low, high = [0.1] * 4, [0.9] * 4
    rows = rivals(low, labels=3) + trained("hybrid", high, labels=3) + rivals(high, **UNSEEN)
    assert verdict_of("C2, tuned", "base", rows + trained("hybrid", low, **UNSEEN)) == "fails"


@pytest.mark.parametrize("lacking", ["protocol", "seed of ours", "seed of base", "a rival", "a schedule"])
def test_nothing_is_judged_before_all_that_it_needs_is_there(lacking):
    rows = rivals([0.5] * 4, **UNSEEN) + trained("hybrid", [0.9] * 4, **UNSEEN)
    assert verdict_of("C2, tuned", "base", rows) == verdict_of("C2, tuned", "best rival", rows) == "holds"
    about = "best rival" if lacking == "a rival" else "base"
    if lacking == "protocol":
        rows += trained("hybrid", [0.9] * 4, **{**UNSEEN, "site": "hammersmith"})
    else:
        gone = {
            "seed of ours": lambda r: r["arm"] == "hybrid" and r["seed"] == 2,
            "seed of base": lambda r: r["arm"] == "base" and r["seed"] == 2,
            "a rival": lambda r: r["arm"] == "seqinv",
            "a schedule": lambda r: r["arm"] == "base" and r["schedule"] == "full",
        }[lacking]
        rows = [row for row in rows if not gone(row)]
    assert verdict_of("C2, tuned", about, rows) == "not run"


def test_a_claim_needs_its_sign_with_every_seed():
    rows = rivals([0.5] * 4) + trained("hybrid", [0.9] * 4, seeds=(0, 1))
    assert verdict_of("C1, tuned", "base", rows + trained("hybrid", [0.9] * 4, seeds=(2,))) == "holds"
    assert verdict_of("C1, tuned", "base", rows + trained("hybrid", [0.49] * 4, seeds=(2,))) == "not reached"


@pytest.mark.parametrize("second", ["no-dense", "masked"])
def test_what_was_trained_once_has_to_differ_by_more_than_another_training(second):
    name = "no-dense, tuned" if second == "no-dense" else "C2, tuned"
    rows = [r for n, d in enumerate((0.6, 0.65, 0.55)) for r in trained("hybrid", [d] * 4, seeds=(n,), **UNSEEN)]
    assert verdict_of(name, second, rows + trained(second, [0.55] * 4, seeds=(0,), **UNSEEN)) == "not told apart"
    assert verdict_of(name, second, rows + trained(second, [0.45] * 4, seeds=(0,), **UNSEEN)) == "holds"


def test_ranges_are_compared_at_equal_sequences_and_what_was_held_out_where_it_was():
    low, flair = UNSEEN, {"site": "biobank", "contrast": "FLAIR", "labels": 3}
    seven = {"site": "seven", "contrast": "UNI", "labels": 3}
    rows = [r for place in (low, flair, seven) for r in trained("hybrid", [0.6] * 4, **place)]
    rows += trained("six-sequences", [0.6] * 4, **low) + trained("published-ranges", [0.5] * 4, **low)
    for place, ours in ((low, 0.5), (flair, 0.5), (seven, 0.0)):  # the last was simulated, and does not count
        rows += trained("held-out", [ours] * 4, seeds=(0,), **place) + rivals([0.3] * 4, **place)
    assert verdict_of("ranges, tuned", "published-ranges", rows) == "holds"
    assert verdict_of("held-out, tuned", "base", rows) == "holds"


def test_encoders_with_a_new_decoder_are_a_task_of_their_own_and_take_their_better_schedule():
    both = trained("hybrid", [0.4] * 4, seeds=(0,), schedules=("frozen",), **UNSEEN)
    both += trained("hybrid", [0.7] * 4, seeds=(0,), schedules=("full",), **UNSEEN)
    both += trained("masked", [0.5] * 4, seeds=(0,), **UNSEEN)
    assert verdict_of("encoder alone, tuned", "masked", both) == "not run"
    alone = [row | {"task": "tissue-encoder"} for row in both]
    assert verdict_of("encoder alone, tuned", "masked", alone) == "holds"
    assert verdict_of("C2, tuned", "masked", alone) == "not run"


def test_the_better_schedule_of_both_counts_and_a_claim_is_its_worst_part():
    rows = rivals([0.5] * 4) + trained("hybrid", [0.7] * 4, schedules=("frozen",))
    rows += trained("hybrid", [0.6] * 4, schedules=("full",))
    better = [row | {"dice": 0.65} if (row["arm"], row["schedule"]) == ("base", "full") else row for row in rows]
    (base,) = (c for c in scores.claims(better) if (c.name, c.about) == ("C1, tuned", "base"))
    assert (base.first, base.second, base.verdict) == ("hybrid, frozen", "base, full", "not reached")
    assert scores.joint(scores.claims(better), "C1, tuned") == "not reached"
    worse = [row | {"dice": 0.8} if row["arm"] == "seqaug" else row for row in rows]
    assert scores.joint(scores.claims(worse), "C1, tuned") == "fails"
    assert scores.joint(scores.claims(worse), "C3") == "not run"


@pytest.mark.parametrize(("control", "verdict"), [(0.6, "fails"), (0.59, "not told apart"), (0.5, "holds")])
def test_plain_segmentation_of_the_same_images_decides_whether_few_labels_are_claimed(control, verdict):
    rows = [r for n, d in enumerate((0.6, 0.62, 0.58)) for r in trained("hybrid", [d] * 4, seeds=(n,), **UNSEEN)]
    rows += rows_of("supervised", [control] * 4, schedule="full", **{**UNSEEN, "labels": 16})
    assert verdict_of(scores.CONTROL, "on C2", rows) == verdict
    said = page.claim_table([c for c in scores.claims(rows) if c.about != "on C1"], {})
    assert ("| C2, tuned | not run, **void** |" in said) == (verdict != "holds")


def test_a_claim_about_few_labels_stays_open_without_the_control():
    rows = rivals([0.5] * 4) + trained("hybrid", [0.7] * 4)
    assert "| C1, tuned | holds, open: the control was not run |" in page.claim_table(scores.claims(rows), {})


def swept(arm, dice, retrieval):
    points = [{"task": "sweep", "arm": arm, "model": "frozen", "useless": False, "dice_mean": d} for d in dice]
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
    assert invariance.verdicts(invariance.steadiness(rows)) == {
        "base": verdict, "masked": "not run", "seqinv": "not run"
    }  # fmt: skip


def test_what_is_kept_of_sweeps_is_what_they_wrote(tmp_path, monkeypatch):
    monkeypatch.setattr(keep, "KEPT", tmp_path)
    for kind, column, value in (("frozen", "dice_mean", "0.5"), ("encoder", "retrieval", "0.75")):
        folder = tmp_path / "sweeps" / "base" / kind
        folder.mkdir(parents=True)
        lines = [f"sequence,field_T,name,state,useless,drift_relative,{column}", "mprage,3,,scored,,,1"]
        lines += [f"mprage,3,,scored,,,{value}", f"flair,3,,scored,no tissue,,{value}", "fse,3,,impossible,,,"]
        lines += [f"mprage,3,{keep.REFERENCE},scored,,,1"]  # the reference itself, as the first one
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
    steps = "".join(json.dumps({"step": n, "loss": 1.0, "time": 30.0 * n}) + "\n" for n in range(4))
    (folder / "journal.jsonl").write_text(steps + json.dumps({"step": 4, "time": 999.0}) + "\n")
    kept, cost = scores.kept_rows(keep.keep(folder).parent)
    assert (kept["site"], kept["contrast"], kept["fraction"], kept["arm"]) == ("portable", "T2w", 16, "supervised")
    assert (cost["arm"], cost["steps"], cost["minutes"]) == ("supervised", 4, 2.0)


def test_strokes_of_drawn_shapes_are_not_kept(tmp_path):
    row = {"task": "lesion", "lesions": "acute-stroke, drawn shapes, in 1 of heads"}
    (tmp_path / "ledger.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(InputError, match="drawn shapes"):
        keep.keep(tmp_path)


@pytest.mark.parametrize("folder", ["/home/me/my data/lesions", "/data/lesions/", "C:\\me\\lesions", "lesions"])
def test_of_the_folder_of_masks_only_the_name_is_kept(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(keep, "KEPT", tmp_path / "kept")
    (tmp_path / "kept").mkdir()
    (tmp_path / "strokes").mkdir()
    row = {"task": "lesion", "run": "base", "seed": 4, "dice": 0.5, "subject": "a", "image": "ukb-flair"}
    row |= {"lesions": f"acute-stroke, masks of {folder} left out of learning, in 1 of heads, 1/2 aged"}
    (tmp_path / "strokes" / "ledger.jsonl").write_text(json.dumps(row) + "\n")
    (kept,) = scores.kept_rows(keep.keep(tmp_path / "strokes").parent)
    assert kept["lesions"] == "acute-stroke, masks of lesions left out of learning, in 1 of heads, 1/2 aged"
    assert (kept["arm"], kept["fraction"], kept["seed"], kept["image"]) == ("base", 16, 0, "stroke 4")


def strokes_found(arm, dice, *, labels, image="x", schedule="full"):
    return [
        row | {"task": "lesion", "class": "lesion", "image": image}
        for row in rows_of(arm, dice, site="biobank", contrast="FLAIR", labels=labels, schedule=schedule)
    ]


def test_the_second_try_of_c4_is_judged_by_all_six_strokes_of_each_head():
    first = [
        row
        for arm in (*scores.RIVALS, "hybrid")
        for how in scores.SCHEDULES
        for row in strokes_found(arm, [0.05 if arm == "hybrid" else 0.1] * 4, labels=3, schedule=how)
    ]
    rivals = [
        row
        for arm in ("scratch", "masked", "base")
        for n in range(6)
        for row in strokes_found(arm, [0.3] * 4, labels=16, image=str(n))
    ]
    mine = [strokes_found("hybrid", [0.4] * 4, labels=16, image=str(n)) for n in range(6)]
    verdicts = {n: verdict_of("C4, second try", "base", first + rivals + [*chain(*mine[:n])]) for n in (0, 1, 5, 6)}
    assert verdicts == {0: "not run", 1: "not run", 5: "not run", 6: "holds"}
    assert verdict_of("C4", "base", first + rivals + [*chain(*mine)]) == "fails"
    lacking = [row for row in rivals if (row["arm"], row["subject"], row["image"]) != ("base", "a", "3")]
    assert verdict_of("C4, second try", "base", first + lacking + [*chain(*mine)]) == "not run"
    poor = [row for n in (0, 1) for row in strokes_found("hybrid", [0.0] * 4, labels=16, image=str(n))]
    assert verdict_of("C4, second try", "base", first + rivals + poor + [*chain(*mine[2:])]) == "fails"


def test_the_second_try_is_shown_by_kind_of_stroke():
    acute = strokes_found("base", [0.3, 0.5, 0.4, 0.4], labels=16, image="1")
    chronic = strokes_found("base", [0.1] * 4, labels=16, image="2")
    person = {"acute-stroke": "acute-stroke", "chronic-stroke": "72 years, ventricles × 1.3, chronic-stroke"}
    rows = [row | {"person": person["acute-stroke"], "lesion_f1": 1.0} for row in acute]
    rows += [row | {"person": person["chronic-stroke"], "lesion_f1": 0.5} for row in chronic[:2]]
    first = strokes_found("base", [0.9] * 4, labels=3)
    assert strokes_page.kinds_table(first) == ""
    head, _, *lines = strokes_page.kinds_table(first + rows).split("\n\n")[1].splitlines()
    assert [cell.split(",")[1] for cell in head.split("|")[2:-1]] == [" acute-stroke (4) ", " chronic-stroke (2) "] * 2
    (base,) = [line for line in lines if line.startswith("| base")]
    assert re.findall(r"\| (\d\.\d+)", base) == ["0.400", "0.100", "1.000", "0.500"]


def denoised_by(arm, psnr, *, labels, schedule="full"):
    return [
        row | {"task": "denoise", "class": "image", "psnr_db": psnr}
        for row in rows_of(arm, [0.0] * 4, labels=labels, schedule=schedule)
    ]


def test_whether_4_db_could_be_reached_is_the_best_second_try_over_base_of_the_first():
    first = denoised_by("base", 20.0, labels=3, schedule="frozen") + denoised_by("base", 21.0, labels=3)
    assert scores.reached(first + denoised_by("hybrid", 30.0, labels=3)) is None
    arm, base, compared = scores.reached(
        first + denoised_by("hybrid", 22.0, labels=16) + denoised_by("scratch", 23.5, labels=16)
    )
    assert (arm, base, compared.difference.mean) == ("scratch", "base, full", 2.5)


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
    assert "| base | full | 0.510" in text
    assert "| hybrid | full | 0.630 [" in text
    assert "masked" not in text.split("## C1")[1]
    page.main(rows + rows_of("supervised", [0.52] * 4, schedule="full", **{**unseen, "labels": 16}))
    assert re.search(r"\| supervised \| full \| .*0\.520 \[", (tmp_path / "results.md").read_text().split("## C2:")[1])
    assert page.numbers(scores.claims(rows), page.cells(rows), {})["hybrid, full, 3 labelled, others"] == "0.700"
    assert (tmp_path / "results" / "c1.png").read_bytes().startswith(b"\x89PNG")


def test_encoders_that_were_trained_anew_are_shown_apart_and_decide_nothing(tmp_path, monkeypatch):
    for module, name, value in ((keep, "KEPT", tmp_path), (page, "DOCS", tmp_path), (page, "FOLDER", tmp_path / "r")):
        monkeypatch.setattr(module, name, value)
    (tmp_path / keep.TEN).mkdir()
    rows = rows_of("hybrid", [0.61] * 4, labels=10) + rows_of("hybrid", [0.7] * 4, **UNSEEN)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / keep.TEN / "ledger.jsonl").write_text(text)
    kept = scores.kept_rows(keep.keep(tmp_path / keep.TEN).parent)
    assert {claim.verdict for claim in scores.claims(kept)} == {"not run"}
    page.main(kept)
    shown = (tmp_path / "results.md").read_text().split("## Ten labelled heads")[1]
    assert "| hybrid | full | – | 0.610 [0.610, 0.610] | 0.700 [0.700, 0.700] | – |" in shown


QUOTE = re.compile(r"<!-- claims: (.+?) -->([^<]*)<!-- -->")


def wrong_quotes(text, numbers):
    return [(name, said) for name, said in QUOTE.findall(text) if numbers.get(name) != said]


def test_the_real_scan_has_a_line_for_each_arm_and_schedule_and_decides_nothing():
    rows = trained("hybrid", (0.5,) * 4, seeds=(0,), schedules=("full",))
    real = [
        {"task": "real", "arm": arm, "schedule": how, "class": name, "dice": dice}
        for arm, how, scores_of in (("hybrid", "full", (0.7, 0.6)), ("supervised", "full", (0.8, 0.81)))
        for name, dice in zip(("white matter", "grey matter"), scores_of, strict=True)
    ]
    shown = page.real_table(rows + real)
    assert "| hybrid | full | 0.600 | 0.700 |" in shown
    assert "| supervised | full | 0.810 | 0.800 |" in shown
    assert page.real_table(rows) == ""
    assert page.cells(rows + real) == page.cells(rows)


def test_a_number_that_is_not_the_ledgers_is_found():
    text = "gains <!-- claims: C1, tuned, above base -->+0.090<!-- --> of Dice"
    assert wrong_quotes(text, {"C1, tuned, above base": "+0.090"}) == []
    assert wrong_quotes(text, {"C1, tuned, above base": "+0.080"})
    assert wrong_quotes(text, {})


def test_readme_quotes_the_ledgers():
    rows = scores.kept_rows()
    numbers = page.quotable(rows)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert wrong_quotes(readme, numbers) == []
    quoted = {name for name, _ in QUOTE.findall(readme)}
    assert quoted >= {"hybrid, frozen, 3 labelled, others", "supervised, full, 16 labelled, others"}


def test_the_page_in_the_repository_is_the_one_that_the_ledgers_make(tmp_path, monkeypatch):
    for name, value in (("DOCS", tmp_path), ("FOLDER", tmp_path / "results")):
        monkeypatch.setattr(page, name, value)
    page.main()
    written = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.*") if path.suffix in (".md", ".csv"))
    assert len(written) == 9
    for name in written:
        assert (tmp_path / name).read_text() == (ROOT / "docs" / name).read_text(), f"{name}: run `make claims`"
