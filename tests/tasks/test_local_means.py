"""Means over neighbours are those of a window that zeros, or the outermost voxels, continue."""

import pytest
import torch
from torch.nn import functional

from qontrast.basics.randomness import derive
from qontrast.tasks.resampling import local_mean


@pytest.mark.parametrize("shape", [(7, 8, 9), (2, 9, 30)])
@pytest.mark.parametrize(("zeros", "padding"), [(True, "constant"), (False, "replicate")])
def test_a_local_mean_is_that_of_its_window(shape, zeros, padding):
    image = torch.rand(1, 1, *shape, generator=derive(1))
    expected = functional.avg_pool3d(functional.pad(image, (2,) * 6, mode=padding), 5, stride=1)
    torch.testing.assert_close(local_mean(image, 5, zeros=zeros), expected, rtol=0, atol=1e-6)
