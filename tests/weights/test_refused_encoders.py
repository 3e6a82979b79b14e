"""Files that are no encoder are refused by name, whatever they are, and no code in them is run."""

import os
import pickle
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch

from qontrast.basics.errors import InputError
from qontrast.nets.encoder import CNNEncoder
from qontrast.nets.unet import UNet
from qontrast.weights.encoder import load_encoder
from qontrast.weights.segmenter import save_segmenter

TINY = (2, 2, 4, 4, 6)


def refused(path, pattern, named=None):
    with pytest.raises(InputError, match=pattern) as caught:
        load_encoder(path)
    assert str(named or path) in str(caught.value)


class Malicious:
    def __init__(self, victim):
        self.victim = victim

    def __reduce__(self):
        return os.mkdir, (self.victim,)


FORMS = {
    "torch": "pickled code, which is never run",
    "torch legacy": "pickled code, which is never run",
    "in the config": "pickled code, which is never run",
    "pickle": "a file that torch cannot read",
    "pickle 2": "pickled code, which is never run",
    "safetensors": "no readable safetensors file",
}


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("form", FORMS)
def test_code_in_a_pickle_is_not_run(tmp_path, form):
    victim, path = tmp_path / "owned", tmp_path / "encoder.pt"
    bomb = Malicious(str(victim))
    if form == "torch":
        torch.save({"config": {}, "state_dict": {"conv_0.x": bomb}}, path)
    elif form == "torch legacy":
        torch.save({"config": {}, "state_dict": bomb}, path, _use_new_zipfile_serialization=False)
    elif form == "in the config":
        torch.save({"config": {"features": bomb}, "state_dict": {}}, path)
    elif form == "safetensors":
        path = tmp_path / "encoder.safetensors"
        path.write_bytes(pickle.dumps(bomb))
    else:
        path.write_bytes(pickle.dumps({"config": bomb}, protocol=2 if form == "pickle 2" else None))
    refused(path, FORMS[form])
    assert not victim.exists()


def test_that_code_would_have_run_elsewhere(tmp_path):
    pickle.loads(pickle.dumps(Malicious(str(tmp_path / "owned"))))
    assert (tmp_path / "owned").is_dir()


def test_objects_of_other_classes_are_not_made(tmp_path):
    torch.save({"config": {"features": Path("x")}, "state_dict": {}}, tmp_path / "x.pt")
    refused(tmp_path / "x.pt", "pickled code, which is never run")


@pytest.mark.parametrize("ending", ["pt", "safetensors"])
@pytest.mark.parametrize("content", [b"", b"\x80", bytes(range(256)) * 9, b"<html>not found</html>", bytes(5000)])
def test_other_bytes_are_refused(tmp_path, ending, content):
    path = tmp_path / f"encoder.{ending}"
    path.write_bytes(content)
    refused(path, "no readable safetensors" if ending == "safetensors" else "a file that torch cannot read")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_damaged_bytes_are_refused_wherever_the_damage_is(tmp_path):
    generator = torch.Generator().manual_seed(0)
    config = {"features": (2, 2, 4, 4, 6), "act": "GELU", "more": [1, 2, {"a": 3.5}]}
    good = pickle.dumps({"config": config, "state_dict": {"conv_0.x": 1}}, protocol=2)
    path = tmp_path / "encoder.pt"
    for _ in range(400):
        bad = bytearray(good)
        for place in torch.randint(len(bad), (2,), generator=generator).tolist():
            bad[place] = int(torch.randint(256, (), generator=generator))
        path.write_bytes(bytes(bad))
        refused(path, "found")


def test_a_torn_checkpoint_is_refused(tmp_path, checkpoint):
    whole = checkpoint().read_bytes()
    for size in (10, 1000, len(whole) // 2, len(whole) - 20):
        (tmp_path / "torn.pt").write_bytes(whole[:size])
        refused(tmp_path / "torn.pt", "a file that torch cannot read")


def test_a_zip_of_something_else_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "scans.zip", "w") as file:
        file.writestr("readme.txt", "hello")
    refused(tmp_path / "scans.zip", "a file that torch cannot read")


def test_safetensors_without_a_contract_are_refused(tmp_path):
    path = tmp_path / "encoder.safetensors"
    tensors = {"conv_0.weight": torch.zeros(2)}
    for meta in (None, {"format": "pt"}, {"qontrast": "{"}, {"qontrast": "[]"}, {"qontrast": "3"}, {"qontrast": "{}"}):
        path.write_bytes(safetensors.torch.save(tensors, metadata=meta))
        refused(path, "without a contract of qontrast")


