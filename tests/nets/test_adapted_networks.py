"""Networks of other libraries as encoders, and what is said of those that cannot be."""

import pytest
import torch
from monai.networks.nets import BasicUNet, DynUNet, SegResNet
from torch import nn

from qontrast.basics.errors import InputError
from qontrast.nets.adapter import adapt
from qontrast.nets.unet import UNet


def image(edge=32, batch=1):
    return torch.randn((batch, 1, edge, edge, edge), generator=torch.Generator().manual_seed(1))


class Plain(nn.Module):
    """Convolutions of PyTorch alone: strides 2 and 4; a head that would fail."""

    def __init__(self, stride=2, channels=1):
        super().__init__()
        self.first = nn.Conv3d(channels, 4, 3, stride=stride, padding=1)
        self.second = nn.Conv3d(4, 6, 3, stride=stride, padding=1)

    def forward(self, x):
        self.second(self.first(x))
        raise RuntimeError("the head wants something else")


class Tokens(nn.Module):
    """A small transformer: patches of 16³ to tokens, as MONAI's ViT gives them."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv3d(1, 24, 16, stride=16)
        self.block = nn.TransformerEncoderLayer(24, 4, 32, dropout=0.1, batch_first=True)

    def forward(self, x):
        return self.block(self.patches(x).flatten(2).transpose(1, 2))


def on_grid(net, x):
    grid = [n // 16 for n in x.shape[2:]]
    return [net(x).transpose(1, 2).unflatten(2, grid)]


ADAPTED = {
    "SegResNet": (lambda: SegResNet(init_filters=8), lambda net, x: net.encode(x)[1], (8, 16, 32, 64), (1, 2, 4, 8)),
    "BasicUNet": (
        lambda: BasicUNet(features=(4, 4, 8, 8, 12, 4)),
        ["conv_0", "down_1", "down_2", "down_3", "down_4"],
        (4, 4, 8, 8, 12),
        (1, 2, 4, 8, 16),
    ),
    "DynUNet": (
        lambda: DynUNet(3, 1, 2, [3] * 3, [1, 2, 2], [2, 2], filters=[4, 6, 8]),
        ["input_block", "downsamples.0", "bottleneck"],
        (4, 6, 8),
        (1, 2, 4),
    ),
    "plain": (Plain, ["first", "second"], (4, 6), (2, 4)),
    "tokens": (Tokens, on_grid, (24,), (16,)),
}


@pytest.mark.parametrize("name", ADAPTED)
def test_a_few_lines_make_an_encoder_that_keeps_the_contract(name):
    make, features, channels, strides = ADAPTED[name]
    torch.manual_seed(0)
    encoder = adapt(make(), features, strides=strides, features_per_level=channels)
    assert (encoder.features_per_level, encoder.strides) == (channels, strides)
    levels = encoder.eval().features(image())
    assert [level.shape for level in levels] == [
        (1, c, *(32 // s,) * 3) for c, s in zip(channels, strides, strict=True)
    ]
    torch.testing.assert_close(encoder.embed(image()), levels[-1].mean(dim=(2, 3, 4)))
    net = UNet(encoder, 3).train()
    net(image()).square().mean().backward()
    reached = [p.grad is not None for p in encoder.parameters()]
    assert any(reached)
    with torch.no_grad():
        assert net.eval()(image()).shape == (1, 3, 32, 32, 32)


def test_layers_by_name_give_what_the_network_itself_computes():
    torch.manual_seed(0)
    net = BasicUNet(features=(4, 4, 8, 8, 12, 4)).eval()
    encoder = adapt(net, ["conv_0", "down_1", "down_2", "down_3", "down_4"]).eval()
    with torch.no_grad():
        x = image()
        for found, block in zip(encoder.features(x), encoder.module.children(), strict=False):
            x = block(x)
            assert torch.equal(found, x)
    assert not any(layer._forward_hooks for layer in net.modules())


def test_adapting_leaves_network_and_randomness_as_they_were():
    net = nn.Sequential(nn.Conv3d(1, 4, 3, 2, 1), nn.BatchNorm3d(4), nn.Dropout(0.5))
    net[1].eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    torch.manual_seed(3)
    state = torch.get_rng_state()
    adapt(net, ["2"])
    assert torch.equal(state, torch.get_rng_state())
    assert (net.training, net[1].training, net[2].training) == (True, False, True)
    assert all(torch.equal(value, before[k]) for k, value in net.state_dict().items())


class Odd(nn.Module):
    """Gives whatever it is told to make of an image."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, x):
        return self.make(x)


