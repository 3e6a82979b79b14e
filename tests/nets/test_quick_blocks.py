"""Blocks that train faster are the same functions."""

import copy

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from qontrast.nets import quick, quick_convolution
from qontrast.nets.encoder import CNNEncoder
from qontrast.nets.quick import quicken
from qontrast.nets.quick_convolution import QuickConv3d, weight_gradient
from qontrast.nets.quick_dropout import QuickDropout
from qontrast.nets.quick_norm import QuickInstanceNorm3d
from qontrast.nets.quick_transpose import QuickConvTranspose3d

TINY = (2, 4, 4, 8, 12)
LAST = torch.channels_last_3d


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(2, 3, 4, 5, 6), (1, 2, 1, 4, 3), (1, 2, 2, 1, 1)])
def test_the_gradient_of_the_weights_is_torchs_in_double_precision(shape):
    x, gradient = noise(*shape).double(), noise(shape[0], 5, *shape[2:], seed=1).double()
    expected = torch.nn.grad.conv3d_weight(x, (5, shape[1], 3, 3, 3), gradient, padding=1)
    torch.testing.assert_close(weight_gradient(x, gradient), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("bias", [True, False])
def test_a_quick_convolution_gives_values_and_all_gradients_of_the_plain_one(bias, monkeypatch):
    monkeypatch.setattr(quick_convolution, "SLICED", True)
    plain = nn.Conv3d(3, 4, 3, padding=1, bias=bias)
    fast = QuickConv3d(3, 4, 3, padding=1, bias=bias)
    fast.load_state_dict(plain.state_dict())
    found = []
    for convolution in (plain, fast):
        x = noise(2, 3, 6, 5, 4).requires_grad_()
        out = convolution(x)
        (out * noise(*out.shape, seed=2)).sum().backward()
        found.append([out, x.grad, *(p.grad for p in convolution.parameters())])
    assert "Sliced" in type(out.grad_fn).__name__
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "settings",
    [{"stride": 2, "padding": 1}, {"padding": 0}, {"padding": 2, "dilation": 2}, {"padding": 1, "groups": 3}],
)
def test_other_convolutions_are_left_to_torch(settings, monkeypatch):
    monkeypatch.setattr(quick_convolution, "SLICED", True)
    plain, x = nn.Conv3d(3, 6, 3, **settings), noise(1, 3, 6, 6, 6)
    expected = plain(x)
    assert torch.equal(quicken(plain)(x), expected)
    assert "Sliced" not in type(plain(x).grad_fn).__name__


@pytest.mark.parametrize("layout", quick.LAYOUTS.values())
@pytest.mark.parametrize("bias", [True, False])
def test_a_quick_doubling_gives_values_and_all_gradients_of_the_plain_one(bias, layout):
    plain = nn.ConvTranspose3d(5, 4, 2, 2, bias=bias)
    found = []
    for convolution in (plain, copy.deepcopy(plain)):
        if found:
            convolution.__class__ = QuickConvTranspose3d
        x = noise(2, 5, 6, 5, 4).contiguous(memory_format=layout).requires_grad_()
        out = convolution(x)
        (out * noise(*out.shape, seed=2)).sum().backward()
        found.append([out, x.grad, *(p.grad for p in convolution.parameters())])
    assert "Doubling" in type(out.grad_fn).__name__
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-3)


def test_a_quick_doubling_under_autocast_is_near_the_one_in_single_precision():
    plain = nn.ConvTranspose3d(16, 8, 2, 2)
    grads = []
    for autocast in (False, True):
        net = copy.deepcopy(plain)
        net.__class__ = QuickConvTranspose3d
        x = noise(1, 16, 8, 8, 8).requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            out = net(x)
        assert out.dtype == (torch.bfloat16 if autocast else torch.float32)
        (out.float() * noise(*out.shape, seed=2)).sum().backward()
        grads.append([x.grad, *(p.grad for p in net.parameters())])
    for one, other in zip(*grads, strict=True):
        assert one.dtype == other.dtype == torch.float32
        assert float((one - other).norm() / one.norm()) < 0.01


