"""The vision transformer: MONAI's by its names and values, at any size, with a pyramid."""

import pytest
import torch

from qontrast.basics.errors import InputError
from qontrast.nets.transformer import Attention
from qontrast.nets.vit import VisionTransformer, ViTEncoder

FEATURES = (2, 4, 4, 6, 24)


def small(**settings):
    torch.manual_seed(0)
    return ViTEncoder(FEATURES, **({"image_size": 32, "hidden": 48, "depth": 4, "heads": 3} | settings)).eval()


def image(*shape):
    return torch.randn((2, 1, *shape), generator=torch.Generator().manual_seed(0))


def test_with_monais_weights_it_computes_what_monai_computes():
    pytest.importorskip("einops", reason="MONAI's ViT needs einops, which we do not")
    from monai.networks.nets import ViT

    theirs = ViT(1, 32, 16, 48, 96, 3, 4, dropout_rate=0.2, qkv_bias=True).eval()
    own = VisionTransformer(48, 96, 3, 4, 32, 1, 0.2).eval()
    state = {name: value for name, value in theirs.state_dict().items() if "cross_attn" not in name}
    assert {n: v.shape for n, v in own.state_dict().items()} == {n: v.shape for n, v in state.items()}
    own.load_state_dict(state)
    with torch.no_grad():
        (last, after), (expected, hidden) = own(image(32, 32, 32)), theirs(image(32, 32, 32))
    torch.testing.assert_close(last, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(after, hidden, rtol=1e-5, atol=1e-5)


def test_attention_is_the_softmax_of_scaled_products_of_each_head():
    torch.manual_seed(0)
    attention, tokens = Attention(12, 3, 0.0, qkv_bias=True), torch.randn(2, 5, 12)
    q, k, v = (part.unflatten(2, (3, 4)) for part in attention.qkv(tokens).chunk(3, dim=2))
    shares = (torch.einsum("bqhd,bkhd->bhqk", q, k) / 2).softmax(dim=-1)  # the root of a head's four features
    expected = attention.out_proj(torch.einsum("bhqk,bkhd->bqhd", shares, v).flatten(2))
    torch.testing.assert_close(attention(tokens), expected, rtol=1e-5, atol=1e-6)


def test_tokens_that_are_not_where_they_were_learnt_take_positions_between():
    net = small(image_size=64).vit
    positions = net.patch_embedding.position_embeddings
    ramp = torch.arange(4.0).view(4, 1, 1).expand(4, 4, 4).reshape(1, 64, 1)
    positions.data.copy_(ramp.expand(1, 64, 24))
    assert torch.equal(net.positions((4, 4, 4)), positions)
    found = net.positions((2, 3, 1))
    assert found.shape == (1, 6, 24)
    torch.testing.assert_close(found[0, :, 0], torch.tensor([0.5] * 3 + [2.5] * 3))
    finer = net.positions((8, 4, 4)).unflatten(1, (8, 4, 4))[0, :, 0, 0, 0]
    torch.testing.assert_close(finer, torch.tensor([0.0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.0]))


def test_the_embedding_is_the_mean_of_the_normalised_patch_tokens():
    net = small()
    with torch.no_grad():
        tokens = net.vit(image(32, 48, 16))[0]
        torch.testing.assert_close(net.embed(image(32, 48, 16)), tokens.mean(dim=1), rtol=1e-5, atol=1e-6)


def test_a_deepest_voxel_sits_where_its_patch_does():
    net = small()
    net.vit.blocks = torch.nn.ModuleList()  # without attention a token sees its patch alone
    with torch.no_grad():
        plain, changed = image(32, 48, 64), image(32, 48, 64)
        changed[:, :, 16:32, 32:48, 48:64] += torch.randn(16, 16, 16)
        moved = (net.deepest(plain) - net.deepest(changed)).abs().sum(dim=(0, 1))
    assert moved[1, 2, 3] > 0
    assert int((moved > 1e-5).sum()) == 1


def test_the_embedding_alone_leaves_the_pyramid_untouched():
    net = small()
    net.embed(image(32, 32, 32)).square().sum().backward()
    assert all((p.grad is None) == (not n.startswith("vit.")) for n, p in net.named_parameters())


@pytest.mark.parametrize("wrong", [{"heads": 5}, {"image_size": 40}, {"image_size": 0}, {"depth": 0}])
def test_settings_that_make_no_transformer_are_refused(wrong):
    with pytest.raises(InputError, match="heads that divide the width, a block, a size that 16 divides"):
        small(**wrong)
