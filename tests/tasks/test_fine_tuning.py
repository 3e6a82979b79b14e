"""Fine-tuning on label maps and on real scans, from scratch and on an encoder, which may be held still."""

import json
import math
import shutil

import pytest
import torch
from safetensors.torch import load_file

from qontrast.basics.errors import InputError, PlanError
from qontrast.tasks import finetune as module
from qontrast.tasks import starting
from qontrast.tasks.finetune import finetune
from qontrast.tasks.pack import pack
from qontrast.tasks.plan_file import read_plan
from qontrast.tasks.plans import FinetunePlan
from qontrast.tasks.schedules import Schedule
from qontrast.tasks.starting import learned_from, start_from
from qontrast.weights.segmenter import load_segmenter

TISSUES = ("background", "grey matter", "white matter", "cerebrospinal fluid")


def test_from_scratch_on_label_maps(labels_folder, finetune_plan, journal, tmp_path):
    plan, out = finetune_plan(labels_folder), tmp_path / "run"
    assert finetune(plan, out, quiet=True) == out / "model.safetensors"
    assert read_plan(FinetunePlan, out / "plan.yaml") == plan
    assert [line["step"] for line in journal(out)] == [0, 1]
    assert all(math.isfinite(line["loss"]) for line in journal(out))
    net, contract = load_segmenter(out)
    assert not net.training
    assert tuple(contract.classes) == TISSUES
    assert (contract.spacing, contract.crop) == (2.0, 32)
    assert contract.plan["pretraining.arm"] == "scratch"
    assert contract.plan["labelled_heads"] == 2
    assert net(torch.zeros(1, 1, 32, 32, 32)).shape == (1, 4, 32, 32, 32)


@pytest.mark.parametrize(
    ("truth", "classes"),
    [
        ("dseg", TISSUES),
        ("probseg", ("background", "grey matter", "white matter")),
        ("mask", ("background", "lesion")),
    ],
)
def test_on_real_scans_with_each_kind_of_truth(truth, classes, new_scan, finetune_plan, journal, tmp_path):
    out = tmp_path / "run"
    finetune(finetune_plan(new_scan(truth)), out, quiet=True)
    assert tuple(load_segmenter(out)[1].classes) == classes
    assert all(math.isfinite(line["loss"]) for line in journal(out))


def test_a_pretrained_encoder_is_where_training_starts(pretrained, labels_folder, finetune_plan, tmp_path, monkeypatch):
    real = starting.load_encoder

    def greedy(path):  # an encoder of another kind draws another number of weights before they are filled
        torch.randn(7)
        return real(path)

    monkeypatch.setattr(starting, "load_encoder", greedy)
    monkeypatch.setattr(module, "fit", lambda fabric, model, *rest: model)
    files = {
        name: finetune(finetune_plan(labels_folder, encoder=encoder), tmp_path / name, quiet=True)
        for name, encoder in (("scratch", None), ("pretrained", str(pretrained)))
    }
    before = load_file(pretrained / "encoder.safetensors")
    scratch, started = load_file(files["scratch"]), load_file(files["pretrained"])
    encoder = [name for name in started if name.startswith("encoder.")]
    decoder = [name for name in started if not name.startswith("encoder.")]
    assert {name.removeprefix("encoder.") for name in encoder} == before.keys()
    assert all(torch.equal(started[name], before[name.removeprefix("encoder.")]) for name in encoder)
    assert any(not torch.equal(started[name], scratch[name]) for name in encoder)
    assert decoder
    assert all(torch.equal(started[name], scratch[name]) for name in decoder)
    assert load_segmenter(files["pretrained"])[1].plan["pretraining.arm"] == "seqinv"


def test_a_model_holds_the_plans_of_all_that_it_started_from(pretrained, labels_folder, finetune_plan, tmp_path):
    first = finetune(finetune_plan(labels_folder, encoder=str(pretrained), steps=1), tmp_path / "first", quiet=True)
    finetune(finetune_plan(labels_folder, encoder=str(first.parent), steps=2), tmp_path / "second", quiet=True)
    file = pack(tmp_path / "second", tmp_path / "a.safetensors", licence="x", data_licence="y", card=True)
    second = load_segmenter(file)[1].plan
    assert (second["optimisation.steps"], second["encoder"]) == (2, "first")
    assert (second["started_from"]["optimisation.steps"], second["started_from"]["encoder"]) == (1, pretrained.name)
    assert second["started_from"]["started_from"]["views.arm"] == "seqinv"
    assert "started_from" not in second["started_from"]["started_from"]
    assert str(tmp_path) not in json.dumps(second)
    assert "`started_from`" in file.with_suffix(".md").read_text(encoding="utf-8")


@pytest.mark.parametrize("freeze", [True, False])
def test_a_frozen_encoder_stays_bit_for_bit(freeze, pretrained, labels_folder, finetune_plan, tmp_path, monkeypatch):
    plan = finetune_plan(labels_folder, encoder=str(pretrained), schedule=Schedule("frozen" if freeze else "full"))
    after = load_file(finetune(plan, tmp_path / "run", quiet=True))
    monkeypatch.setattr(module, "fit", lambda fabric, model, *rest: model)
    before = load_file(finetune(plan, tmp_path / "start", quiet=True))
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    assert any(name.startswith("final_conv.") for name in moved)
    assert any(name.startswith("upcat_4.") for name in moved)
    assert any(name.startswith("encoder.") for name in moved) != freeze


