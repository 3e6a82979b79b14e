"""Gradient echoes in an inhomogeneous field."""

import math

import numpy as np
import pytest
import torch

from qontrast.artefacts.dropout import AirCavity, Dephasing, displaced, draw_cavities
from qontrast.basics.errors import InputError
from qontrast.basics.randomness import derive

SHAPE = (24, 26, 28)
GAMMA = 2 * math.pi * 42.577e6


def gradient_map(axis, hz_per_mm, voxel):
    line = hz_per_mm * voxel[axis] * torch.arange(SHAPE[axis], dtype=torch.float64)
    return line.reshape([-1 if d == axis + 2 else 1 for d in range(5)]).expand(1, 1, *SHAPE)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("echo_time", [0.005, 0.02, 0.045])
@pytest.mark.parametrize("thickness", [2.0, 5.0])
def test_what_is_left_is_the_mean_of_the_phases_in_the_voxel(axis, echo_time, thickness):
    """A thousand spins across the slice, each turned by its own frequency, against the sinc."""
    voxel, slope = (2.0, 1.5, 1.0), 7.0
    acquired = tuple(thickness if a == axis else 0.0 for a in range(3))
    dephasing = Dephasing(echo_time, acquired, voxel, 3.0)
    left = dephasing(torch.ones(1, 1, *SHAPE, dtype=torch.float64), gradient_map(axis, slope, voxel))
    place = thickness * ((torch.arange(1000, dtype=torch.float64) + 0.5) / 1000 - 0.5)
    expected = float(torch.exp(2j * math.pi * slope * place * echo_time).mean().real)
    assert float(left[0, 0, 12, 13, 14]) == pytest.approx(expected, rel=0.01, abs=1e-3)
    tesla_per_metre = slope * 2 * math.pi / GAMMA * 1e3
    half = GAMMA * tesla_per_metre * thickness * 1e-3 * echo_time / 2
    assert float(left[0, 0, 12, 13, 14]) == pytest.approx(math.sin(half) / half, rel=1e-4, abs=1e-6)


def test_signal_is_gone_where_the_phases_go_once_round():
    voxel = (1.0, 1.0, 1.0)
    dephasing = Dephasing(0.02, (0.0, 0.0, 5.0), voxel, 3.0)
    left = dephasing(torch.ones(1, 1, *SHAPE, dtype=torch.float64), gradient_map(2, 10.0, voxel))
    assert float(left.abs().max()) < 1e-6


def test_longer_echoes_and_stronger_fields_lose_more():
    cavity = (AirCavity((0.0, 0.0, -20.0), 10.0),)
    signal = torch.ones(1, 1, *SHAPE)

    def left(echo_time, field):
        return float(Dephasing(echo_time, (1, 1, 4), (1, 1, 1), field, cavity)(signal).abs().mean())

    assert left(0.0, 3.0) == pytest.approx(1)
    assert 1 > left(0.003, 3.0) > left(0.010, 3.0) > left(0.03, 3.0)
    assert left(0.010, 1.5) > left(0.010, 3.0) > left(0.010, 7.0)
    assert left(0.020, 1.5) == pytest.approx(left(0.010, 3.0), rel=1e-5)


def test_the_field_of_a_ball_of_air_is_a_dipoles():
    """(9.4 ppm / 3) B0 (a / r)^3 (3 cos^2 - 1): 800 Hz above its pole at 3 T, -400 Hz at its equator."""
    field = Dephasing(0.01, (1, 1, 1), (1, 1, 1), 3.0, (AirCavity((0.5, 0.5, 0.5), 5.0),)).frequency((40, 40, 40))
    surface = 9.4e-6 / 3 * 3.0 * 42.577e6
    assert surface == pytest.approx(400, rel=0.01)
    assert float(field[20, 20, 30]) == pytest.approx(2 * surface / 8, rel=1e-4)
    assert float(field[30, 20, 20]) == pytest.approx(-surface / 8, rel=1e-4)
    assert float(field[20, 20, 35] / field[20, 20, 30]) == pytest.approx((10 / 15) ** 3, rel=1e-4)
    assert float(field.max()) == pytest.approx(2 * surface, rel=1e-4)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("voxels", [2.0, -1.4, 0.3])
def test_spins_are_displaced_by_their_frequency_over_the_bandwidth(axis, voxels):
    spot = torch.zeros(1, 1, 21, 21, 21, dtype=torch.float64)
    spot[..., 10, 10, 10] = 1.0
    field = torch.full_like(spot, voxels * 150.0)
    moved = Dephasing(0.0, (0, 0, 0), (1, 1, 1), 3.0, readout=axis, bandwidth=150.0)(spot, field)
    line = moved.sum(dim=[d for d in range(5) if d != axis + 2])
    assert float((line * torch.arange(21)).sum()) == pytest.approx(10 + voxels)
    assert float(moved.sum()) == pytest.approx(1)


def test_signal_that_is_displaced_piles_up_and_is_not_lost():
    image, voxels = torch.ones(1, 2, 30, 3, 3), torch.zeros(1, 30, 3, 3)
    voxels[:, 10:20] = torch.linspace(5, 0, 10).reshape(1, 10, 1, 1)
    moved = displaced(image, voxels, 0)
    torch.testing.assert_close(moved.sum(), image.sum())
    assert float(moved.max()) > 1.5
    assert float(moved.min()) < 0.5


def test_each_image_of_a_batch_has_its_own_map():
    signal = torch.rand((3, 2, *SHAPE), generator=derive(1))
    field = 80 * torch.rand((3, 1, *SHAPE), generator=derive(2))
    dephasing = Dephasing(0.02, (1, 2, 3), (1, 1, 1), 3.0, readout=0, bandwidth=60.0)
    together = dephasing(signal, field)
    for image, b0, found in zip(signal, field, together, strict=True):
        assert torch.equal(dephasing(image[None], b0[None])[0], found)


def test_both_inversion_images_are_dephased_alike():
    signal = torch.rand((1, 2, *SHAPE), generator=derive(1))
    left = Dephasing(0.02, (1, 1, 4), (1, 1, 1), 3.0, draw_cavities(SHAPE, derive(2)))(signal) / signal
    torch.testing.assert_close(left[:, 0], left[:, 1])


@pytest.mark.parametrize("echo_time", [-0.001, 20.0, math.nan])
def test_senseless_echo_times_are_refused(echo_time):
    with pytest.raises(InputError, match="dropout: found an echo time"):
        Dephasing(echo_time, (1, 1, 1), (1, 1, 1), 3.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_phases_of_many_turns_are_those_of_a_sinc(dtype):
    field = (torch.arange(3000, dtype=dtype) ** 1.5).reshape(1, 1, -1, 1, 1)
    left = Dephasing(0.1, (4.0, 1.0, 1.0), (1.0, 1.0, 1.0), 3.0)(torch.ones_like(field), field)
    turns = 0.1 * 4.0 * torch.from_numpy(np.gradient(field.flatten().double().numpy()))
    assert float(turns.max()) > 30
    within = 5e-4 if dtype == torch.float32 else 1e-6
    torch.testing.assert_close(left.flatten().double(), torch.sinc(turns), rtol=0, atol=within)
