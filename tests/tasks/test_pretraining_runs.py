"""A pretraining leaves everything that it promises, and an encoder that loads."""

import math
import shutil

import numpy as np
import pytest
import torch
import yaml

import qontrast
from qontrast.basics.errors import InputError, MissingMapError, PlanError, QontrastError
from qontrast.engine.optimisation import Optimisation
from qontrast.report.runs import read_run
from qontrast.tasks import pretrain as module
from qontrast.tasks.plan_file import read_plan
from qontrast.tasks.plans import Cohort, PretrainPlan
from qontrast.tasks.pretrain import pretrain
from qontrast.weights.encoder import encoder_arm


@pytest.fixture
def two_measured(maps_folder, tmp_path):
    """Measured maps of two subjects."""
    folder = tmp_path / "maps"
    shutil.copytree(maps_folder(), folder)
    other = maps_folder(change={"R1map": lambda r1: 1.1 * r1})
    for file in sorted((other / "sub-01" / "anat").iterdir()):
        target = folder / "sub-02" / "anat" / file.name.replace("sub-01", "sub-02")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    return folder


@pytest.mark.parametrize("kind", ["label maps", "measured maps"])
def test_a_run_writes_plan_journal_checkpoint_pairs_and_encoder(
    kind, labels_folder, two_measured, pretrain_plan, journal, tmp_path
):
    plan = pretrain_plan(labels_folder if kind == "label maps" else two_measured, steps=3)
    out = tmp_path / "run"
    file = pretrain(plan, out, quiet=True)
    assert file == out / "encoder.safetensors"
    assert read_plan(PretrainPlan, out / "plan.yaml") == plan
    lines = journal(out)
    assert [line["step"] for line in lines] == [0, 1, 2]
    for line in lines:
        for name in ("loss", "loss_nt_xent", "loss_reconstruction"):
            assert math.isfinite(line[name])
        assert line["loss"] == pytest.approx(line["loss_nt_xent"] + line["loss_reconstruction"], rel=1e-5)
    assert (out / "checkpoint.safetensors").is_file()
    pairs = read_run(out, "run").pairs
    assert pairs.views.shape == (2, 2, 32, 32, 32)
    assert np.isfinite(pairs.views).all()
    encoder = qontrast.load_encoder(out)
    assert not encoder.training
    assert encoder.features_per_level == (16, 32, 64, 128, 192)
    assert encoder.embed(torch.randn(2, 1, 32, 32, 32)).shape == (2, 192)
    assert encoder_arm(out) == "seqinv"


def test_the_weights_move_and_the_same_plan_gives_the_same_ones(labels_folder, pretrain_plan, tmp_path):
    files = [
        pretrain(pretrain_plan(labels_folder, steps=steps, seed=seed), tmp_path / name, quiet=True).read_bytes()
        for name, steps, seed in (("a", 2, 0), ("b", 2, 0), ("c", 2, 1))
    ]
    assert files[0] == files[1]
    assert files[0] != files[2]


def test_the_global_generator_of_the_caller_does_not_choose_the_weights(labels_folder, pretrain_plan, tmp_path):
    torch.manual_seed(1)
    a = pretrain(pretrain_plan(labels_folder, steps=1), tmp_path / "a", quiet=True).read_bytes()
    torch.manual_seed(2)
    assert pretrain(pretrain_plan(labels_folder, steps=1), tmp_path / "b", quiet=True).read_bytes() == a


def test_a_folder_with_a_run_is_refused_and_resume_named(pretrained, pretrain_plan, labels_folder):
    before = (pretrained / "encoder.safetensors").read_bytes()
    with pytest.raises(InputError, match="--resume"):
        pretrain(pretrain_plan(labels_folder), pretrained, quiet=True)
    assert (pretrained / "encoder.safetensors").read_bytes() == before


def test_a_folder_with_anything_else_is_refused(pretrain_plan, labels_folder, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"already holds 1 entries.*another --out"):
        pretrain(pretrain_plan(labels_folder), tmp_path, quiet=True)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_a_folder_without_subjects_is_refused(pretrain_plan, tmp_path):
    data, out = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    with pytest.raises(InputError, match="no image"):
        pretrain(pretrain_plan(data), out, quiet=True)
    assert not out.exists()


def test_an_unknown_subject_is_named_with_the_nearest_one(labels_folder, tmp_path):
    plan = PretrainPlan(cohort=Cohort(data=str(labels_folder), subjects=("sub-01", "sub-03")))
    with pytest.raises(PlanError, match=r"cohort\.subjects: found 'sub-03'.*Did you mean 'sub-0[12]'"):
        pretrain(plan, tmp_path / "run", quiet=True)


def test_only_the_named_subjects_are_used(labels_folder, tmp_path, pretrain_plan):
    plan = pretrain_plan(labels_folder, steps=1)
    plan = read_plan(PretrainPlan, None, {"cohort.data": str(labels_folder), "cohort.subjects": "[sub-02]"} | {
        "batch": "2", "views.crop": "32", "views.spacing": "4", "optimisation.steps": "1", "compute.workers": "0",
    })  # fmt: skip
    pretrain(plan, tmp_path / "run", quiet=True)
    assert len(read_run(tmp_path / "run", "run").pairs.views) == 1


def test_a_run_that_fails_on_its_data_leaves_the_folder_free(maps_folder, labels_folder, pretrain_plan, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(MissingMapError):
        pretrain(pretrain_plan(maps_folder(omit=("R1map",))), out, quiet=True)
    file = pretrain(pretrain_plan(labels_folder, steps=1), out, quiet=True)
    assert file.is_file()


def test_maps_that_suffice_for_none_of_the_sequences_are_refused(maps_folder, pretrain_plan, tmp_path):
    plan = pretrain_plan(maps_folder(omit=("R2starmap",)))
    plan = PretrainPlan(cohort=plan.cohort, views=type(plan.views)(arm="base"), compute=plan.compute)
    with pytest.raises(MissingMapError, match=r"sub-01.*mp2rage.*mprage"):
        pretrain(plan, tmp_path / "run", quiet=True)


def test_a_loss_that_is_not_finite_stops_the_run_with_a_remedy(labels_folder, pretrain_plan, tmp_path, monkeypatch):
    real = module.losses_of

    def broken(rows, objectives, across):
        return {name: value * float("nan") for name, value in real(rows, objectives, across).items()}

    monkeypatch.setattr(module, "losses_of", broken)
    hasty = Optimisation(steps=2, patience=1)
    with pytest.raises(QontrastError, match=r"step 0 is nan.*another --out.*learning_rate"):
        pretrain(pretrain_plan(labels_folder, optimisation=hasty), tmp_path / "run", quiet=True)
    assert not (tmp_path / "run" / "encoder.safetensors").exists()


def test_the_saved_plan_lists_every_field(pretrained):
    saved = yaml.safe_load((pretrained / "plan.yaml").read_text())
    assert set(saved) == set(PretrainPlan.__dataclass_fields__)
    assert saved["views"]["crop"] == 32
