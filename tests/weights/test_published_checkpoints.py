"""Checkpoints of the method's own code give the features of MONAI's BasicUNet."""

from collections import OrderedDict

import pytest
import torch

import qontrast
from qontrast.nets.encoder import CNNEncoder
from qontrast.weights.encoder import encoder_arm, load_encoder


def deepest(basic_unet, scan):
    with torch.no_grad():
        level = basic_unet.conv_0(scan)
        for down in (basic_unet.down_1, basic_unet.down_2, basic_unet.down_3, basic_unet.down_4):
            level = down(level)
    return level


def same_features(path, basic_unet, scan):
    encoder = load_encoder(path)
    assert isinstance(encoder, CNNEncoder)
    assert not encoder.training
    with torch.no_grad():
        assert torch.equal(encoder(scan), deepest(basic_unet, scan))
    return encoder


def test_the_package_offers_this_very_function():
    assert qontrast.load_encoder is load_encoder


@pytest.mark.parametrize("prefix", ["", "_orig_mod.", "module.", "module._orig_mod.", "_orig_mod.module."])
@pytest.mark.parametrize("decoder", [False, True])
def test_the_deepest_features_are_basic_unets(checkpoint, basic_unet, scan, prefix, decoder):
    encoder = same_features(checkpoint(prefix=prefix, decoder=decoder), basic_unet, scan)
    assert encoder.features_per_level == (8, 16, 32, 64, 96)


@pytest.mark.parametrize("features", [[8, 16, 32, 64, 96], (8, 16, 32, 64, 96, 8), (8, 16, 32, 64, 96, 200)])
def test_features_may_be_a_list_and_may_have_basic_unets_sixth(checkpoint, basic_unet, scan, features):
    same_features(checkpoint(features=features), basic_unet, scan)


@pytest.mark.parametrize("name", ["last.ckpt", "model.pth", "weights"])
def test_the_files_ending_does_not_matter(checkpoint, basic_unet, scan, name):
    path = checkpoint(name=name)
    same_features(path, basic_unet, scan)
    same_features(str(path), basic_unet, scan)


def test_settings_that_are_not_stated_are_the_methods(checkpoint, basic_unet, scan):
    stated = dict.fromkeys(("spatial_dims", "in_channels", "act", "norm", "bias", "dropout"))
    encoder = same_features(checkpoint(**stated), basic_unet, scan)
    expected = {"in_channels": 1, "act": "GELU", "norm": "instance", "bias": True, "dropout": 0.2}
    assert encoder.settings == {"family": "cnn"} | expected


def test_settings_that_are_stated_are_kept(checkpoint, basic_unet, scan):
    other = load_encoder(checkpoint(act="RELU", dropout=0.0))
    assert (other.settings["act"], other.settings["dropout"]) == ("RELU", 0.0)
    with torch.no_grad():
        assert not torch.allclose(other(scan), deepest(basic_unet, scan), atol=1e-2)


def test_weights_in_half_precision_are_read_as_single(checkpoint, basic_unet, scan):
    def halve(state):
        for name in state:
            state[name] = state[name].half()

    encoder = load_encoder(checkpoint(change=halve))
    assert {p.dtype for p in encoder.parameters()} == {torch.float32}
    for name, value in encoder.state_dict().items():
        torch.testing.assert_close(value, basic_unet.state_dict()[name], rtol=1e-3, atol=1e-4)


def test_what_else_a_checkpoint_holds_is_passed_over(tmp_path, checkpoint, basic_unet, scan):
    content = torch.load(checkpoint(), weights_only=True)
    more = {**content, "epoch": 12, "optimizer": {"state": {}}, "losses": [0.5, 0.4]}
    torch.save(more, tmp_path / "more.pt")
    same_features(tmp_path / "more.pt", basic_unet, scan)
    legacy = {"config": content["config"], "state_dict": OrderedDict(content["state_dict"])}
    torch.save(legacy, tmp_path / "legacy.pt", _use_new_zipfile_serialization=False)
    same_features(tmp_path / "legacy.pt", basic_unet, scan)


def test_it_is_of_no_arm_of_ours(checkpoint):
    assert encoder_arm(checkpoint()) == "external"
