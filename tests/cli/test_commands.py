"""Each command hands its flags to its task, and the whole method runs from the command line."""

import dataclasses
import inspect
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml

from qontrast.cli.app import pretrain, run
from qontrast.cli.finetune import Flags
from qontrast.results.ledger import read_rows
from qontrast.studies.plan import StudyPlan
from qontrast.tasks.compute import Compute
from qontrast.tasks.derivatives import Summary
from qontrast.tasks.plan_file import read_plan
from qontrast.tasks.plans import FinetunePlan, PretrainPlan

SMALL = ["--steps", "1", "--batch", "2", "--device", "cpu", "--precision", "32", "--workers", "0", "--views.crop=32"]


@pytest.mark.parametrize(("kind", "plan"), [("pretrain", PretrainPlan), ("finetune", FinetunePlan)])
def test_plan_prints_yaml_that_is_the_default_plan(kind, plan, capsys, tmp_path):
    assert run(["plan", kind]) == 0
    (tmp_path / "plan.yaml").write_text(capsys.readouterr().out, encoding="utf-8")
    assert set(yaml.safe_load((tmp_path / "plan.yaml").read_text())) == set(plan.__dataclass_fields__)
    assert read_plan(plan, tmp_path / "plan.yaml") == plan()


def caught(monkeypatch, task):
    """What a command hands to its task."""
    calls = []
    monkeypatch.setattr(task, lambda *given, **named: calls.append((given, named)))
    return calls


@pytest.mark.parametrize(
    ("plan", "flags", "by_other_means"),
    [
        (PretrainPlan, inspect.signature(pretrain).parameters, {"others"}),
        (FinetunePlan, Flags.__dataclass_fields__, {"task"}),
    ],
)
def test_a_field_whose_name_has_no_dot_is_a_flag_by_itself(plan, flags, by_other_means):
    fields = {f.name for f in dataclasses.fields(plan) if not dataclasses.is_dataclass(getattr(plan(), f.name))}
    assert fields - set(flags) == by_other_means


def test_flags_of_pretrain_go_to_the_plan_over_the_file(monkeypatch, tmp_path):
    calls = caught(monkeypatch, "qontrast.tasks.pretrain.pretrain")
    file = tmp_path / "plan.yaml"
    file.write_text("batch: 5\nseed: 9\nviews: {crop: 64, spacing: 1.5}\n")
    assert run(
        [
            "pretrain", str(file), "--out", "run", "--batch", "3", "--data", "heads", "--labels", "l.tsv",
            "--net", "cnn", "--dropout", "0", "--steps", "7", "--device", "cpu", "--precision", "32", "--workers", "2",
            "--views.crop=32", "--resume", "--optimisation.learning_rate", "1e-4",
            "--cohort.subjects", "[sub-01, sub-02]", "--views.sequences=[fse]", "--optimisation.weight-decay", "0",
        ]
    ) == 0  # fmt: skip
    ((plan, out), named) = calls[0]
    assert (str(out), named) == ("run", {"resume": True, "quiet": False})
    assert (plan.batch, plan.seed, plan.net, plan.dropout) == (3, 9, "cnn", 0.0)
    assert (plan.cohort.data, plan.cohort.labels, plan.cohort.subjects) == ("heads", "l.tsv", ("sub-01", "sub-02"))
    assert (plan.views.crop, plan.views.spacing, plan.views.sequences) == (32, 1.5, ("fse",))
    assert (plan.optimisation.steps, plan.optimisation.learning_rate) == (7, 1e-4)
    assert plan.optimisation.weight_decay == 0
    assert plan.compute == Compute("cpu", "32", 2)


def test_flags_of_finetune_go_to_the_plan(monkeypatch):
    calls = caught(monkeypatch, "qontrast.tasks.finetune.finetune")
    assert run(
        [
            "finetune", "segment", "--out", "run", "--encoder", "pre", "--schedule", "frozen",
            "--contrasts", "fse", "flair", "--classes", "structures", "--no-decoder", "--dropout", "0.1",
            "--protocols", "drawn", "--views.spacing", "1", "--quiet", "--data", "12",
        ]
    ) == 0  # fmt: skip
    ((plan, _), named) = calls[0]
    assert plan.contrasts == ("fse", "flair")
    assert (plan.classes, plan.decoder, plan.dropout) == ("structures", False, 0.1)
    assert (plan.encoder, plan.schedule.kind, plan.protocols, plan.views.spacing) == ("pre", "frozen", "drawn", 1.0)
    assert plan.cohort.data == "12"
    assert named == {"resume": False, "quiet": True}


