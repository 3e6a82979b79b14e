"""Lesions and denoising as tasks of a study, which `evaluate` scores, beside tissues."""

import pytest

from qontrast.results.ledger import read_rows
from qontrast.studies.run import run_study
from qontrast.studies.study import open_study

SITES = {"here": {"contrasts": {"T1w": "mprage", "T2w": "fse"}}}
PATHOLOGY = {"lesions": 1.0, "kinds": ["chronic-stroke"], "ageing": 0.0}
TASKS = {"tissue": {}, "lesion": {"task": "lesion", "views": {"pathology": PATHOLOGY}}, "noise": {"task": "denoise"}}
SCORES = {"tissue": "dice", "lesion": "lesion_f1", "noise": "psnr_db"}


def test_tasks_of_all_kinds_end_in_one_ledger_and_one_report(study_plan, people, tmp_path):
    plan, out = study_plan(people(count=4), sites=SITES, tasks=TASKS, seeds=[0, 1]), tmp_path / "study"
    run_study(plan, out, quiet=True)
    rows = read_rows(out / "ledger.jsonl")
    tested = open_study(plan, out, quiet=True).split.names("here", "test")
    for task, score in SCORES.items():
        mine = [row for row in rows if row["task"] == task]
        assert {(r["seed"], r["site"], r["contrast"], r["subject"]) for r in mine} == {
            (seed, "here", contrast, subject) for seed in (0, 1) for contrast in ("T1w", "T2w") for subject in tested
        }
        assert all(isinstance(row[score], float) for row in mine)
        assert {(r["train_contrast"], r["fraction"], r["schedule"], r["arm"]) for r in mine} == {
            ("T1w", 1, "full", "scratch")
        }
        assert len({row["cell_digest"] for row in mine}) == 2
    lesions = [row for row in rows if row["task"] == "lesion"]
    assert all(row["truth_voxels"] > 0 for row in lesions)
    heads = {(r["seed"], r["contrast"], r["subject"]): r["truth_voxels"] for r in lesions}
    assert all(heads[0, c, s] == heads[1, c, s] for _, c, s in heads)  # every cell is tested on the same lesions
    noises = [row for row in rows if row["task"] == "noise"]
    noisy = {(r["seed"], r["contrast"], r["subject"], r["snr"]): r["noisy_psnr_db"] for r in noises}
    assert all(noisy[0, *key] == pytest.approx(noisy[1, *key]) for _, *key in noisy)  # and on the same noise
    page = (out / "report.html").read_text(encoding="utf-8")
    assert all(word in page for word in ("tissue", "lesion", "noise", "PSNR", "Lesion-wise F1"))


def test_a_study_of_other_tasks_goes_on_where_it_was(study_plan, people, tmp_path):
    tasks = {name: TASKS[name] for name in ("lesion", "noise")}
    plan, out = study_plan(people(count=4), tasks=tasks), tmp_path / "study"
    run_study(plan, out, quiet=True)
    before = (out / "ledger.jsonl").read_bytes()
    for scores in (out / "cells").glob("*/scores.jsonl"):
        scores.unlink()
    run_study(plan, out, quiet=True)
    assert (out / "ledger.jsonl").read_bytes() == before
