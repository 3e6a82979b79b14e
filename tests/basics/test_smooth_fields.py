"""Cubic B-splines through a coarse grid."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import BSpline

from qontrast.basics.spline import basis, upsample_spline


@settings(max_examples=60, deadline=None)
@given(samples=st.integers(1, 60), controls=st.integers(4, 12))
def test_weights_are_a_partition_of_unity(samples, controls):
    weights = basis(samples, controls)
    assert weights.shape == (samples, controls)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(samples, dtype=torch.float64), rtol=0, atol=1e-12)
    assert (weights >= 0).all()
    assert int((weights > 0).sum(dim=1).max()) <= 4


@pytest.mark.parametrize("controls", [4, 5, 7])
def test_the_weights_are_scipys(controls):
    place = 1 + (controls - 3) * (torch.arange(13, dtype=torch.float64) + 0.5) / 13
    knots = torch.arange(-2, controls + 2).numpy()
    expected = BSpline(knots, torch.eye(controls).numpy(), 3)(place.numpy())
    torch.testing.assert_close(basis(13, controls), torch.from_numpy(expected).double(), rtol=0, atol=1e-7)


def test_an_even_control_grid_is_an_even_field():
    field = upsample_spline(torch.full((2, 4, 5, 6), 1.7), (7, 8, 9))
    torch.testing.assert_close(field, torch.full((2, 7, 8, 9), 1.7))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_ramp_of_control_values_is_a_ramp(axis):
    shape = [1, 1, 1, 1]
    shape[axis + 1] = 6
    ramp = torch.arange(6.0).reshape(shape).expand(1, 6, 6, 6)
    field = upsample_spline(ramp, (11, 11, 11))[0].movedim(axis, 0)
    expected = (1 + 3 * (torch.arange(11) + 0.5) / 11)[:, None, None].expand(11, 11, 11)
    torch.testing.assert_close(field, expected)


def test_finer_samples_lie_evenly_around_the_coarser_ones():
    coarse, fine = basis(10, 6), basis(30, 6).reshape(10, 3, 6)
    torch.testing.assert_close(fine[:, 1], coarse, rtol=0, atol=1e-12)


def test_every_axis_has_its_own_length_and_every_channel_its_own_field():
    control = torch.randn((3, 4, 5, 6), generator=torch.Generator().manual_seed(0))
    field = upsample_spline(control, (7, 9, 11))
    assert field.shape == (3, 7, 9, 11)
    assert field.dtype == control.dtype
    torch.testing.assert_close(field[1:2], upsample_spline(control[1:2], (7, 9, 11)))
    assert float(field.max()) <= float(control.max())
    assert float(field.min()) >= float(control.min())
