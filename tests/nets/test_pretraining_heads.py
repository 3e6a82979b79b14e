"""What sits on the encoder while it is pretrained."""

import pytest
import torch

from qontrast.nets.heads import Projector, Reconstructor


@pytest.mark.parametrize("features", [3, 6, 64, 192])
def test_the_reconstruction_doubles_the_grid_four_times(features):
    rebuilt = Reconstructor(features)(torch.randn(2, features, 1, 2, 3))
    assert rebuilt.shape == (2, 1, 16, 32, 48)
    assert rebuilt.dtype == torch.float32


def test_the_projector_is_not_linear():
    torch.manual_seed(0)
    project = Projector(12)
    one = torch.randn(2, 12)
    assert not torch.allclose(project(one) + project(-one), 2 * project(torch.zeros(2, 12)), atol=1e-3)
