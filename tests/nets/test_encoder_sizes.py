"""Which images the encoder takes, and how large it is."""

import pytest
import torch

from qontrast.basics.errors import InputError
from qontrast.nets.catalogue import NETS, build_encoder, rebuild
from qontrast.nets.encoder import CNNEncoder
from qontrast.nets.padding import pool
from qontrast.nets.residual import ResidualEncoder

TINY = (2, 2, 4, 4, 6)


@pytest.mark.parametrize("shape", [(31, 32, 32), (32, 40, 32), (32, 32, 8), (1, 1, 1), (33, 33, 33)])
def test_edges_that_do_not_halve_four_times_are_refused(shape):
    with pytest.raises(InputError, match=r"multiples of 16") as caught:
        CNNEncoder(TINY).features(torch.zeros(1, 1, *shape))
    assert str(shape) in str(caught.value)


@pytest.mark.parametrize("mode", [True, False])
def test_an_image_of_one_deepest_voxel_is_refused_by_name(mode):
    with pytest.raises(InputError, match=r"\(16, 16, 16\); wanted an edge of 32 or more"):
        CNNEncoder(TINY).train(mode)(torch.zeros(1, 1, 16, 16, 16))


@pytest.mark.parametrize("shape", [(32, 16, 16), (16, 16, 32), (48, 32, 64)])
def test_other_multiples_of_16_are_taken(shape):
    found = CNNEncoder(TINY).eval()(torch.zeros(2, 1, *shape))
    assert found.shape == (2, 6, *(n // 16 for n in shape))
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("features", [(8, 16, 32, 64), (8, 16, 32, 64, 128, 8), ()])
def test_other_than_five_levels_are_refused(features):
    with pytest.raises(InputError, match=rf"found {len(features)} levels; wanted channels for 5 levels"):
        CNNEncoder(features)


def convolutions(features):
    """Weights and biases of two convolutions of 3³ a level; the norms have none."""
    total, before = 0, 1
    for width in features:
        total += 27 * before * width + width + 27 * width * width + width
        before = width
    return total


@pytest.mark.parametrize(
    ("name", "features", "millions"),
    [
        ("cnn", (64, 128, 256, 512, 768), 40.6),
        ("cnn-small", (24, 48, 96, 160, 240), 4.2),
        ("cnn-nano", (16, 32, 64, 128, 192), 2.5),
    ],
)
def test_the_networks_are_as_large_as_stated(name, features, millions):
    encoder = build_encoder(name)
    assert encoder.features_per_level == features
    count = sum(p.numel() for p in encoder.parameters())
    assert count == convolutions(features)
    assert count / 1e6 == pytest.approx(millions, abs=0.05)


def test_the_residual_encoder_is_as_large_as_stated():
    widths, blocks = (32, 64, 128, 192, 224), (1, 2, 3, 3, 4)
    expected, before = 0, 1
    for width, count in zip(widths, blocks, strict=True):
        expected += 27 * width * (before + (2 * count - 1) * width)  # convolutions of 3³, without biases
        expected += before * width  # of 1³, past the block that changes channels and grid
        expected += 2 * width * (2 * count + 1)  # instance norms
        before = width
    encoder = build_encoder("residual")
    assert encoder.features_per_level == widths
    count = sum(p.numel() for p in encoder.parameters())
    assert count == expected
    assert 18e6 < count < 20e6


@pytest.mark.parametrize(("features", "blocks"), [((8,), (1,)), ((8, 16), (1,)), ((8, 16), (1, 0)), ((), ())])
def test_residual_encoders_without_levels_or_blocks_are_refused(features, blocks):
    with pytest.raises(InputError, match="two levels or more, each with its channels"):
        ResidualEncoder(features, blocks)


def test_an_unknown_family_is_refused_with_the_nearest():
    with pytest.raises(InputError, match=r"family: found 'residul'.* Did you mean 'residual'\?"):
        rebuild((8, 16), {"family": "residul"})


def test_settings_without_a_family_are_those_of_a_cnn():
    assert isinstance(rebuild(TINY, {"dropout": 0.0}), CNNEncoder)


@pytest.mark.parametrize(("name", "near"), [("cnn-nan", "cnn-nano"), ("CNN-nano", "cnn-nano"), ("cn", "cnn")])
def test_an_unknown_network_is_refused_with_the_nearest(name, near):
    with pytest.raises(InputError, match=rf"net: found '{name}'.* Did you mean '{near}'\?"):
        build_encoder(name)


def test_a_network_like_no_other_is_refused_with_all_of_them():
    with pytest.raises(InputError, match=f"Known: {', '.join(NETS)}"):
        build_encoder("swin")


def test_pooling_is_the_mean_in_single_precision():
    deepest = torch.arange(2 * 3 * 8.0).reshape(2, 3, 2, 2, 2)
    pooled = pool(deepest.bfloat16())
    assert pooled.dtype == torch.float32
    torch.testing.assert_close(pooled, deepest.flatten(2).mean(dim=2), rtol=1e-2, atol=0)
    assert pooled.tolist()[0] == [3.5, 11.5, 19.5]
