"""Fine-tuning by every schedule, from every kind of encoder."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from monai.networks.nets import SegResNet
from safetensors.torch import load_file
from torch import nn

from qontrast.basics.errors import InputError
from qontrast.losses.segmentation import DiceCrossEntropy
from qontrast.nets.adapter import adapt
from qontrast.nets.encoder import CNNEncoder
from qontrast.nets.linear_probe import LinearProbe
from qontrast.nets.neighbours import Neighbours
from qontrast.nets.unet import UNet
from qontrast.tasks.evaluate import evaluate
from qontrast.tasks.finetune import finetune
from qontrast.tasks.models import open_segmenter
from qontrast.tasks.plans import Cohort
from qontrast.tasks.schedules import Schedule
from qontrast.weights.encoder import load_encoder
from qontrast.weights.segmenter import load_segmenter

KINDS = {
    "full": UNet,
    "frozen": UNet,
    "linear-probe": LinearProbe,
    "knn": Neighbours,
    "warm-up": UNet,
    "sawtooth": UNet,
}


def kept(file, packed):
    """Whether the encoder of a segmenter's file is still that of the packed weights."""
    found, before = load_file(file), load_file(packed)
    return all(torch.equal(found[f"encoder.{name}"], value) for name, value in before.items())


@pytest.mark.parametrize("kind", KINDS)
def test_every_schedules_segmenter_is_trained_saved_and_loaded(kind, packed, labels_folder, finetune_plan, tmp_path):
    schedule = Schedule(kind, head=0.5, rise=0.25, neighbours=3, voxels=64)
    plan = finetune_plan(labels_folder, steps=4, encoder=str(packed), schedule=schedule)
    file = finetune(plan, tmp_path / "run", quiet=True)
    net, contract = load_segmenter(file)
    assert type(net) is KINDS[kind]
    assert contract.plan["schedule.kind"] == kind
    assert kept(file, packed) == schedule.keeps
    image = torch.randn((1, 1, 32, 32, 32), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.isfinite(net(image)).all()
        assert net(image).shape == (1, 4, 32, 32, 32)
    again = finetune(plan, tmp_path / "run", resume=True, quiet=True)
    assert again.read_bytes() == file.read_bytes()


def test_while_a_warm_up_trains_the_decoder_the_encoder_is_bit_equal(packed, labels_folder, finetune_plan, tmp_path):
    plan = finetune_plan(labels_folder, steps=4, encoder=str(packed), schedule=Schedule("warm-up", head=0.75))
    plan = replace(plan, optimisation=replace(plan.optimisation, checkpoint_steps=1))
    calls = iter(range(99))
    real = DiceCrossEntropy.forward
    with pytest.MonkeyPatch.context() as patch:

        def forward(*arguments):
            if next(calls) == 3:
                raise KeyboardInterrupt
            return real(*arguments)

        patch.setattr(DiceCrossEntropy, "forward", forward)
        with pytest.raises(KeyboardInterrupt):
            finetune(plan, tmp_path / "run", quiet=True)
    saved = load_file(tmp_path / "run" / "checkpoint.safetensors")
    before = load_file(packed)
    assert all(torch.equal(saved[f"model.encoder.{name}"], value) for name, value in before.items())
    resumed = finetune(plan, tmp_path / "run", resume=True, quiet=True)
    whole = finetune(plan, tmp_path / "whole", quiet=True)
    assert resumed.read_bytes() == whole.read_bytes()
    assert not kept(whole, packed)


def checkpoint(tmp_path):
    """A file as the method's published code writes it."""
    encoder = CNNEncoder((4, 4, 8, 8, 12))
    path = tmp_path / "method.pt"
    config = {"spatial_dims": 3, "in_channels": 1, "features": (4, 4, 8, 8, 12, 4), "act": "GELU", "norm": "instance"}
    torch.save({"config": config, "state_dict": {f"_orig_mod.{k}": v for k, v in encoder.state_dict().items()}}, path)
    return path


@pytest.mark.parametrize("source", ["scratch", "packed", "run folder", "method", "import", "python"])
def test_every_kind_of_encoder_is_where_training_starts(
    source, packed, finished_run, labels_folder, finetune_plan, tmp_path, monkeypatch
):
    (tmp_path / "own_nets.py").write_text(
        "from monai.networks.nets import SegResNet\n"
        "from qontrast.nets.adapter import adapt\n"
        "def small():\n"
        "    return adapt(SegResNet(init_filters=8, blocks_down=(1, 1, 1)), lambda net, image: net.encode(image)[1],"
        " size=32)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    name = {
        "scratch": None,
        "packed": str(packed),
        "run folder": str(finished_run),
        "method": str(checkpoint(tmp_path)),
        "import": "own_nets:small",
        "python": "a network of mine",
    }[source]
    given = None
    if source == "python":
        given = adapt(SegResNet(init_filters=8, blocks_down=(1, 1)), lambda net, image: net.encode(image)[1], size=32)
        before = {k: v.clone() for k, v in given.state_dict().items()}
    plan = finetune_plan(labels_folder, steps=1, encoder=name, schedule=Schedule("frozen" if name else "full"))
    file = finetune(plan, tmp_path / "run", encoder=given, quiet=True)
    arm = {"scratch": "scratch", "packed": "tiny", "run folder": "seqinv"}.get(source, "external")
    tensors = load_file(file)
    if source == "python":
        assert all(torch.equal(given.state_dict()[k], v) for k, v in before.items())
        expected = before
    else:
        expected = load_encoder(name).state_dict() if name and source != "import" else {}
    assert all(torch.equal(tensors[f"encoder.{k}"], v) for k, v in expected.items())
    net, contract = load_segmenter(file, encoder=given if source == "python" else name)
    assert contract.plan["pretraining.arm"] == arm
    assert net(torch.zeros(1, 1, 32, 32, 32)).shape == (1, 4, 32, 32, 32)
    sys.modules.pop("own_nets", None)


def test_the_callers_network_is_not_trained(labels_folder, finetune_plan, tmp_path):
    encoder = CNNEncoder((4, 4, 8, 8, 12))
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    file = finetune(
        finetune_plan(labels_folder, steps=1, encoder="mine"), tmp_path / "run", encoder=encoder, quiet=True
    )
    assert all(torch.equal(encoder.state_dict()[k], v) for k, v in before.items())
    assert not kept_all(load_file(file), before)
    assert type(encoder.conv_0.conv_0.conv) is nn.Conv3d


def kept_all(tensors, before):
    return all(torch.equal(tensors[f"encoder.{k}"], v) for k, v in before.items())


def test_a_segmenter_on_an_adapted_network_asks_for_it(labels_folder, finetune_plan, tmp_path):
    encoder = adapt(SegResNet(init_filters=8, blocks_down=(1, 1)), lambda net, image: net.encode(image)[1], size=32)
    plan = finetune_plan(labels_folder, steps=1, encoder="mine", schedule=Schedule("linear-probe"))
    file = finetune(plan, tmp_path / "run", encoder=encoder, quiet=True)
    with pytest.raises(InputError, match=r"adapted from SegResNet; wanted that encoder\. Give --encoder package"):
        load_segmenter(file)
    other = adapt(SegResNet(init_filters=16, blocks_down=(1, 1)), lambda net, image: net.encode(image)[1], size=32)
    with pytest.raises(InputError, match=r"an encoder of \(16, 32\) channels; wanted \(8, 16\)"):
        load_segmenter(file, encoder=other)
    rows = evaluate(
        tmp_path / "run",
        Cohort(data=str(labels_folder), subjects=("sub-02",)),
        tmp_path / "l.jsonl",
        encoder=encoder,
        quiet=True,
    )
    assert {row["schedule"] for row in rows} == {"linear-probe"}


class Bright(CNNEncoder):
    """An encoder whose finest map is the image itself."""

    def pyramid(self, image):
        levels = super().pyramid(image)
        finest = torch.zeros_like(levels[0])
        finest[:, 0], finest[:, 1] = image[:, 0], 1.0
        return (finest, *(torch.zeros_like(level) for level in levels[1:]))


def test_neighbours_tell_tissues_where_features_do(labels_folder, finetune_plan, tmp_path):
    """The image's own brightness is the feature: in one contrast it tells tissues far better than chance."""
    encoder = Bright((4, 4, 8, 8, 12))
    plan = finetune_plan(labels_folder, steps=4, encoder="mine", schedule=Schedule("knn", neighbours=9, voxels=400))
    run = finetune(plan, tmp_path / "run", encoder=encoder, quiet=True).parent
    segmenter = open_segmenter(run)
    tensors = load_file(run / "model.safetensors")
    assert len(tensors["bank"]) <= 400
    counts = torch.bincount(tensors["truth"], minlength=4)
    assert int(counts.min()) > 60
    patched = replace(segmenter, net=Neighbours(encoder, 4, len(tensors["bank"])).eval())
    patched.net.load_state_dict(tensors)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qontrast.tasks.evaluate.open_model", lambda *_, **__: patched)
        cohort = Cohort(data=str(labels_folder), subjects=("sub-01",))
        rows = evaluate(run, cohort, tmp_path / "ledger.jsonl", quiet=True)
    dice = {row["class"]: row["dice"] for row in rows}
    assert np.mean([dice["grey matter"], dice["white matter"]]) > 0.5
