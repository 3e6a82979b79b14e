"""Decoders of any pyramid, and U-Nets that take them over."""

import pytest
import torch

from qontrast.basics.errors import InputError
from qontrast.nets.decoder import Decoder, light_widths, widths_of
from qontrast.nets.encoder import CNNEncoder
from qontrast.nets.residual import ResidualEncoder
from qontrast.nets.unet import UNet

TINY = (2, 2, 4, 4, 6)


def pyramid(channels, strides, edge=32):
    generator = torch.Generator().manual_seed(0)
    return tuple(
        torch.randn((1, c, edge // s, edge // s, edge // s), generator=generator)
        for c, s in zip(channels, strides, strict=True)
    )


@pytest.mark.parametrize(
    ("channels", "strides"),
    [((3, 5, 7, 9), (1, 2, 4, 8)), ((5, 7, 9), (2, 4, 8)), ((5, 9), (4, 16)), ((4,), (8,)), ((2, 3), (1, 2))],
)
def test_it_doubles_the_grid_up_to_the_images_whatever_levels_there_are(channels, strides):
    decoder = Decoder(channels, strides)
    found = decoder(pyramid(channels, strides))
    assert decoder.strides == tuple(2**i for i in range(len(found)))
    assert strides[-1] == 2 ** len(found)
    for level, width, stride in zip(found, decoder.widths, decoder.strides, strict=True):
        assert level.shape == (1, width, 32 // stride, 32 // stride, 32 // stride)


def test_every_level_and_weight_matters():
    channels, strides = (3, 5, 7), (1, 2, 8)
    decoder, levels = Decoder(channels, strides), pyramid(channels, strides)
    for level in levels:
        level.requires_grad_()
    decoder(levels)[0].square().mul(torch.randn(32)).sum().backward()
    assert all(float(level.grad.abs().sum()) > 0 for level in levels)
    assert all(float(p.grad.abs().sum()) > 0 for n, p in decoder.named_parameters() if n.endswith("weight"))


def test_light_widths_are_those_of_the_smallest_network_or_the_encoders_if_smaller():
    assert light_widths((64, 128, 256, 512, 768), (1, 2, 4, 8, 16)) == (16, 32, 64, 128)
    assert light_widths((8, 40, 50, 300), (1, 2, 4, 8)) == (8, 32, 50)
    assert light_widths((300,), (8,)) == (16, 32, 64)


@pytest.mark.parametrize(
    ("channels", "strides", "widths", "message"),
    [
        ((3, 4), (1, 3), None, "ascending powers of two"),
        ((3, 4), (2, 1), None, "ascending powers of two"),
        ((3, 4), (2, 2), None, "ascending powers of two"),
        ((3, 4, 5), (1, 2), None, "ascending powers of two"),
        ((3,), (1,), None, "ascending powers of two"),
        ((), (), None, "ascending powers of two"),
        ((3, 4), (1, 8), (4, 4), "3 of them, one for each stride below 8"),
    ],
)
def test_pyramids_that_do_not_double_are_refused(channels, strides, widths, message):
    with pytest.raises(InputError, match=message):
        Decoder(channels, strides, widths)


@pytest.mark.parametrize(
    ("encoder", "widths"),
    [(CNNEncoder(TINY), None), (CNNEncoder(TINY), (3, 4, 5, 6)), (ResidualEncoder((4, 6, 8), (1, 1, 1)), None)],
)
def test_a_u_net_takes_a_pretrained_decoder_over(encoder, widths):
    net = UNet(encoder, classes=2, widths=widths).eval()
    chosen = widths_of(net.state_dict())
    torch.manual_seed(1)
    decoder = Decoder(encoder.features_per_level, encoder.strides, chosen).eval()
    image = torch.randn(1, 1, 32, 32, 32)
    with torch.no_grad():
        expected = decoder(encoder.eval().features(image))
        assert not torch.equal(net.decode(image)[0], expected[0])
        net.load_decoder(decoder.state_dict())
        found = net.decode(image)
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
        assert torch.equal(net(image), net.final_conv(expected[0]))


def test_a_decoder_of_other_widths_is_refused_with_the_weight():
    net = UNet(CNNEncoder(TINY), 2)
    state = Decoder(TINY, net.encoder.strides, (3, 4, 5, 6)).state_dict()
    with pytest.raises(InputError, match=r"decoder: found 'upcat_4.convs.*wanted shape .*Other widths\?"):
        net.load_decoder(state)
    with pytest.raises(InputError, match=r"'upcat_1.extra' of shape \(1,\); wanted shape none"):
        net.load_decoder(
            {n: v for n, v in net.state_dict().items() if n.startswith("upcat_")} | {"upcat_1.extra": torch.zeros(1)}
        )


def test_the_widths_of_a_file_without_a_decoder_are_none():
    assert widths_of(CNNEncoder(TINY).state_dict()) == ()
