"""What is saved is loaded again to the bit, with the contract of its input."""

import json
import re

import pytest
import safetensors
import safetensors.torch
import torch

from qontrast.basics.errors import InputError, WriteError
from qontrast.nets.encoder import CNNEncoder
from qontrast.nets.unet import UNet
from qontrast.weights.contract import Contract, read_weights
from qontrast.weights.encoder import encoder_arm, load_encoder, save_encoder
from qontrast.weights.seal import BLANK, seal
from qontrast.weights.segmenter import load_segmenter, save_segmenter

TINY = (2, 2, 4, 4, 6)
CLASSES = ("background", "grey matter", "lesion")
SETTINGS = [
    {},
    {"act": "RELU", "norm": "batch", "bias": False, "dropout": 0.0},
    {"act": ("LeakyReLU", {"negative_slope": 0.1, "inplace": True}), "norm": ("instance", {"affine": True})},
    {"in_channels": 2},
]


def made(**settings):
    torch.manual_seed(0)
    return CNNEncoder(TINY, **settings)


def save(path, encoder, **plan):
    save_encoder(path, encoder, spacing=1.5, crop=48, normalisation="words", plan=plan)


def save_net(path, net):
    save_segmenter(path, net, classes=CLASSES, spacing=1.5, crop=48, normalisation="words", plan={"seed": 3})


def scan(channels=1):
    return torch.randn((2, channels, 32, 16, 16), generator=torch.Generator().manual_seed(1))


def alike(one, other):
    states = one.state_dict(), other.state_dict()
    return states[0].keys() == states[1].keys() and all(torch.equal(states[0][k], states[1][k]) for k in states[0])


@pytest.mark.parametrize("settings", SETTINGS)
def test_an_encoder_comes_back_to_the_bit_with_its_settings(tmp_path, settings):
    encoder = made(**settings)
    path = tmp_path / "encoder.safetensors"
    save(path, encoder)
    loaded = load_encoder(path)
    assert alike(loaded, encoder)
    assert not loaded.training
    given = scan(settings.get("in_channels", 1))
    with torch.no_grad():
        assert torch.equal(loaded(given), encoder.eval()(given))
    assert loaded.features_per_level == TINY
    assert loaded.settings.keys() == encoder.settings.keys()


def test_a_runs_folder_stands_for_its_encoder(tmp_path):
    save(tmp_path / "encoder.safetensors", made(), **{"views.arm": "seqaug"})
    assert alike(load_encoder(tmp_path), made())
    assert alike(load_encoder(str(tmp_path)), made())
    assert encoder_arm(tmp_path) == encoder_arm(tmp_path / "encoder.safetensors") == "seqaug"


def test_an_encoder_whose_plan_names_no_arm_is_external(tmp_path):
    save(tmp_path / "encoder.safetensors", made())
    assert encoder_arm(tmp_path) == "external"


def test_the_contract_lies_in_the_file_itself(tmp_path):
    path = tmp_path / "encoder.safetensors"
    save(path, made(), **{"views.arm": "seqinv", "seed": 7})
    with safetensors.safe_open(path, framework="pt") as file:
        contract = json.loads(file.metadata()["qontrast"])
    assert contract["kind"] == "encoder"
    assert contract["features"] == list(TINY)
    assert (contract["spacing"], contract["crop"], contract["normalisation"]) == (1.5, 48, "words")
    assert contract["orientation"] == "RAS"
    assert contract["plan"] == {"views.arm": "seqinv", "seed": 7}
    _, read = read_weights(path, "encoder")
    assert read == Contract(
        "encoder",
        TINY,
        1.5,
        48,
        "words",
        encoder={"family": "cnn", "in_channels": 1, "act": "GELU", "norm": "instance", "bias": True, "dropout": 0.2},
        plan={"views.arm": "seqinv", "seed": 7},
    )


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_segmenter_comes_back_to_the_bit_with_its_classes(tmp_path, settings):
    torch.manual_seed(0)
    net = UNet(made(**settings), len(CLASSES))
    save_net(tmp_path / "model.safetensors", net)
    for path in (tmp_path, tmp_path / "model.safetensors", str(tmp_path)):
        loaded, contract = load_segmenter(path)
        assert alike(loaded, net)
        assert not loaded.training
        assert contract.classes == CLASSES
        assert contract.features == TINY
        assert contract.plan == {"seed": 3}
    given = scan(settings.get("in_channels", 1))
    with torch.no_grad():
        logits = loaded(given)
        assert torch.equal(logits, net.eval()(given))
    assert logits.shape == (2, 3, 32, 16, 16)


def test_an_encoder_is_no_segmenter(tmp_path):
    save(tmp_path / "model.safetensors", made())
    with pytest.raises(InputError, match=r"model\.safetensors: found a encoder; wanted a segmenter.*finetune"):
        load_segmenter(tmp_path)


def test_a_folder_without_a_segmenter_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"model\.safetensors: found no such file.*--resume"):
        load_segmenter(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x05", bytes(400)])
def test_a_damaged_segmenter_is_refused_by_name(tmp_path, content):
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=r"model\.safetensors: found no readable safetensors file"):
        load_segmenter(tmp_path)


CHANGES = {
    "missing": (lambda t: t.pop("final_conv.bias"), r"no weight 'final_conv\.bias' \(1 missing"),
    "unknown": (lambda t: t.update(more=torch.zeros(1)), r"the unknown weight 'more'"),
    "shape": (lambda t: t.update({"final_conv.bias": torch.zeros(9)}), r"shape \(9,\); wanted shape \(3,\)"),
}


@pytest.mark.parametrize(("change", "pattern"), CHANGES.values(), ids=CHANGES.keys())
def test_a_segmenter_with_other_weights_is_refused(tmp_path, change, pattern):
    path = tmp_path / "model.safetensors"
    save_net(path, UNet(made(), len(CLASSES)))
    with safetensors.safe_open(path, framework="pt") as file:
        meta = file.metadata()
    tensors = safetensors.torch.load_file(path)
    change(tensors)
    blank = {name: re.sub('"sha256": "[0-9a-f]{64}"', f'"sha256": "{BLANK}"', text) for name, text in meta.items()}
    path.write_bytes(seal(safetensors.torch.save(tensors, metadata=blank)))
    with pytest.raises(InputError, match=pattern) as caught:
        load_segmenter(path)
    assert str(path) in str(caught.value)


WRONG = {"levels": {"features": [8, 16]}, "setting": {"encoder": {"colour": 3}}, "norm": {"encoder": {"norm": "x"}}}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("kind", ["encoder", "segmenter"])
def test_a_contract_that_makes_no_network_is_refused_by_name(tmp_path, kind, wrong):
    path = tmp_path / "x.safetensors"
    contract = {"kind": kind, "features": list(TINY), "spacing": 1.0, "crop": 32, "normalisation": "", "classes": ["a"]}
    path.write_bytes(safetensors.torch.save({"x": torch.zeros(1)}, metadata={"qontrast": json.dumps(contract | wrong)}))
    with pytest.raises(InputError) as caught:
        (load_encoder if kind == "encoder" else load_segmenter)(path)
    assert str(path) in str(caught.value)


def test_a_folder_that_cannot_be_written_is_said_and_the_old_file_stays(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WriteError, match="encoder"):
        save(tmp_path / "file" / "encoder.safetensors", made())
    assert (tmp_path / "file").read_text() == "in the way"
