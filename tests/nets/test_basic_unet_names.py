"""The networks are MONAI's BasicUNet by their names and by what they compute."""

import pytest
import torch
from monai.networks.nets import BasicUNet

from qontrast.nets.encoder import CNNEncoder
from qontrast.nets.unet import UNet

FEATURES = (4, 6, 8, 10, 12)
ENCODER = ("conv_0", "down_1", "down_2", "down_3", "down_4")


def monai(act="GELU", norm="instance", bias=True, in_channels=1, last=FEATURES[0], dropout=0.2):
    torch.manual_seed(0)
    features = (*FEATURES, last)
    return BasicUNet(3, in_channels, 3, features, act=act, norm=norm, bias=bias, dropout=dropout).eval()


def encoder_state(net):
    return {name: value for name, value in net.state_dict().items() if name.startswith(ENCODER)}


def image(channels=1, seed=1):
    return torch.randn((2, channels, 32, 16, 48), generator=torch.Generator().manual_seed(seed))


SETTINGS = [
    {},
    {"act": "RELU"},
    {"act": ("LeakyReLU", {"negative_slope": 0.1, "inplace": True}), "norm": ("instance", {"affine": True})},
    {"norm": "batch", "bias": False},
    {"in_channels": 2},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_encoders_weights_have_basic_unets_names_and_shapes(settings):
    own, theirs = CNNEncoder(FEATURES, **settings).state_dict(), encoder_state(monai(**settings))
    assert {n: tuple(v.shape) for n, v in own.items()} == {n: tuple(v.shape) for n, v in theirs.items()}


@pytest.mark.parametrize("settings", SETTINGS)
def test_with_basic_unets_weights_every_level_is_basic_unets(settings):
    theirs = monai(**settings)
    encoder = CNNEncoder(FEATURES, **settings).eval()
    encoder.load_state_dict(encoder_state(theirs))
    given = image(settings.get("in_channels", 1))
    with torch.no_grad():
        level = theirs.conv_0(given)
        expected = [level]
        for down in (theirs.down_1, theirs.down_2, theirs.down_3, theirs.down_4):
            expected.append(down(expected[-1]))
        found = encoder.features(given)
        assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
        assert torch.equal(encoder(given), expected[-1])


def test_the_u_net_with_basic_unets_weights_computes_what_it_computes():
    theirs = monai()
    net = UNet(CNNEncoder(FEATURES), classes=3).eval()
    state = {f"encoder.{n}" if n.startswith(ENCODER) else n: v for n, v in theirs.state_dict().items()}
    assert {n: v.shape for n, v in state.items()} == {n: v.shape for n, v in net.state_dict().items()}
    net.load_state_dict(state)
    with torch.no_grad():
        torch.testing.assert_close(net(image()), theirs(image()), rtol=0, atol=0)


def test_features_of_another_basic_unet_are_other_features():
    encoder = CNNEncoder(FEATURES).eval()
    before = encoder(image())
    encoder.load_state_dict(encoder_state(monai()))
    assert not torch.allclose(encoder(image()), before, atol=1e-3)
