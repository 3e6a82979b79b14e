"""Whole studies, tiny: every row, kill and restart, several processes, a cell that fails."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import nibabel as nib
import numpy as np
import pytest

from qontrast.basics.errors import InputError, PlanError, QontrastError
from qontrast.results.ledger import read_rows
from qontrast.studies import making, run, workers
from qontrast.studies.run import missing_keys, run_cell, run_study
from qontrast.studies.scoring import weights_digest
from qontrast.studies.study import open_study
from qontrast.tasks.plan_file import plan_text

SITES = {"here": {"contrasts": {"T1w": "mprage"}}, "there": {"contrasts": {"T2w": "ixi-hh-t2"}}}
SCORED = {
    "truth", "volume_error_ml",
    "run", "task", "arm", "schedule", "fraction", "train_subjects", "seed", "train_site", "train_contrast",
    "cell_digest", "encoder_digest", "model_digest", "train_data_digest", "site", "contrast", "subject", "session",
    "image", "data_digest", "class", "dice", "hd95_mm", "truth_voxels", "predicted_voxels", "note",
}  # fmt: skip


@pytest.fixture
def two_arms(study_plan, people):
    """From scratch and pretrained for two steps, on one labelled subject, of three to train and two to test on."""
    tiny = {"dropout": 0, "probe": {"every": 0}, "views": {"crop": 32, "spacing": 2.5}, "batch": 2}
    tiny |= {"optimisation": {"steps": 2}, "compute": {"device": "cpu", "precision": "32", "workers": 0}}
    split = {"train": 0.6, "validation": 0.0, "test": 0.4}
    arms = {"scratch": {}, "ours": {"pretrain": {}}}
    return study_plan(people(count=5), sites=SITES, arms=arms, split=split, pretraining=tiny)


@pytest.fixture
def notes(monkeypatch):
    """What reports would say; they are not drawn, which takes longer than all else."""
    said = []
    monkeypatch.setattr(run, "report", lambda study, notes: said.append(notes) or study.out / "report.html")
    return said


def test_every_score_has_a_row_and_nothing_is_done_twice(two_arms, tmp_path, capsys, monkeypatch):
    out = tmp_path / "study"
    run_study(two_arms, out)
    rows = read_rows(out / "ledger.jsonl")
    study = open_study(two_arms, out, quiet=True)
    tested = study.split.names("here", "test")
    classes = {"grey matter", "white matter", "cerebrospinal fluid"}
    assert all(set(row) == SCORED for row in rows)
    assert {(r["arm"], r["site"], r["contrast"], r["subject"], r["class"]) for r in rows} == {
        (arm, site, contrast, subject, name)
        for arm in ("scratch", "ours") for site, contrast in (("here", "T1w"), ("there", "T2w"))
        for subject in tested for name in classes
    }  # fmt: skip
    assert len(rows) == 2 * 2 * 2 * 3
    labelled = {json.dumps([r["train_subjects"], r["train_data_digest"], r["seed"]]) for r in rows}
    assert len(labelled) == 1  # both arms see the same labels
    truths = {(r["site"], r["subject"], r["class"], r["truth_voxels"], r["data_digest"]) for r in rows}
    assert len(truths) == 12  # and the same test scans
    assert {r["encoder_digest"] for r in rows if r["arm"] == "scratch"} == {None}
    pretrained = (out / "pretrain" / "ours" / "plan.yaml").read_text()
    assert all(name in pretrained for name in study.split.names("here", "train"))
    assert not any(name in pretrained for name in tested)
    assert (out / "report.html").is_file()
    assert not (out / "failures.jsonl").exists()
    assert len(read_rows(out / "times.jsonl")) == 2

    ledger = (out / "ledger.jsonl").read_bytes()
    for name in ("pretrain", "finetune", "score_cell"):
        monkeypatch.setattr(making, name, lambda *_, **__: pytest.fail("done twice"))
    run_study(two_arms, out)
    assert (out / "ledger.jsonl").read_bytes() == ledger
    assert "2 cells are there already" in capsys.readouterr().out


BEGIN = "from qontrast.__main__ import main; main()"


def test_two_processes_killed_halfway_and_one_that_goes_on_give_the_ledger_of_one(study_plan, people, tmp_path, notes):
    """The command with --jobs 2 is killed, its workers with it; then this process alone does the rest."""
    plan = study_plan(people(count=4), seeds=[0, 1, 2], finetune={"optimisation": {"steps": 3}})
    (tmp_path / "study.yaml").write_text(plan_text(plan))
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    arguments = ["study", str(tmp_path / "study.yaml"), "--out", str(killed), "--quiet", "--jobs", "2"]
    process = subprocess.Popen([sys.executable, "-c", BEGIN, *arguments], env={**os.environ, "OMP_NUM_THREADS": "1"})

    def half_done():
        cells = list((killed / "cells").glob("tissue*"))
        done = {cell for cell in cells if (cell / "scores.jsonl").is_file()}
        return done, {cell for cell in cells if (cell / "run" / "checkpoint.safetensors").is_file()} - done

    wait = time.monotonic() + 120
    while not (seen := all(half_done())) and process.poll() is None and time.monotonic() < wait:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert seen
    done, half = half_done()  # a worker may have finished its cell before it noticed
    assert not (killed / "ledger.jsonl").is_file()
    stamps = {cell: (cell / "scores.jsonl").stat().st_mtime_ns for cell in done}
    run_study(plan, killed, quiet=True)
    assert {cell: (cell / "scores.jsonl").stat().st_mtime_ns for cell in done} == stamps
    for cell in half:
        steps = [row["step"] for row in read_rows(cell / "run" / "journal.jsonl", allow_nan=True)]
        assert steps == sorted(set(steps))  # gone on with, not begun again
    run_study(plan, whole, quiet=True)
    assert (killed / "ledger.jsonl").read_bytes() == (whole / "ledger.jsonl").read_bytes()


def test_a_process_that_dies_fails_the_cell_that_it_was_at():
    own, other = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    process.start()
    other.close()
    worker = workers._Worker(process, own, "a cell")
    os.kill(process.pid, signal.SIGKILL)
    assert workers._answering([worker]) == [worker]
    outcome = workers._answer(worker)
    assert (outcome.key, outcome.state) == ("a cell", "failed")
    assert "signal 9" in outcome.said
    assert worker.key == ""


def test_a_process_that_dies_before_it_reads_its_piece_fails_that_piece():
    own, other = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(0,))
    process.start()
    own.send("a cell")
    other.close()  # what was sent is still unread
    assert workers._answer(workers._Worker(process, own, "a cell")).state == "failed"


def test_a_cell_that_fails_costs_itself_alone(study_plan, people, tmp_path, notes, monkeypatch):
    plan, out = study_plan(people(count=4), seeds=[0, 1, 2]), tmp_path / "study"
    train = making.finetune

    def failing(made, *rest, **named):
        if made.seed == 1:
            raise RuntimeError("no luck")
        return train(made, *rest, **named)

    monkeypatch.setattr(making, "finetune", failing)
    with pytest.raises(QontrastError, match=r"1 of the study's pieces failed \(2 of 3 cells are done\).*no luck"):
        run_study(plan, out, quiet=True)
    (failure,) = read_rows(out / "failures.jsonl")
    assert failure["cell"] == "tissue_here-T1w_scratch_full_1_s1"
    assert failure["error"] == "RuntimeError: no luck"
    assert "in failing" in failure["trace"]
    assert {row["seed"] for row in read_rows(out / "ledger.jsonl")} == {0, 2}
    assert any("not complete: 2 of 3" in note for note in notes[-1])
    monkeypatch.setattr(making, "finetune", train)
    run_study(plan, out, quiet=True)
    assert {row["seed"] for row in read_rows(out / "ledger.jsonl")} == {0, 1, 2}
    assert not (out / "failures.jsonl").exists()
    assert not list(out.rglob("failure.json"))


def test_what_needs_a_pretraining_that_fails_fails_with_it(two_arms, tmp_path, notes, monkeypatch):
    def failing(*_, **__):
        raise QontrastError("the loss is not finite.")

    monkeypatch.setattr(making, "pretrain", failing)
    out = tmp_path / "study"
    with pytest.raises(QontrastError, match="2 of the study's pieces failed"):
        run_study(two_arms, out, quiet=True)
    said = {row["cell"]: row["error"] for row in read_rows(out / "failures.jsonl")}
    assert said == {
        "pretrain_ours": "the loss is not finite.",
        "tissue_here-T1w_ours_full_1_s0": "it needs pretrain_ours, which failed",
    }
    assert {row["arm"] for row in read_rows(out / "ledger.jsonl")} == {"scratch"}


def test_cells_one_by_one_as_jobs_of_a_cluster(two_arms, tmp_path, capsys, held):
    out = tmp_path / "study"
    keys = missing_keys(two_arms, out)
    assert keys == ["pretrain_ours", "tissue_here-T1w_ours_full_1_s0", "tissue_here-T1w_scratch_full_1_s0"]
    with pytest.raises(QontrastError, match="--cell pretrain_ours"):
        run_cell(two_arms, out, keys[1], quiet=True)
    with pytest.raises(PlanError, match=r"pretrain_our'.*Did you mean 'pretrain_ours'"):
        run_cell(two_arms, out, "pretrain_our", quiet=True)
    with held(out / "locks" / keys[2]):
        assert run_cell(two_arms, out, keys[2], quiet=True).state == "busy"
    assert [run_cell(two_arms, out, key, quiet=True).state for key in keys] == ["made"] * 3
    assert run_cell(two_arms, out, keys[1], quiet=True).state == "there"
    assert missing_keys(two_arms, out) == []


def test_a_changed_plan_makes_its_cells_anew_and_keeps_the_others(study_plan, people, tmp_path, notes, monkeypatch):
    data, out = people(count=4), tmp_path / "study"
    run_study(study_plan(data), out, quiet=True)
    before = read_rows(out / "ledger.jsonl")
    trained = []
    train = making.finetune
    monkeypatch.setattr(making, "finetune", lambda made, *r, **n: trained.append(made) or train(made, *r, **n))
    run_study(study_plan(data, seeds=[0, 1]), out, quiet=True)
    assert [made.seed for made in trained] == [1]
    assert [row for row in read_rows(out / "ledger.jsonl") if row["seed"] == 0] == before
    run_study(study_plan(data, finetune={"optimisation": {"learning_rate": 0.1}}), out, quiet=True)
    assert [made.seed for made in trained] == [1, 0]
    after = read_rows(out / "ledger.jsonl")
    assert len(after) == len(before)
    assert {row["model_digest"] for row in after}.isdisjoint({row["model_digest"] for row in before})
    for wanted, changes in ((before, {}), (after, {"finetune": {"optimisation": {"learning_rate": 0.1}}})):
        run_study(study_plan(data, **changes), out, quiet=True)  # what was set aside is there again
        assert read_rows(out / "ledger.jsonl") == wanted
        (model,) = out.glob(f"cells/{wanted[0]['run']}/run/model.safetensors")
        assert weights_digest(model).startswith(wanted[0]["model_digest"])
    assert [made.seed for made in trained] == [1, 0]


@pytest.mark.parametrize("stopped_at", [1, 2])  # before what is there is set aside, and before what was comes back
def test_a_start_that_stops_while_a_cell_comes_back_loses_nothing(
    stopped_at, study_plan, people, tmp_path, notes, monkeypatch
):
    data, out = people(count=4), tmp_path / "study"
    plans = [study_plan(data), study_plan(data, finetune={"optimisation": {"learning_rate": 0.1}})]
    rows = []
    for plan in plans:
        run_study(plan, out, quiet=True)
        rows.append(read_rows(out / "ledger.jsonl"))
    moves, move = iter(range(1, 9)), making._move

    def stopping(*places):
        if next(moves) == stopped_at:
            raise OSError(28, "No space left on device")
        move(*places)

    monkeypatch.setattr(making, "finetune", None)  # nothing is trained again
    with monkeypatch.context() as patch:
        patch.setattr(making, "_move", stopping)
        with pytest.raises(QontrastError):
            run_study(plans[0], out, quiet=True)
    for plan, wanted in zip(plans, rows, strict=True):
        run_study(plan, out, quiet=True)
        assert read_rows(out / "ledger.jsonl") == wanted


def test_real_scans_are_tested_as_they_are(study_plan, people, tmp_path, notes):
    data = people(count=4)
    for number, file in enumerate(sorted(data.rglob("*_dseg.nii.gz"))):
        image = nib.load(file)
        noise = np.random.default_rng(number).normal(0, 1, (2, *image.shape))
        for suffix, kind in (("T1w", 0), ("T2w", 1), ("PDw", 1)):
            scan = np.asarray(image.dataobj) % 7 * (10.0 if kind else -10.0) + 80 + noise[kind] + (suffix == "PDw")
            nib.save(nib.Nifti1Image(scan.astype(np.float32), image.affine), file.with_name(
                file.name.replace("dseg", suffix)))  # fmt: skip
    sites = {"clinic": {"contrasts": {"T1w": "T1w", "T2": "T2w"}}}
    plan, out = study_plan(data, sites=sites, train=["clinic/T1w"]), tmp_path / "study"
    run_study(plan, out, quiet=True)
    study = open_study(plan, out, quiet=True)
    (cell,) = study.cells.values()
    assert study.finetune_plan(cell).cohort.suffixes == ("T1w",)
    rows = read_rows(out / "ledger.jsonl")
    assert {(r["contrast"], r["image"].rpartition("_")[2]) for r in rows} == {
        ("T1w", "T1w.nii.gz"), ("T2", "T2w.nii.gz")
    }  # fmt: skip
    assert {row["subject"] for row in rows} == study.split.people("test")
    assert not (out / "scans").exists()


def test_a_folder_of_something_else_is_left_alone(study_plan, people, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "draft.txt").write_text("years")
    with pytest.raises(InputError, match="a folder that no study wrote"):
        run_study(study_plan(people()), tmp_path / "thesis", quiet=True)
    assert [file.name for file in (tmp_path / "thesis").iterdir()] == ["draft.txt"]
