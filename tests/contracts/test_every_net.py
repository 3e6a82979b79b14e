"""What every network of the catalogue promises."""

import json
import math

import pytest
import torch

from qontrast.basics.errors import InputError
from qontrast.nets.catalogue import FAMILIES, NETS, build_encoder, rebuild
from qontrast.nets.contract import Encoder
from qontrast.nets.decoder import Decoder
from qontrast.nets.quick import quicken
from qontrast.nets.unet import UNet

SHAPE = (32, 16, 16)
CUBE = (32, 32, 32)  # where values are compared: instance norm makes signs of two voxels, which turn at a touch


@pytest.fixture(scope="module", params=list(NETS))
def net(request):
    torch.manual_seed(0)
    return build_encoder(request.param)


def images(batch=2, seed=0, shape=SHAPE):
    return torch.randn((batch, 1, *shape), generator=torch.Generator().manual_seed(seed))


def test_it_keeps_the_contract_by_name(net):
    assert isinstance(net, Encoder)
    assert net.family == net.settings["family"]
    assert net.family in FAMILIES
    assert len(net.features_per_level) == len(net.strides)
    assert net.strides[0] == 1
    assert all(coarse == 2 * fine for fine, coarse in zip(net.strides, net.strides[1:], strict=False))


@pytest.mark.parametrize("shape", [SHAPE, (16, 48, 32)])
def test_each_level_has_its_stated_stride_and_channels(net, shape):
    with torch.no_grad():
        levels = net.eval().features(images(1, shape=shape))
    for found, channels, stride in zip(levels, net.features_per_level, net.strides, strict=True):
        assert found.shape == (1, channels, *(n // stride for n in shape))
        assert torch.isfinite(found).all()


def test_the_deepest_level_is_what_the_network_returns_and_embeds(net):
    with torch.no_grad():
        levels, deepest, embedded = net.eval().features(images()), net(images()), net.embed(images())
    assert torch.equal(deepest, levels[-1])
    assert embedded.shape == (2, net.features_per_level[-1])
    assert embedded.dtype == torch.float32
    torch.testing.assert_close(embedded, deepest.mean(dim=(2, 3, 4)))


def test_at_rest_it_repeats_itself_and_in_training_it_drops_if_it_says_so(net):
    with torch.no_grad():
        assert torch.equal(net.eval()(images()), net(images()))
        torch.manual_seed(0)
        changed = not torch.equal(net.train()(images()), net(images()))
    assert changed == (net.settings.get("dropout", 0) > 0)


def test_one_image_does_not_depend_on_the_others_of_its_batch(net):
    first, second = images(1, shape=CUBE), 50 * images(1, seed=3, shape=CUBE)
    with torch.no_grad():
        alone, beside = net.eval().embed(first), net.embed(torch.cat([first, second]))
    torch.testing.assert_close(beside[:1], alone, rtol=0, atol=1e-2)
    assert not torch.allclose(beside[1:], alone, atol=0.05)


def test_gradients_are_finite_and_reach_every_weight(net):
    net.train().zero_grad()
    levels = net.features(images(1))
    sum((level * torch.randn_like(level)).mean() for level in levels).backward()
    for name, parameter in net.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        if not name.endswith("bias"):  # instance norm takes a bias before it away
            assert float(parameter.grad.abs().sum()) > 0, name
    net.zero_grad()


def test_a_constant_image_gives_finite_features_and_gradients(net):
    net.train().zero_grad()
    net.embed(torch.zeros(2, 1, *SHAPE)).square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)
    net.zero_grad()


def apart(found, expected):
    """Root mean square of the difference over that of what is expected."""
    return float((found.detach().float() - expected).norm() / expected.norm())


THIN = {
    "cnn": ((4, 8, 8, 16, 24), {}),
    "residual": ((4, 8, 8, 12, 16), {"blocks": [1, 1, 1, 2, 2]}),
    "vit": ((4, 8, 8, 16, 48), {"image_size": 32, "hidden": 96, "depth": 4, "heads": 4}),
}
"""A thin net of each family: half precision takes half a minute where the processor has to emulate it."""


@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision_gives_nearly_the_same_in_single(family):
    features, settings = THIN[family]
    torch.manual_seed(0)
    # As in training: PyTorch's own convolutions may have wrong gradients on the shallowest maps (QuickConv3d).
    thin, given = quicken(rebuild(features, {"family": family} | settings)).eval(), images(1, shape=CUBE)
    exact = thin.embed(given).detach()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = thin.embed(given)
    rough.square().sum().backward()
    assert rough.dtype == torch.float32
    assert 0 < apart(rough, exact) < 0.1
    assert all(torch.isfinite(p.grad).all() for p in thin.parameters() if p.grad is not None)


def test_the_order_in_memory_does_not_matter(net):
    layout, given = torch.channels_last_3d, images(1, shape=CUBE)
    net.eval()
    with torch.no_grad():
        expected = net.features(given)
        found = net.to(memory_format=layout).features(given.contiguous(memory_format=layout))
    net.to(memory_format=torch.contiguous_format)
    assert max(apart(one, other) for one, other in zip(found, expected, strict=True)) < 1e-4


def test_its_settings_and_weights_make_it_anew(net):
    settings = json.loads(json.dumps(net.settings))
    again = rebuild(net.features_per_level, settings).eval()
    assert again.strides == net.strides
    assert again.settings == settings
    again.load_state_dict(net.state_dict())
    with torch.no_grad():
        assert torch.equal(again(images(1)), net.eval()(images(1)))


@pytest.mark.parametrize("shape", [(33, 20, 16), (17, 16, 16)])
def test_other_shapes_are_padded_and_said_or_refused_where_nothing_could_crop(net, shape):
    net.eval()
    stride = net.strides[-1]
    with torch.no_grad(), pytest.warns(UserWarning, match=rf"{shape[0]}, .* mirrored to .* multiples of {stride}"):
        found = net(images(1, shape=shape))
    assert found.shape[2:] == tuple(math.ceil(n / stride) for n in shape)
    with torch.no_grad(), pytest.warns(UserWarning, match="mirrored"):
        assert torch.isfinite(net.embed(images(1, shape=shape))).all()
    with pytest.raises(InputError, match=f"multiples of {stride}"):
        net.features(images(1, shape=shape))


def test_an_image_of_one_deepest_voxel_is_refused(net):
    edge = net.strides[-1]
    with pytest.raises(InputError, match=f"an edge of {2 * edge} or more"):
        net.embed(images(1, shape=(edge,) * 3))


def test_a_u_net_on_it_gives_a_logit_for_each_class_and_voxel(net):
    unet = UNet(net, classes=4).eval()
    with torch.no_grad():
        logits, decoded = unet(images(1)), unet.decode(images(1))
        assert torch.equal(logits, unet.final_conv(decoded[0]))
    assert logits.shape == (1, 4, *SHAPE)
    assert torch.isfinite(logits).all()
    assert [level.shape[2] for level in decoded] == [SHAPE[0] // s for s in net.strides[:-1]]


def test_a_light_decoder_goes_on_it(net):
    decoder = Decoder(net.features_per_level, net.strides)
    with torch.no_grad():
        decoded = decoder(net.eval().features(images(1)))
    assert decoded[0].shape == (1, decoder.widths[0], *SHAPE)
    assert max(decoder.widths) <= 128
