"""What sits on the encoder while it is pretrained."""

import pytest
import torch

from qontrast.nets.encoder import CNNEncoder
from qontrast.nets.heads import Projector, Reconstructor
from qontrast.nets.pretrainer import Pretrainer

TINY = (2, 4, 4, 8, 12)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Pretrainer(CNNEncoder(TINY))


def images(batch=2, seed=0):
    return torch.randn((batch, 1, 32, 16, 16), generator=torch.Generator().manual_seed(seed))


def test_an_image_becomes_an_embedding_and_an_image_of_its_size(model):
    embeddings, rebuilt = model(images(3))
    assert embeddings.shape == (3, 128)
    assert rebuilt.shape == (3, 1, 32, 16, 16)
    assert rebuilt.dtype == torch.float32


def test_the_embedding_is_the_projection_of_what_embed_gives(model):
    model.eval()
    found = model.projector(model.encoder.embed(images()))
    torch.testing.assert_close(model(images())[0], found, rtol=0, atol=0)


def test_every_weight_learns_from_the_two_outputs_together(model):
    embeddings, rebuilt = model(images())
    (embeddings.square().sum() + rebuilt.square().sum()).backward()
    for name, parameter in model.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        if not name.endswith("conv.bias"):  # instance norm takes a bias before it away
            assert parameter.grad.abs().sum() > 0, name


def test_the_encoder_learns_from_either_output_alone(model):
    for output in (0, 1):
        model.zero_grad()
        model(images())[output].square().sum().backward()
        assert float(model.encoder.conv_0.conv_0.conv.weight.grad.abs().sum()) > 0


@pytest.mark.parametrize("features", [3, 6, 64, 192])
def test_the_reconstruction_doubles_the_grid_four_times(features):
    rebuilt = Reconstructor(features)(torch.randn(2, features, 1, 2, 3))
    assert rebuilt.shape == (2, 1, 16, 32, 48)


def test_the_projector_is_not_linear():
    torch.manual_seed(0)
    project = Projector(12)
    one = torch.randn(2, 12)
    assert not torch.allclose(project(one) + project(-one), 2 * project(torch.zeros(2, 12)), atol=1e-3)