@pytest.mark.parametrize(
    "settings", [{"stride": 1}, {"stride": 2, "padding": 1}, {"stride": 2, "groups": 2}, {"stride": 2, "dilation": 2}]
)
def test_other_transposed_convolutions_are_left_to_torch(settings):
    plain, x = nn.ConvTranspose3d(4, 6, 2, **settings), noise(1, 4, 5, 5, 5)
    expected = plain(x)
    plain.__class__ = QuickConvTranspose3d
    assert torch.equal(plain(x), expected)
    assert "Doubling" not in type(plain(x).grad_fn).__name__


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.003])
def test_dropout_drops_its_share_and_scales_the_rest(share, kind):
    torch.manual_seed(0)
    x = torch.ones(1, 3, 64, 32, 33, dtype=kind, requires_grad=True)
    out = QuickDropout(share)(x)
    dropped = int((out == 0).sum())
    deviation = (x.numel() * share * (1 - share)) ** 0.5
    assert abs(dropped - x.numel() * share) < 4 * deviation + x.numel() * 2**-16
    torch.testing.assert_close(out[out != 0], torch.full((x.numel() - dropped,), 1 / (1 - share), dtype=kind))
    out.backward(torch.ones_like(out))
    assert torch.equal(x.grad, out.detach())


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_neighbours_are_dropped_independently(kind):
    torch.manual_seed(0)
    kept = (QuickDropout(0.5)(torch.ones(1 << 18, dtype=kind)) != 0).float() - 0.5
    for lag in (1, 2, 3, 4, 8):
        assert abs(float((kept[lag:] * kept[:-lag]).mean())) < 4 * 0.25 / 2**9