def test_an_encoder_that_is_not_there_is_refused_before_the_folder_is_made(labels_folder, finetune_plan, tmp_path):
    with pytest.raises(InputError, match=r"encoder\.safetensors.*Has the pretraining finished"):
        finetune(finetune_plan(labels_folder, encoder=str(tmp_path)), tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_a_truth_on_another_grid_is_refused(new_scan, finetune_plan, tmp_path):
    with pytest.raises(InputError, match=r"dseg\.nii\.gz.*Resample the truth to the scan"):
        finetune(finetune_plan(new_scan("dseg", shift=4.0)), tmp_path / "run", quiet=True)


def test_truths_of_different_classes_are_refused(new_scan, finetune_plan, tmp_path):
    new_scan("dseg", "sub-01")
    with pytest.raises(InputError, match=r"sub-02.*lesion.*one set of classes"):
        finetune(finetune_plan(new_scan("mask", "sub-02")), tmp_path / "run", quiet=True)


def test_maps_without_labels_are_refused_and_the_folder_stays_free(maps_folder, finetune_plan, tmp_path):
    with pytest.raises(InputError, match="sub-01: found tissue maps without labels"):
        finetune(finetune_plan(maps_folder()), tmp_path / "run", quiet=True)
    assert not list((tmp_path / "run").glob("*"))


def test_an_unknown_subject_is_named_with_the_nearest_one(new_scan, labels_folder, tmp_path):
    for data in (new_scan("dseg"), labels_folder):
        flags = {"cohort.data": str(data), "cohort.subjects": "[sub-011]"}
        with pytest.raises(PlanError, match=r"cohort\.subjects: found 'sub-011'.*Did you mean 'sub-01'"):
            finetune(read_plan(FinetunePlan, None, flags), tmp_path / "run", quiet=True)


def test_the_named_scans_are_used(new_scan, finetune_plan, tmp_path):
    new_scan("mask", "sub-01")
    data = new_scan("mask", "sub-02")
    flags = {"cohort.data": str(data), "cohort.subjects": "[sub-02]", "views.crop": "32", "batch": "2"}
    plan = read_plan(FinetunePlan, None, flags | {"optimisation.steps": "1", "compute.workers": "0"})
    finetune(plan, tmp_path / "run", quiet=True)
    assert load_segmenter(tmp_path / "run")[1].plan["labelled_heads"] == 1


def test_a_finished_folder_is_refused_and_resume_named(segmenter, labels_folder, finetune_plan, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(segmenter, copy)
    with pytest.raises(InputError, match="--resume"):
        finetune(finetune_plan(labels_folder), copy, quiet=True)


def test_a_model_that_was_fine_tuned_is_gone_on_from(segmenter, labels_folder, new_scan, finetune_plan, tmp_path):
    before = load_segmenter(segmenter)[0].state_dict()

    def after(name, data=labels_folder, **changes):
        plan = finetune_plan(data, steps=1, rate=1e-9, encoder=str(segmenter), **changes)
        net, contract = load_segmenter(finetune(plan, tmp_path / name, quiet=True))
        return net.state_dict(), contract

    same, contract = after("same")
    assert contract.plan["pretraining.arm"] == "fine-tuned scratch"
    assert [heads for _, heads in learned_from(contract.plan)] == [("sub-01", "sub-02")] * 2
    for key, value in before.items():
        torch.testing.assert_close(same[key], value, rtol=0, atol=1e-6)
    others, _ = after("others", new_scan("mask"))
    for key, value in before.items():
        if key.startswith("final_conv"):
            assert others[key].shape != value.shape
        else:
            torch.testing.assert_close(others[key], value, rtol=0, atol=1e-6)
    alone, _ = after("alone", decoder=False)
    for key, value in before.items():
        kept = key.startswith("encoder.")
        assert torch.allclose(alone[key], value, rtol=0, atol=1e-6) == kept or value.numel() < 2000, key


def test_what_has_no_decoder_is_not_gone_on_from(pretrained, labels_folder, finetune_plan, tmp_path):
    plan = finetune_plan(labels_folder, encoder=str(pretrained), schedule=Schedule("linear-probe"))
    finetune(plan, tmp_path / "probe", quiet=True)
    with pytest.raises(InputError, match="found a linear-probe; wanted an encoder or a U-Net"):
        finetune(finetune_plan(labels_folder, encoder=str(tmp_path / "probe")), tmp_path / "run", quiet=True)


def test_the_librarys_models_are_gone_on_from_by_name():
    start = start_from(FinetunePlan(encoder="tissue-nano"), None)
    assert (start.arm, start.spacing, start.outputs[4]) == ("tissue-nano", 1.0, "deep grey matter")
    assert start.readout["weight"].shape[0] == 9
    assert start.decoder[0] == (16, 32, 64, 64)
    assert len(start.past["trained_before"][0][1]) == 16
    assert start_from(FinetunePlan(encoder="nano"), None).readout is None


def test_what_was_learned_before_learns_no_faster_than_the_rest(segmenter):
    start = start_from(FinetunePlan(encoder=str(segmenter)), None)
    new, rates = (torch.nn.Conv3d(1, 1, 1),), []
    for fresh in (True, False):
        optimisation = FinetunePlan().optimisation
        rates.append(Schedule("frozen").groups((start.encoder,), new, optimisation, fresh=fresh)[0].share(10))
    assert rates[0] == pytest.approx(20 * rates[1])
