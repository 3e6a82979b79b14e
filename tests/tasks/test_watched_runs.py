"""A pretraining that is watched: measured, judged, and unchanged by it; its decoder goes with the encoder."""

import json

import pytest
import torch
from safetensors import safe_open

import qontrast
from qontrast.objectives.catalogue import Objectives
from qontrast.objectives.dense_info_nce import DenseInfoNCE
from qontrast.tasks.arranging import ARRANGEMENT
from qontrast.tasks.compute import Compute
from qontrast.tasks.finetune import finetune
from qontrast.tasks.pack import pack
from qontrast.tasks.plans import Probing
from qontrast.tasks.pretrain import pretrain
from qontrast.tasks.schedules import Schedule
from qontrast.weights.encoder import load_decoder
from qontrast.weights.segmenter import load_segmenter

DENSE = Objectives(dense_info_nce=DenseInfoNCE(weight=1.0), points=32)
SMALL = Probing(every=2, heads=1, anatomies=2, contrasts=2)


@pytest.fixture(scope="module")
def dense(new_labels_folder, pretrain_plan, tmp_path_factory):
    """A run with a light decoder, watched."""
    out = tmp_path_factory.mktemp("dense") / "run"
    pretrain(pretrain_plan(new_labels_folder(), steps=3, objectives=DENSE, dropout=0.0, probe=SMALL), out, quiet=True)
    return out


def test_measures_stand_in_the_journal(dense):
    lines = [json.loads(line) for line in (dense / "journal.jsonl").read_text().splitlines()]
    probed = [line["step"] for line in lines if "probe_spread" in line]
    assert probed == [0, 2, 3]
    for line in lines[:3]:
        assert {"loss_nt_xent", "loss_dense_info_nce", "loss_reconstruction"} <= line.keys()


def test_watching_changes_nothing(labels_folder, pretrain_plan, tmp_path):
    plans = {name: pretrain_plan(labels_folder, probe=p) for name, p in (("alone", Probing(every=0)), ("seen", SMALL))}
    for name, plan in plans.items():
        pretrain(plan, tmp_path / name, quiet=True)
    one, other = (qontrast.load_encoder(tmp_path / name).state_dict() for name in plans)
    assert all(torch.equal(one[k], other[k]) for k in one)


def test_a_fine_tuned_net_begins_with_the_light_decoder(dense, labels_folder, finetune_plan, tmp_path):
    widths, weights = load_decoder(dense)
    assert widths == (16, 32, 64, 128)
    slow = finetune_plan(labels_folder, steps=1, rate=1e-9, encoder=str(dense))
    finetune(slow, tmp_path / "tuned", quiet=True)
    tuned, _ = load_segmenter(tmp_path / "tuned")
    for name, value in weights.items():
        torch.testing.assert_close(tuned.state_dict()[name], value, rtol=0, atol=1e-6)
    without = finetune_plan(labels_folder, steps=1, rate=1e-9, encoder=str(dense), decoder=False)
    finetune(without, tmp_path / "fresh", quiet=True)
    fresh, _ = load_segmenter(tmp_path / "fresh")
    assert not torch.equal(
        fresh.state_dict()["upcat_1.convs.conv_1.conv.weight"], weights["upcat_1.convs.conv_1.conv.weight"]
    )


def test_a_pretrained_decoder_stays_or_moves_with_the_encoder(dense, labels_folder, finetune_plan, tmp_path):
    _, weights = load_decoder(dense)

    def decoder_after(name, **changes):
        plan = finetune_plan(labels_folder, steps=2, rate=1e-2, encoder=str(dense), **changes)
        net, _ = load_segmenter(finetune(plan, tmp_path / name, quiet=True))
        return {key: value for key, value in net.state_dict().items() if key.startswith("upcat_")}

    kept = decoder_after("frozen", schedule=Schedule("frozen"))
    assert kept.keys() == weights.keys()
    assert all(torch.equal(kept[key], weights[key]) for key in kept)
    moved = decoder_after("full")
    assert not any(torch.equal(moved[key], weights[key]) for key in moved if key.endswith("conv.weight"))
    fresh = decoder_after("new", schedule=Schedule("frozen"), decoder=False)
    assert not any(torch.equal(fresh[key], weights[key]) for key in fresh if fresh[key].shape == weights[key].shape)


def test_packed_weights_keep_the_decoder(dense, tmp_path):
    file = pack(dense, tmp_path / "w.safetensors", licence="cc0-1.0", data_licence="cc0-1.0", half=True)
    widths, weights = load_decoder(file)
    kept = load_decoder(dense)
    assert widths == kept[0]
    for name, value in kept[1].items():
        torch.testing.assert_close(weights[name].float(), value, rtol=1e-3, atol=1e-6)
    with safe_open(file, framework="pt") as tensors:
        assert any(name.startswith("decoder.") for name in tensors.keys())  # noqa: SIM118
    assert qontrast.load(str(file)).encoder is not None


def test_runs_without_a_decoder_have_none(pretrained):
    assert load_decoder(pretrained) is None


def test_a_long_run_measures_its_order_in_memory_and_keeps_it(labels_folder, pretrain_plan, tmp_path, monkeypatch):
    from qontrast.tasks import arranging

    monkeypatch.setattr(arranging, "WORTH", 2)
    monkeypatch.setattr(arranging, "timed", lambda *_: {"contiguous": 2.0, "channels_last": 1.0})
    pretrain(pretrain_plan(labels_folder), tmp_path / "run", quiet=True)
    assert json.loads((tmp_path / "run" / ARRANGEMENT).read_text())["layout"] == "channels_last"
    asked = Compute(device="cpu", precision="32", workers=0, layout="contiguous")
    pretrain(pretrain_plan(labels_folder, compute=asked), tmp_path / "asked", quiet=True)
    assert not (tmp_path / "asked" / ARRANGEMENT).exists()


def test_a_long_fine_tuning_measures_it_too(labels_folder, finetune_plan, tmp_path, monkeypatch, capsys):
    from qontrast.tasks import arranging

    monkeypatch.setattr(arranging, "WORTH", 2)
    finetune(finetune_plan(labels_folder), tmp_path / "run")
    kept = json.loads((tmp_path / "run" / ARRANGEMENT).read_text())
    assert set(kept["seconds"]) == {"contiguous", "channels_last"}
    assert all(value > 0 for value in kept["seconds"].values())
    assert f"{kept['layout']} in memory" in capsys.readouterr().out
    assert (tmp_path / "run" / "model.safetensors").is_file()
