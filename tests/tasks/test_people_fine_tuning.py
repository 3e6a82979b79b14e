"""Fine-tuning for sex and age by the schedules, tested on people who were not trained on."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from qontrast.basics.errors import InputError, PlanError
from qontrast.cli.app import run
from qontrast.engine.optimisation import Optimisation
from qontrast.nets.adapter import adapt
from qontrast.results.ledger import read_rows
from qontrast.results.people_scores import score_people
from qontrast.tasks.compute import Compute
from qontrast.tasks.finetune_people import finetune_people
from qontrast.tasks.people_plan import PeoplePlan
from qontrast.tasks.plan_file import plan_text, read_plan
from qontrast.tasks.schedules import Schedule
from qontrast.views.heads import HeadCrops
from qontrast.weights.contract import read_weights

AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])
COUNT = 10


def head(number, shape=(34, 34, 34)):
    """A ball; men's is striped along the second axis, so that sex is a texture."""
    index = np.indices(shape, dtype=float)
    radius = np.sqrt(sum((i - 16.5) ** 2 for i in index)) / 15
    stripes = 300 * np.sign(np.sin(index[1] * np.pi / 2 + 0.3)) if number % 2 else 0
    noise = np.random.default_rng(number).normal(0, 20, shape)
    return ((500 + stripes + noise) * (radius < 1)).astype(np.float32)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("striped")
    rows = ["participant_id\tsex\tage"]
    for number in range(COUNT):
        anat = folder / f"sub-{number}" / "anat"
        anat.mkdir(parents=True)
        nib.save(nib.Nifti1Image(head(number), AFFINE), anat / f"sub-{number}_T1w.nii.gz")
        rows.append(f"sub-{number}\t{'M' if number % 2 else 'F'}\t{70 - number if number % 2 else 30 + number}")
    (folder / "participants.tsv").write_text("\n".join(rows) + "\n")
    return folder


def plan_of(cohort, goal="sex", steps=12, **changes):
    fields = {
        "train": tuple(f"sub-{n}" for n in range(6)),
        "encoder": "mine",
        "crop": 32,
        "spacing": 3.0,
        "optimisation": Optimisation(steps=steps, learning_rate=0.02, checkpoint_steps=1),
        "compute": Compute("cpu", "32", 0),
    }
    return PeoplePlan(goal=goal, data=str(cohort), **{**fields, **changes})


class Plain(nn.Module):
    """Two convolutions without any norm, which would level out what the embedding of so few voxels could tell."""

    def __init__(self, dropout):
        super().__init__()
        self.first, self.second = nn.Conv3d(1, 6, 3, 2, 1), nn.Conv3d(6, 8, 3, 2, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, image):
        fine = self.dropout(self.first(image).relu())
        return [fine, self.second(fine).relu()]


def tiny(dropout=0.0):
    torch.manual_seed(0)
    return adapt(Plain(dropout), lambda net, image: net(image), size=16)


