"""What every network of the catalogue promises."""

import pytest
import torch

from qontrast.nets.catalogue import NETS, build_encoder
from qontrast.nets.encoder import LEVELS
from qontrast.nets.unet import UNet

SHAPE = (32, 16, 16)


@pytest.fixture(scope="module", params=list(NETS))
def net(request):
    torch.manual_seed(0)
    return build_encoder(request.param)


def images(batch=2, seed=0):
    return torch.randn((batch, 1, *SHAPE), generator=torch.Generator().manual_seed(seed))


def test_each_level_halves_the_grid_and_has_its_stated_channels(net):
    with torch.no_grad():
        levels = net.eval().features(images())
    assert len(levels) == LEVELS
    for level, (found, channels) in enumerate(zip(levels, net.features_per_level, strict=True)):
        assert found.shape == (2, channels, *(n // 2**level for n in SHAPE))
        assert torch.isfinite(found).all()


def test_the_deepest_level_is_what_the_network_returns_and_embeds(net):
    with torch.no_grad():
        levels, deepest, embedded = net.eval().features(images()), net(images()), net.embed(images())
    assert torch.equal(deepest, levels[-1])
    assert embedded.shape == (2, net.features_per_level[-1])
    torch.testing.assert_close(embedded, deepest.mean(dim=(2, 3, 4)))


def test_at_rest_it_repeats_itself_and_in_training_it_drops(net):
    with torch.no_grad():
        assert torch.equal(net.eval()(images()), net(images()))
        torch.manual_seed(0)
        assert not torch.equal(net.train()(images()), net(images()))


def test_one_image_does_not_depend_on_the_others_of_its_batch(net):
    with torch.no_grad():
        alone, beside = net.eval().embed(images(1)), net.embed(torch.cat([images(1), 50 * images(1, seed=3)]))
    torch.testing.assert_close(beside[:1], alone, rtol=0, atol=1e-2)
    assert not torch.allclose(beside[1:], alone, atol=0.1)


def test_gradients_are_finite_and_reach_every_weight(net):
    net.train().zero_grad()
    sum(level.square().mean() for level in net.features(images(1))).backward()
    for name, parameter in net.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        if name.endswith("weight"):
            assert float(parameter.grad.abs().sum()) > 0, name


def test_a_constant_image_gives_finite_features_and_gradients(net):
    net.train().zero_grad()
    net.embed(torch.zeros(2, 1, *SHAPE)).square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())


def test_a_u_net_on_it_gives_a_logit_for_each_class_and_voxel(net):
    with torch.no_grad():
        logits = UNet(net, classes=4).eval()(images(1))
    assert logits.shape == (1, 4, *SHAPE)
    assert torch.isfinite(logits).all()