@pytest.mark.parametrize("layout", [torch.contiguous_format, LAST])
def test_dropout_keeps_the_layout_repeats_at_a_seed_and_rests_in_eval(layout):
    drop, x = QuickDropout(0.3), noise(2, 4, 6, 5, 3).contiguous(memory_format=layout)
    torch.manual_seed(1)
    first = drop(x)
    torch.manual_seed(1)
    assert torch.equal(drop(x), first)
    assert not torch.equal(drop(x), first)
    assert first.stride() == x.stride()
    assert drop.eval()(x) is x or torch.equal(drop(x), x)
    assert torch.equal(QuickDropout(0.0)(x), x)
    assert not QuickDropout(1.0)(x).any()


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.bfloat16])
def test_a_quick_norm_gives_values_and_all_gradients_of_the_plain_one_and_keeps_the_order(kind, affine):
    plain, fast = nn.InstanceNorm3d(5, affine=affine), QuickInstanceNorm3d(5, affine=affine)
    if affine:
        plain.load_state_dict({"weight": noise(5), "bias": noise(5, seed=1)})
        fast.load_state_dict(plain.state_dict())
    if kind == torch.float64:
        plain, fast = plain.double(), fast.double()
    found = []
    for norm in (plain, fast):
        x = (3 * noise(3, 5, 4, 6, 7) + 1).to(kind).contiguous(memory_format=LAST).requires_grad_()
        out = norm(x)
        out.backward(noise(*out.shape, seed=2).to(kind))
        found.append([out, x.grad, *(p.grad for p in norm.parameters())])
    assert "Normalise" in type(out.grad_fn).__name__
    assert out.is_contiguous(memory_format=LAST)
    close = {"rtol": 1e-2, "atol": 1e-3} if kind == torch.bfloat16 else {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(found[1], found[0], **close)


def test_a_quick_norm_refuses_one_voxel_as_the_plain_one_does():
    with pytest.raises(ValueError, match="more than 1 spatial element"):
        QuickInstanceNorm3d(2)(noise(2, 2, 1, 1, 1))


@pytest.mark.parametrize("layout", quick.LAYOUTS)
def test_a_quickened_network_has_the_same_weights_values_and_gradients(layout, monkeypatch):
    monkeypatch.setattr(quick_convolution, "SLICED", True)
    torch.manual_seed(0)
    plain = CNNEncoder(TINY, dropout=0.0)
    fast = copy.deepcopy(plain)
    before = dict(fast.named_parameters())
    assert quicken(fast, layout) is fast
    assert sum(type(m) is QuickConv3d for m in fast.modules()) == 10
    assert dict(fast.named_parameters()).keys() == before.keys() == plain.state_dict().keys()
    assert all(p is before[name] for name, p in fast.named_parameters())
    image = noise(2, 1, 32, 32, 32)
    for net in (plain, fast):
        (net.embed(image) * noise(2, 12, seed=1)).sum().backward()
    torch.testing.assert_close(fast.embed(image), plain.embed(image), rtol=1e-3, atol=1e-4)
    scale = max(float(p.grad.abs().max()) for p in plain.parameters())
    for one, other in zip(fast.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad / scale, other.grad / scale, rtol=1e-2, atol=1e-3)


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_at_rest_a_quickened_network_is_the_plain_one_to_the_bit_where_gradients_are_kept():
    torch.manual_seed(0)
    plain = CNNEncoder(TINY).eval()
    fast = quicken(copy.deepcopy(plain))
    assert torch.equal(fast(noise(1, 1, 32, 32, 32)), plain(noise(1, 1, 32, 32, 32)))


class Names(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, operation, kinds, args=(), kwargs=None):
        self.seen.add(operation.name())
        return operation(*args, **(kwargs or {}))


@pytest.mark.skipif(not quick_convolution.ONE_DNN, reason="torch was built without oneDNN")
@pytest.mark.parametrize("layout", quick.LAYOUTS)
@pytest.mark.parametrize("count", [1, 2])
def test_small_maps_are_handed_to_onednn_where_it_predicts(layout, count, threads):
    threads(count)
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv3d(3, 5, 3, padding=1, bias=False), nn.Conv3d(5, 4, 3, padding=1))
    x = noise(1, 3, 6, 5, 4)
    fast = quicken(copy.deepcopy(plain), layout)
    with torch.no_grad(), Names() as names:
        found = fast(x)
    assert found.is_contiguous(memory_format=quick.LAYOUTS[layout])
    torch.testing.assert_close(found, plain(x))
    assert "aten::mkldnn_convolution" in names.seen
    assert "aten::convolution" not in names.seen
    fast(x).sum().backward()
    assert fast[0].weight.grad is not None


@pytest.mark.parametrize("shape", [(2, 2, 2), (2, 5, 4), (4, 2, 2)])
def test_gradients_under_autocast_are_right_on_the_shallowest_maps(shape):
    for seed in range(20):  # what was never written differs from call to call
        torch.manual_seed(seed)
        net = quicken(nn.Sequential(nn.Conv3d(12, 12, 3, padding=1)), "channels_last")
        x = noise(4, 12, *shape, seed=seed).requires_grad_()
        above = noise(4, 12, *shape, seed=seed + 100)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = net(x)
        assert found.dtype == torch.bfloat16
        assert shape[0] > 2 or torch.equal(found, net(x).bfloat16())  # single precision, rounded
        got = torch.autograd.grad(found, (x, net[0].weight), above.bfloat16())
        expected = torch.autograd.grad(net(x), (x, net[0].weight), above)
        for one, other in zip(got, expected, strict=True):
            assert (one - other).abs().max() < 0.02 * other.abs().max()


def test_a_quickened_network_trains_under_autocast():
    for seed in range(20):
        torch.manual_seed(seed)
        net = quicken(CNNEncoder(TINY), "channels_last")
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = net.embed(noise(2, 1, 32, 32, 32)).square().sum()
        loss.backward()
        assert all(torch.isfinite(p.grad).all() for p in net.parameters())