def test_without_flags_the_plan_is_the_default(monkeypatch):
    calls = caught(monkeypatch, "qontrast.tasks.pretrain.pretrain")
    assert run(["pretrain", "--out", "run"]) == 0
    assert calls[0][0][0] == PretrainPlan()


def test_a_dotted_flag_may_have_a_negative_value(monkeypatch):
    calls = caught(monkeypatch, "qontrast.tasks.pretrain.pretrain")
    assert run(["pretrain", "--out", "run", "--compute.workers", "-1", "--seed", "-5"]) == 0
    assert (calls[0][0][0].compute.workers, calls[0][0][0].seed) == (-1, -5)


def test_flags_of_simulate_are_handed_on(monkeypatch):
    calls = caught(monkeypatch, "qontrast.tasks.simulate.simulate")
    assert run(
        [
            "simulate", "maps", "--sequence", "mp2rage", "--out", "o.nii", "--inversion-time", "0.7", "2.5",
            "--flip-angle", "4", "5", "--echo-time", "0.003", "--field", "7", "--snr", "20",
        ]
    ) == 0  # fmt: skip
    (given, named) = calls[0]
    assert (given[0], given[1], str(given[2])) == ("maps", "mp2rage", "o.nii")
    assert named["inversion_time"] == (0.7, 2.5)
    assert named["flip_angle"] == (4.0, 5.0)
    assert named["echo_time"] == (0.003,)
    assert (named["field"], named["snr"]) == (7.0, 20.0)
    assert "repetition_time" not in named


def test_flags_of_show_go_to_the_plan_and_the_task(monkeypatch, tmp_path):
    calls = caught(monkeypatch, "qontrast.tasks.show.show")
    file = tmp_path / "plan.yaml"
    file.write_text("batch: 5\nseed: 9\nviews: {crop: 64}\n")
    assert run(
        [
            "show", str(file), "--out", "pairs.svg", "--data", "heads", "--labels", "l.tsv", "--seed", "4",
            "--views.crop", "96", "--views.arm=seqaug", "--pairs", "2", "--step", "7", "--quiet",
        ]
    ) == 0  # fmt: skip
    ((plan, out), named) = calls[0]
    assert (plan.batch, plan.seed, plan.views.crop, plan.views.arm) == (5, 4, 96, "seqaug")
    assert (plan.cohort.data, plan.cohort.labels) == ("heads", "l.tsv")
    assert (str(out), named) == ("pairs.svg", {"pairs": 2, "step": 7, "quiet": True})
    assert run(["show", "--out", "pairs.png"]) == 0
    assert calls[1][0][0] == PretrainPlan()
    assert calls[1][1] == {"pairs": 4, "step": 0, "quiet": False}