@pytest.mark.parametrize("goal", ["sex", "age"])
def test_what_the_scans_show_is_learned_and_told_of_others(goal, cohort, tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    rows = finetune_people(plan_of(cohort, goal, 25), tmp_path / "run", ledger, encoder=tiny(), quiet=True)
    assert sorted(row["subject"] for row in rows) == ["sub-6", "sub-7", "sub-8", "sub-9"]
    assert read_rows(ledger) == rows
    assert {(row["schedule"], row["arm"], row["train_subjects"]) for row in rows} == {("full", "external", 6)}
    scores = score_people(rows)
    if goal == "sex":
        assert scores["auc"].mean == 1.0
    else:
        assert scores["mean_absolute_error"].mean < 10  # the mean age would be wrong by about 15
    tensors, contract = read_weights(tmp_path / "run" / "model.safetensors", "predictor")
    assert "linear.weight" in tensors
    assert contract.plan["schedule.kind"] == "full"


@pytest.mark.parametrize("kind", ["frozen", "linear-probe", "full", "warm-up", "sawtooth"])
def test_a_run_that_goes_on_is_the_run_that_was_never_stopped(kind, cohort, tmp_path, monkeypatch):
    plan = plan_of(cohort, steps=6, schedule=Schedule(kind, head=0.5, rise=0.25))
    whole = finetune_people(plan, tmp_path / "whole", tmp_path / "a.jsonl", encoder=tiny(0.2), quiet=True)
    real, calls = HeadCrops.__call__, iter(range(99))

    def stopping(*arguments):
        if next(calls) == 14:  # of batches of four: in the fourth
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(HeadCrops, "__call__", stopping)
        with pytest.raises(KeyboardInterrupt):
            finetune_people(plan, tmp_path / "stopped", tmp_path / "b.jsonl", encoder=tiny(0.2), quiet=True)
    where = (plan, tmp_path / "stopped", tmp_path / "b.jsonl")
    again = finetune_people(*where, encoder=tiny(0.2), resume=True, quiet=True)
    files = [tmp_path / name / "model.safetensors" for name in ("whole", "stopped")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert [{**row, "run": ""} for row in again] == [{**row, "run": ""} for row in whole]
    before, after = tiny(0.2).state_dict(), load_file(files[0])
    same = all(torch.equal(after[f"encoder.{name}"], value) for name, value in before.items())
    assert same == plan.schedule.keeps
    third = finetune_people(*where, encoder=tiny(0.2), resume=True, quiet=True)
    assert third == again
    assert len(read_rows(tmp_path / "b.jsonl")) == len(again)


def test_the_model_holds_the_plan_of_what_it_started_from(cohort, tmp_path):
    plan = plan_of(cohort, steps=1, encoder="nano", spacing=2.0)
    finetune_people(plan, tmp_path / "run", tmp_path / "ledger.jsonl", quiet=True)
    contract = read_weights(tmp_path / "run" / "model.safetensors", "predictor")[1]
    assert contract.plan["started_from"]["objectives.quantitative.weight"] > 0


def test_crops_begin_between_the_windows_and_depend_on_the_seed_alone():
    image = torch.zeros(1, 1, 60, 60, 60)
    image[..., 10:50, 10:50, 10:50] = 1 + torch.rand((40, 40, 40), generator=torch.Generator().manual_seed(0))
    starts = ((10, 18), (10, 18), (10, 18))
    crops = [HeadCrops([lambda: (image, starts)], [0.5], 32, 3) for _ in range(2)]
    for step in range(5):
        one, other = (crop(0, step, 1) for crop in crops)
        assert torch.equal(one["image"], other["image"])
        assert one["image"].shape == (1, 32, 32, 32)
        assert float(one["target"]) == 0.5
        assert float(one["image"].min()) > -6  # a crop with air in it would go far below
    assert not torch.equal(crops[0](0, 0, 0)["image"], crops[0](0, 1, 0)["image"])


def test_a_window_that_reaches_beyond_the_image_is_zero_there():
    image = torch.ones(1, 1, 20, 40, 40) + torch.rand((20, 40, 40))
    crops = HeadCrops([], [], 32, 0)
    window = crops._cut(image, ((-6, -6), (4, 4), (4, 8)), torch.Generator().manual_seed(0))
    assert torch.equal(window[0, 0].amax(dim=(1, 2)) > 0, (torch.arange(32) >= 6) & (torch.arange(32) < 26))
    assert any(torch.equal(window[..., 6:26, :, :], image[..., 4:36, z : z + 32]) for z in range(4, 9))


def test_the_plan_comes_back_from_its_yaml(cohort, tmp_path):
    plan = plan_of(cohort, schedule=Schedule("sawtooth", 0.2), optimisation=Optimisation(steps=40))
    (tmp_path / "plan.yaml").write_text(plan_text(plan))
    assert read_plan(PeoplePlan, tmp_path / "plan.yaml") == plan


def test_what_cannot_be_is_refused(cohort, tmp_path):
    def train(plan):
        finetune_people(plan, tmp_path / "run", tmp_path / "l.jsonl", encoder=tiny(), quiet=True)

    with pytest.raises(InputError, match="3 training subjects, none of them male; wanted both sexes"):
        train(plan_of(cohort, train=("sub-0", "sub-2", "sub-4")))
    with pytest.raises(PlanError, match="train: found no subjects"):
        train(replace(plan_of(cohort), train=()))
    with pytest.raises(PlanError, match="train: found 'sub-77'"):
        train(plan_of(cohort, train=("sub-77",)))
    with pytest.raises(PlanError, match="train_on: found 'FLAIR'"):
        train(plan_of(cohort, train_on=("FLAIR",)))
    assert not (tmp_path / "run").exists()
    for changes, message in (
        ({"schedule": Schedule("knn")}, "qontrast probe --method knn"),
        ({"schedule": Schedule("frozen"), "encoder": None}, "an encoder to keep"),
        ({"crop": 40}, "a multiple of 16, 32 or more"),
        ({"spacing": 0.0}, "0.1 to 10 mm"),
        ({"batch": 0}, "1 or more"),
    ):
        with pytest.raises(PlanError, match=message):
            plan_of(cohort, **changes)


def test_the_command_takes_plan_and_flags(cohort, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr("qontrast.tasks.finetune_people.finetune_people", lambda *a, **k: calls.append((a, k)) or [])
    arguments = ["finetune", "people", "age", "--out", str(tmp_path / "run"), "--data", str(cohort), "--encoder", "e"]
    arguments += ["--train", "sub-1", "sub-2", "--schedule", "sawtooth", "--steps", "50", "--spacing", "1.5", "--quiet"]
    assert run([*arguments, "--schedule.head", "0.2"]) == 0
    ((plan, out, ledger), named) = calls[0]
    assert (plan.goal, plan.data, plan.train, plan.encoder) == ("age", str(cohort), ("sub-1", "sub-2"), "e")
    assert plan.schedule == Schedule("sawtooth", head=0.2)
    assert (plan.optimisation.steps, plan.spacing) == (50, 1.5)
    assert (out.name, str(ledger), named) == ("run", "results.jsonl", {"resume": False, "quiet": True})