@pytest.mark.parametrize(
    ("content", "pattern"),
    [
        ({"conv_0.x": torch.zeros(1)}, r"found keys conv_0\.x; .*\"state_dict\""),
        ({"state_dict": {}}, "found keys state_dict;"),
        ({"config": {}}, "found keys config;"),
        ({}, "found keys ;"),
        ([1, 2], "found list;"),
        (torch.zeros(3), "found Tensor;"),
        ({"config": [1], "state_dict": {}}, "config and state_dict of list, dict"),
        ({"config": {}, "state_dict": torch.zeros(2)}, "config and state_dict of dict, Tensor"),
        ({"config": {}, "state_dict": {}}, "features = None"),
        ({"config": {}, "state_dict": {"head.weight": torch.zeros(1)}}, r"the weight 'head\.weight'.*conv_0"),
        ({"config": {}, "state_dict": {"conv_0.x": 3}}, r"the weight 'conv_0\.x'"),
        ({"config": {}, "state_dict": {5: torch.zeros(1)}}, "the weight 5"),
    ],
)
def test_torch_files_of_something_else_are_refused_with_what_they_hold(tmp_path, content, pattern):
    torch.save(content, tmp_path / "other.pt")
    refused(tmp_path / "other.pt", pattern)


@pytest.mark.parametrize(
    ("config", "pattern"),
    [
        ({"features": (8, 16, 32, 64)}, r"features = \(8, 16, 32, 64\); wanted the channels of 5 levels"),
        ({"features": 8}, "features = 8"),
        ({"features": "8,16,32,64,96"}, "features = "),
        ({"features": ("a", 16, 32, 64, 96)}, "a config that makes no network"),
        ({"features": (8, 16, -32, 64, 96)}, "a config that makes no network"),
        ({"spatial_dims": 2}, "a 2D network; wanted a 3D network"),
        ({"act": "NOSUCH"}, "a config that makes no network"),
        ({"norm": "nosuch"}, "a config that makes no network"),
        ({"act": 5}, "a config that makes no network"),
        ({"in_channels": "one"}, "a config that makes no network"),
        ({"in_channels": 2}, r"'conv_0.conv_0.conv.weight' of shape \(8, 1, 3, 3, 3\); wanted shape \(8, 2, 3, 3, 3\)"),
        ({"features": (16, 16, 32, 64, 96)}, "of shape .*wanted shape"),
        ({"bias": False}, r"the unknown weight 'conv_0.conv_0.conv.bias' \(0 missing, 10 unknown\)"),
        ({"norm": "batch"}, r"no weight 'conv_0.conv_0.adn.N.weight' \(50 missing"),
    ],
)
def test_configurations_that_do_not_fit_are_refused(checkpoint, config, pattern):
    refused(checkpoint(**config), pattern)


@pytest.mark.parametrize(
    ("change", "pattern"),
    [
        (lambda s: s.pop("down_3.convs.conv_1.conv.bias"), r"no weight 'down_3.convs.conv_1.conv.bias' \(1 missing, 0"),
        (lambda s: s.update({"down_2.extra": torch.zeros(1)}), r"unknown weight 'down_2.extra' \(0 missing, 1 unknown"),
        (lambda s: s.update({"conv_0.conv_0.conv.bias": torch.zeros(9)}), r"of shape \(9,\); wanted shape \(8,\)"),
        (lambda s: s.update({"swin.weight": torch.zeros(1)}), r"the weight 'swin\.weight'"),
        (lambda s: s.clear(), r"\(20 missing, 0 unknown\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused_with_the_first_of_them(checkpoint, change, pattern):
    refused(checkpoint(change=change), pattern)


def test_folders_and_paths_without_an_encoder_are_refused(tmp_path):
    refused(tmp_path, "no such file; wanted an encoder.*--resume", tmp_path / "encoder.safetensors")
    refused(tmp_path / "nowhere.pt", "no such file")


def test_a_segmenter_is_no_encoder(tmp_path):
    path = tmp_path / "model.safetensors"
    net = UNet(CNNEncoder(TINY), 2)
    save_segmenter(path, net, classes=("a", "b"), spacing=2.0, crop=32, normalisation="none", plan={})
    refused(path, "found a segmenter; wanted a encoder")
