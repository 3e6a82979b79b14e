"""Images whose edges the stride does not divide."""

import numpy as np
import pytest
import torch

from qontrast.basics.errors import InputError
from qontrast.nets.encoder import CNNEncoder
from qontrast.nets.padding import pad_to_stride, pool
from qontrast.nets.unet import UNet

TINY = (2, 2, 4, 4, 6)


def image(*shape, batch=2):
    return torch.randn((batch, 1, *shape), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(33, 20, 48), (17, 17, 17), (9, 16, 31)])
def test_it_is_numpys_reflection_at_the_far_ends_and_crops_back(shape):
    given = image(*shape)
    padded, slices = pad_to_stride(given, 16)
    wanted = [(0, 0), (0, 0), *((0, -n % 16) for n in shape)]
    assert np.array_equal(padded.numpy(), np.pad(given.numpy(), wanted, mode="reflect"))
    assert torch.equal(padded[(..., *slices)], given)


@pytest.mark.parametrize("shape", [(1, 2, 3), (5, 1, 7)])
def test_short_images_are_mirrored_to_and_fro(shape):
    given = image(*shape)
    padded, slices = pad_to_stride(given, 16)
    wanted = [(0, 0), (0, 0), *((0, 16 - n) for n in shape)]
    assert np.array_equal(padded.numpy(), np.pad(given.numpy(), wanted, mode="reflect"))
    assert torch.equal(padded[(..., *slices)], given)


def test_an_image_that_fits_is_not_copied():
    given = image(32, 16, 48)
    assert pad_to_stride(given, 16)[0] is given


def test_pooling_counts_a_block_by_what_lies_in_the_image():
    deepest = torch.zeros(1, 1, 3, 2, 1)
    deepest[0, 0, :, 0, 0], deepest[0, 0, :, 1, 0] = torch.tensor([1.0, 2.0, 10.0]), torch.tensor([4.0, 5.0, 40.0])
    along_x = [(16 * a + 16 * b + 1 * c) / 33 for a, b, c in ((1, 2, 10), (4, 5, 40))]
    found = pool(deepest, (33, 24, 16), 16)
    assert float(found) == pytest.approx((16 * along_x[0] + 8 * along_x[1]) / 24, rel=1e-6)


def test_pooling_an_image_that_fits_is_the_plain_mean():
    deepest = torch.randn(2, 3, 2, 1, 3)
    assert torch.equal(pool(deepest, (32, 16, 48), 16), pool(deepest))


def test_pooled_constants_stay_what_they_are():
    torch.testing.assert_close(pool(torch.full((1, 4, 2, 2, 3), 7.0), (17, 30, 40), 16), torch.full((1, 4), 7.0))


def test_embed_and_forward_pad_and_say_so():
    net = CNNEncoder(TINY).eval()
    with pytest.warns(UserWarning, match=r"\(33, 20, 32\) voxels was mirrored to \(48, 32, 32\), multiples of 16"):
        deepest = net(image(33, 20, 32))
    assert deepest.shape == (2, 6, 3, 2, 2)
    with pytest.warns(UserWarning, match="mirrored"):
        found = net.embed(image(33, 20, 32))
    torch.testing.assert_close(found, pool(deepest, (33, 20, 32), 16))
    assert not torch.allclose(found, pool(deepest), atol=1e-4)


@pytest.mark.filterwarnings("error")
def test_what_fits_is_taken_without_a_word():
    CNNEncoder(TINY).embed(image(32, 16, 16))


def test_a_u_net_pads_and_crops_its_logits_back():
    net, given = UNet(CNNEncoder(TINY), 3).eval(), image(40, 21, 32)
    padded, slices = pad_to_stride(given, 16)
    with torch.no_grad(), pytest.warns(UserWarning, match="mirrored"):
        found = net(given)
    assert found.shape == (2, 3, 40, 21, 32)
    assert torch.equal(found, net(padded)[(..., *slices)])
    with pytest.raises(InputError, match="multiples of 16"):
        net.decode(given)
