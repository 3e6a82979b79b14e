"""Thick slices with gaps, resliced to the grid."""

import math

import pytest
import torch

from qontrast.artefacts.encoding import Encoding
from qontrast.artefacts.kspace import Resolution
from qontrast.artefacts.slices import SliceStack
from qontrast.basics.errors import InputError
from qontrast.basics.randomness import derive

AXES = (0, 1, 2)


def width_at_half(profile, step):
    top = float(profile.max())
    above = torch.nonzero(profile >= 0.5 * top).flatten()
    low, high = int(above[0]), int(above[-1])

    def past(edge, outside):
        return float((profile[edge] - 0.5 * top) / (profile[edge] - profile[outside]))

    return (high - low + past(low, low - 1) + past(high, high + 1)) * step


@pytest.mark.parametrize("thickness", [2.0, 3.5, 5.0, 6.0])
@pytest.mark.parametrize("gap", [0.0, 1.0])
@pytest.mark.parametrize("flank", [0.0, 0.2, 0.6])
def test_a_slice_is_as_thick_as_stated(thickness, gap, flank):
    """A thin sheet is moved through one slice: how bright it is there is the slice's profile."""
    stack = SliceStack(2, thickness, gap, 0.1, flank=flank)
    weights = stack.averaging(400)
    middle = len(weights) // 2
    assert width_at_half(weights[middle], 0.1) == pytest.approx(thickness, rel=0.03)


@pytest.mark.parametrize(("thickness", "gap"), [(3.0, 0.0), (4.0, 1.0), (5.0, 2.5)])
def test_slices_lie_thickness_and_gap_apart(thickness, gap):
    stack = SliceStack(0, thickness, gap, 0.5, offset=0.3)
    centres = stack.centres(120)
    assert centres.diff().tolist() == pytest.approx([thickness + gap] * (len(centres) - 1))
    assert 0 < float(centres[0]) <= thickness + gap
    assert 60 - thickness - gap <= float(centres[-1]) < 60


def test_what_lies_in_a_gap_is_not_seen():
    stack = SliceStack(0, 3.0, 3.0, 0.25, flank=0.2)
    centres = stack.centres(240)
    sheet = torch.zeros(1, 1, 240, 1, 1)
    between = float(centres[4] + centres[5]) / 2 / 0.25
    sheet[0, 0, int(between)] = 1.0
    assert float(stack(sheet).abs().max()) < 1e-9
    sheet[0, 0, int(float(centres[4]) / 0.25)] = 1.0
    assert float(stack(sheet).max()) == pytest.approx(0.25 / 3.0, rel=0.1)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize(("thickness", "gap"), [(3.0, 0.0), (5.0, 1.0), (50.0, 5.0)])
def test_a_flat_image_stays_flat_and_other_axes_are_left_alone(axis, thickness, gap):
    flat = torch.full((1, 1, 9, 10, 12), 0.7)
    stack = SliceStack(axis, thickness, gap, 2.0)
    torch.testing.assert_close(stack(flat), flat)
    other = torch.rand(1, 1, 13, 1, 1).expand(1, 1, 13, 13, 13).movedim(2, (axis + 1) % 3 + 2)
    torch.testing.assert_close(stack(other.contiguous()), other.contiguous())


@pytest.mark.parametrize("offset", [-0.5, 0.0, 0.37])
def test_anatomy_keeps_its_place(offset):
    ramp = torch.arange(60.0).reshape(1, 1, 60, 1, 1)
    resliced = SliceStack(0, 4.0, 1.0, 1.0, offset)(ramp)
    inner = slice(8, -8)
    torch.testing.assert_close(resliced[:, :, inner], ramp[:, :, inner], rtol=0, atol=1e-4)


def test_slices_as_thin_as_the_voxels_change_nothing():
    volume = torch.rand((1, 1, 16, 4, 4), generator=derive(1))
    torch.testing.assert_close(SliceStack(0, 2.0, 0.0, 2.0, 0.5, flank=0.0)(volume), volume, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("thickness", "gap", "flank"), [(0.9, 0, 0.2), (math.nan, 0, 0.2), (3, -1, 0.2), (3, 0, 1.5), (3, math.inf, 0)]
)
def test_senseless_slices_are_refused(thickness, gap, flank):
    with pytest.raises(InputError, match="thick slices: found"):
        SliceStack(0, thickness, gap, 1.0, flank=flank)


def drawn(shape):
    return torch.randn(shape, generator=derive(2))


@pytest.mark.parametrize(
    "part", [Resolution(0, 2.5, 1.0), Resolution(0, 3.0, 1.0, 0.5), SliceStack(0, 4.0, 1.0, 1.0, 0.1)]
)
def test_noise_has_the_deviation_of_the_acquired_voxels(part):
    encoding = Encoding((part,))
    coloured = encoding.noise(drawn, (1, 1, 60, 40, 40))
    if isinstance(part, SliceStack):  # between the slices interpolation averages two of them
        index = [round(float(c) - 0.5) for c in part.centres(60)]
        coloured = coloured[:, :, index]
    assert float(coloured.std()) == pytest.approx(1, rel=0.03)


def test_noise_has_no_power_where_nothing_was_acquired():
    coloured = Encoding((Resolution(1, 2.5, 1.0),)).noise(drawn, (1, 1, 8, 96, 8))
    power = torch.fft.rfft(coloured * torch.hann_window(96)[:, None], dim=3).abs().square().mean(dim=(0, 1, 2, 4))
    assert float(power[24:].sum()) < 0.01 * float(power.sum())


EVERYTHING = Encoding((Resolution(0, 3.1, 2.0, 0.5), SliceStack(2, 5.0, 1.0, 2.0, 0.2), Resolution(1, 2.5, 2.0)))


def test_an_image_is_encoded_as_by_each_operation_in_turn():
    image = torch.randn((2, 1, 20, 24, 28), generator=derive(3))
    expected = image
    for part in EVERYTHING.parts:
        expected = part(expected)
    torch.testing.assert_close(EVERYTHING(image), expected, rtol=0, atol=2e-6)
    torch.testing.assert_close(EVERYTHING(torch.complex(image, 2 * image)).imag, 2 * expected, rtol=0, atol=4e-6)


def test_what_is_drawn_is_as_much_as_is_acquired():
    shape = (1, 1, 20, 24, 28)
    drawn_shapes = []
    EVERYTHING.noise(lambda shape: drawn_shapes.append(tuple(shape)) or torch.zeros(shape), shape)
    samples = EVERYTHING.sampled(EVERYTHING.sliced(torch.zeros(shape)))
    assert drawn_shapes == [tuple(samples.shape)]
    assert samples.numel() < 0.5 * math.prod(shape)


@pytest.mark.parametrize(
    "parts", [(Resolution(1, 2.5, 1.0), Resolution(1, 3.0, 1.0)), (SliceStack(0, 3, 0, 1), SliceStack(1, 3, 0, 1))]
)
def test_an_axis_is_encoded_once_and_a_scan_sliced_once(parts):
    with pytest.raises(InputError, match="encoding: found"):
        Encoding(parts)