def test_the_whole_method_from_the_command_line(labels_folder, tmp_path, capsys):
    data, pre, fine = str(labels_folder), str(tmp_path / "pre"), str(tmp_path / "fine")
    ledger, image, page = tmp_path / "results.jsonl", tmp_path / "scan.nii.gz", tmp_path / "report.html"
    pairs = tmp_path / "pairs.png"
    assert run(["show", "--out", str(pairs), "--data", data, "--pairs", "1", "--views.crop=32"]) == 0
    assert pairs.read_bytes().startswith(b"\x89PNG")
    assert "pairs.png" in capsys.readouterr().out
    assert run(["pretrain", "--out", pre, "--data", data, *SMALL]) == 0
    assert run(["finetune", "segment", "--out", fine, "--data", data, "--encoder", pre, *SMALL, "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "encoder.safetensors" in said
    assert "model.safetensors" not in said
    source = str(labels_folder / "sub-01")
    assert run(["simulate", source, "--sequence", "fse", "--out", str(image), "--echo-time", "0.08"]) == 0
    assert json.loads((tmp_path / "scan.json").read_text())["EchoTime"] == 0.08
    segmentation = tmp_path / "seg.nii.gz"
    assert run(["segment", str(image), "--weights", fine, "--out", str(segmentation), "--device", "cpu"]) == 0
    assert np.asarray(nib.load(segmentation).dataobj).shape == (40, 40, 40)
    capsys.readouterr()
    scored = ["evaluate", "--model", fine, "--data", data, "--ledger", str(ledger), "--contrasts", "fse", "mprage"]
    assert run([*scored, "--subjects", "sub-02"]) == 0
    said = capsys.readouterr().out
    assert "fse, grey matter: Dice" in said
    assert "n = 1" in said
    assert {row["arm"] for row in read_rows(ledger)} == {"seqinv"}
    assert run(["report", pre, fine, "--ledger", str(ledger), "--out", str(page), "--title", "A <title>"]) == 0
    assert capsys.readouterr().out.strip().replace("\n", "") == str(page)
    assert "A &lt;title&gt;" in page.read_text(encoding="utf-8")


def test_flags_of_each_task_go_to_its_plan(monkeypatch):
    calls = caught(monkeypatch, "qontrast.tasks.finetune.finetune")
    assert run(["finetune", "lesion", "--out", "run", "--lesions", "masks", "--centred", "0.5", "--loss=tversky"]) == 0
    assert run(["finetune", "denoise", "--out", "run", "--noise", "gaussian", "--sigma", "0.1", "--snr", "3", "9"]) == 0
    assert run(["finetune", "denoise", "recipes/absent.yaml", "--out", "run"]) == 1
    (lesion, _), (denoise, _) = (call[0] for call in calls)
    assert (lesion.task, lesion.views.pathology.folder, lesion.lesion.centred) == ("lesion", "masks", 0.5)
    assert lesion.chosen_loss == "tversky"
    assert (denoise.task, denoise.noise.kind, denoise.noise.sigma, denoise.noise.snr) == (
        "denoise", "gaussian", 0.1, (3.0, 9.0),
    )  # fmt: skip
    assert denoise.chosen_loss == "mse"


def test_fractions_of_a_study_are_numbers_of_heads_or_shares(monkeypatch):
    calls = caught(monkeypatch, "qontrast.studies.run.run_study")
    recipe = Path(__file__).parents[2] / "recipes" / "study-mini.yaml"
    for given in ([], ["--fractions", "1", "3"], ["--fractions", "1.0"]):
        assert run(["study", str(recipe), "--out", "s", *given]) == 0
    assert run(["study", str(recipe), "--out", "s", "--fractions", "few"]) == 1
    plans = [call[0][0] for call in calls]
    assert plans[0].fractions == read_plan(StudyPlan, recipe).fractions
    assert [[type(f) for f in plan.fractions] for plan in plans[1:]] == [[int, int], [float]]


def test_flags_of_evaluate_are_handed_on(monkeypatch):
    calls = caught(monkeypatch, "qontrast.tasks.evaluate.evaluate")
    assert run(
        [
            "evaluate", "--model", "m", "--data", "d", "--kind", "scans", "--snr", "5", "10", "--noise", "rician",
            "--lesions", "masks", "--quiet",
        ]
    ) == 0  # fmt: skip
    ((_, cohort, _), named) = calls[0]
    assert (cohort.data, cohort.kind) == ("d", "scans")
    assert (named["snr"], named["noise"], named["masks"], named["sigma"]) == ((5.0, 10.0), "rician", "masks", None)


def test_a_folder_of_scans_goes_to_the_cohort_and_a_bad_scan_is_an_error(monkeypatch, tmp_path, capsys):
    told = []
    results = iter([Summary((), (), ()), Summary((Path("a"),), (), ((tmp_path / "b.nii", "found no image"),))])

    def caught_cohort(*given, **named):
        told.append((given, named))
        return next(results)

    monkeypatch.setattr("qontrast.tasks.predict_cohort.predict_cohort", caught_cohort)
    assert run(["segment", str(tmp_path), "--suffix", "T1w", "FLAIR", "--no-picture"]) == 0
    assert run(["denoise", str(tmp_path), "--out", "clean"]) == 1
    assert "1 of 2 scans failed" in capsys.readouterr().err.replace("\n", " ")
    (segmented, how), (denoised, _) = told
    assert segmented == ("tissue-nano", tmp_path, Path("segmentations"), "segmenter")
    assert (how["suffixes"], how["picture"], how["refine"]) == (("T1w", "FLAIR"), False, True)
    assert denoised == ("denoise-nano", tmp_path, Path("clean"), "denoiser")