def coarse(x, *factors):
    return nn.functional.interpolate(x, scale_factor=factors or (0.5, 0.5, 0.5))


REFUSED = {
    "two channels wanted": (lambda: Plain(channels=2), ["second"], "RuntimeError for an image of shape .2, 1, 64"),
    "no such layer": (Plain, ["frist"], "no layer 'frist'; wanted the name of one. Did you mean 'first'"),
    "layer not used": (lambda: nn.ModuleDict({"a": nn.Conv3d(1, 2, 1)}), ["a"], "NotImplementedError for an image"),
    "one tensor": (lambda: Odd(coarse), lambda net, x: net(x), "found one tensor; wanted a list of maps"),
    "nothing": (lambda: Odd(coarse), lambda net, x: [], "wanted a list of maps"),
    "no layers": (Plain, [], "found no layer"),
    "tokens": (lambda: Odd(lambda x: [coarse(x).flatten(2)]), None, r"map 0: found a shape of \(2, 1, 32768\).*Tokens"),
    "a text": (lambda: Odd(lambda x: ["map"]), None, "map 0: found a str"),
    "anisotropic": (lambda: Odd(lambda x: [coarse(x, 0.5, 0.5, 0.25)]), None, r"\(32, 32, 16\) of a cube of 64"),
    "a stride of 3": (
        lambda: Odd(lambda x: [x[..., ::3, ::3, ::3]]),
        None,
        "22 voxels of 64; wanted a stride of",
    ),
    "no padding": (lambda: Odd(lambda x: [x[..., 1:-1, 1:-1, 1:-1]]), None, "62 voxels of 64.*Pad its convolutions"),
    "enlarged": (lambda: Odd(lambda x: [coarse(x, 2, 2, 2)]), None, "128 voxels of 64"),
    "coarsest first": (lambda: Odd(lambda x: [coarse(x), x]), None, r"strides \(2, 1\).*finest first"),
    "twice the same": (lambda: Odd(lambda x: [coarse(x), coarse(x)]), None, r"strides \(2, 2\)"),
    "not coarse": (lambda: Odd(lambda x: [x]), None, r"strides \(1,\); wanted .* the last of stride 2 or more"),
    "not finite": (lambda: Odd(lambda x: [coarse(x) / 0]), None, "map 0: found values that are not finite"),
    "whole numbers": (lambda: Odd(lambda x: [coarse(x).long()]), None, "no floating-point"),
    "constant": (lambda: Odd(lambda x: [torch.ones_like(coarse(x))]), None, "the same features for two images"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_pyramid_is_refused_by_what_is_wrong(what):
    make, features, message = REFUSED[what]
    with pytest.raises(InputError, match=message):
        adapt(make(), (lambda net, x: net(x)) if features is None else features)


@pytest.mark.parametrize(("stated", "message"), [
    ({"strides": (1, 2)}, r"strides \(2, 4\); wanted \(1, 2\), as stated"),
    ({"features_per_level": (4, 8)}, r"features_per_level \(4, 6\); wanted \(4, 8\)"),
])  # fmt: skip
def test_what_is_stated_wrongly_is_refused(stated, message):
    with pytest.raises(InputError, match=message):
        adapt(Plain(), ["first", "second"], **stated)


def test_a_network_of_a_fixed_size_is_asked_with_that_size():
    class Fixed(Plain):
        def forward(self, x):
            assert x.shape[-1] == 48, "built for 48"
            return [self.first(x)]

    with pytest.raises(InputError, match=r"built for 48.*give size"):
        adapt(Fixed(), lambda net, x: net(x))
    assert adapt(Fixed(), lambda net, x: net(x), size=48).strides == (2,)
