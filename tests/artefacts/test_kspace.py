"""K-space that was not acquired: resolution, ringing, partial Fourier."""

import math

import pytest
import torch

from qontrast.artefacts.encoding import Encoding
from qontrast.artefacts.kspace import TREATMENTS, PartialFourier, Resolution, draw_phase
from qontrast.artefacts.lines import along, line_numbers, mirrored
from qontrast.artefacts.planes import Planes
from qontrast.artefacts.slices import SliceStack
from qontrast.basics.errors import InputError
from qontrast.basics.randomness import derive

AXES = (0, 1, 2)


def rough(*shape, seed=1):
    return torch.rand((1, 1, *shape), generator=derive(seed), dtype=torch.float64)


def along_axis(axis, line, width=5):
    """A volume that varies along one axis only."""
    sizes = [1, 1, width, width, width]
    sizes[axis + 2] = len(line)
    shape = [len(line) if d == axis + 2 else 1 for d in range(5)]
    return torch.as_tensor(line, dtype=torch.float64).reshape(shape).expand(sizes).clone()


def line_of(volume, axis):
    return volume.movedim(axis + 2, -1)[0, 0, 2, 2]


def grating(count, cycles_per_voxel, phase=0.3):
    return torch.cos(2 * math.pi * cycles_per_voxel * torch.arange(count, dtype=torch.float64) + phase)


def passed(operation, axis, cycles, count=192):
    """What is left of a grating in the middle of a long line."""
    given = grating(count, cycles)
    out = line_of(operation(along_axis(axis, given)), axis).real
    inner = slice(count // 4, -count // 4)
    return float(out[inner].norm() / given[inner].norm())


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("acquired", [1.3, 1.7, 2.5, 4.0])
def test_the_cut_off_is_half_a_cycle_per_acquired_voxel(axis, acquired):
    resolution = Resolution(axis, acquired, 1.0)
    frequencies = torch.linspace(0.02, 0.49, 95)
    left = torch.tensor([passed(resolution, axis, float(f)) for f in frequencies])
    cut_off = float(frequencies[left > 0.5].max())
    assert 0.5 / cut_off == pytest.approx(acquired, rel=0.03)
    assert passed(resolution, axis, 0.9 * 0.5 / acquired) == pytest.approx(1, abs=0.05)  # limited, not blurred
    assert passed(resolution, axis, 1.15 * 0.5 / acquired) < 0.1


@pytest.mark.parametrize("acquired", [1.5, 2.0, 3.3])
def test_the_point_spread_is_a_sinc_as_wide_as_the_acquired_voxel(acquired):
    """Full width at half maximum 1.207 voxels, first zero one voxel from the centre, first side lobe -22 %."""
    spike = torch.zeros(400)
    spike[200] = 1.0
    spread = line_of(Resolution(0, 8 * acquired, 1.0)(along_axis(0, spike)), 0)
    spread = spread / spread.max()
    above = torch.nonzero(spread > 0.5).flatten()
    low, high = int(above[0]), int(above[-1])
    width = high - low + float((spread[low] - 0.5) / (spread[low] - spread[low - 1]))
    width += float((spread[high] - 0.5) / (spread[high] - spread[high + 1]))
    assert width == pytest.approx(1.2067 * 8 * acquired, rel=0.02)
    assert float(spread.min()) == pytest.approx(-0.217, abs=0.01)
    zero = 200 + int((spread[200:] < 0).to(torch.int64).argmax())
    assert zero - 200 == pytest.approx(8 * acquired, abs=1)


@pytest.mark.parametrize("axis", AXES)
def test_an_edge_overshoots_by_the_textbook_nine_percent(axis):
    edge = along_axis(axis, [0.0] * 48 + [1.0] * 48)
    ringing = Resolution(axis, 4.0, 1.0)(edge)
    assert float(ringing.max()) == pytest.approx(1.09, abs=0.015)
    assert float(ringing.min()) == pytest.approx(-0.09, abs=0.015)
    filtered = Resolution(axis, 4.0, 1.0, taper=1.0)(edge)
    assert float(filtered.max()) < 1.02


def test_the_faces_of_a_crop_do_not_ring():
    ramp = along_axis(0, torch.linspace(0, 1, 48))
    out = Resolution(0, 3.0, 1.0)(ramp)
    assert float((out - ramp).abs().max()) < 0.03


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("count", [1, 2, 15, 16, 24])
def test_acquiring_the_grids_own_voxels_changes_nothing(axis, count):
    volume = rough(*(count if a == axis else 3 for a in AXES))
    torch.testing.assert_close(Resolution(axis, 2.0, 2.0)(volume), volume)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("acquired", [1.4, 2.0, 3.7])
def test_the_mean_is_kept_and_only_one_axis_is_touched(axis, acquired):
    volume = rough(9, 10, 12)
    out = Resolution(axis, acquired, 1.0)(volume)
    torch.testing.assert_close(out.mean(dim=axis + 2), volume.mean(dim=axis + 2))
    flat = along_axis((axis + 1) % 3, torch.rand(8))
    torch.testing.assert_close(Resolution(axis, acquired, 1.0)(flat), flat)


def test_matrices_compose_by_their_product():
    volume = rough(20, 4, 4)
    one, two = Resolution(0, 1.5, 1.0, 0.4), Resolution(0, 2.5, 1.0)
    torch.testing.assert_close(two(one(volume)), along(volume, two.matrix(20) @ one.matrix(20), 0))


def test_a_multiplier_of_one_is_the_identity_and_half_the_lines_are_half_of_it():
    lines = line_numbers(7)
    assert sorted(lines.tolist()) == list(range(-7, 7))
    torch.testing.assert_close(mirrored(torch.ones(14, dtype=torch.float64)), torch.eye(7, dtype=torch.float64))
    half = mirrored((lines < 0).to(torch.float64) + 0.5 * (lines == 0) + 0j)
    torch.testing.assert_close((half + half.conj()).real, torch.eye(7, dtype=torch.float64), atol=1e-9, rtol=0)


@pytest.mark.parametrize(("acquired", "taper"), [(0.9, 0.0), (math.inf, 0.0), (math.nan, 0.0), (2.0, -0.1), (2.0, 1.1)])
def test_a_senseless_resolution_is_refused(acquired, taper):
    with pytest.raises(InputError, match="resolution: found"):
        Resolution(0, acquired, 1.0, taper)


@pytest.mark.parametrize("fraction", [0.6, 0.75, 0.9])
@pytest.mark.parametrize("kept", [1.0, 0.6])
def test_the_stated_fraction_of_the_lines_is_acquired(fraction, kept):
    partial = PartialFourier(0, fraction, "zero-filled", kept)
    assert float(partial.acquired(48).sum()) / (2 * 48 * kept) == pytest.approx(fraction, rel=0.02)
    # Frequencies beyond the centre lose the half that is missing; those within it lose nothing.
    edge = 0.5 * kept * (2 * fraction - 1)
    assert passed(partial, 0, 0.85 * edge) == pytest.approx(1, abs=0.05)
    assert passed(partial, 0, min(0.5 * (edge + 0.5 * kept), 1.3 * edge)) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("treatment", ["conjugate", "homodyne"])
@pytest.mark.parametrize("fraction", [0.625, 0.75, 0.875])
def test_symmetry_restores_a_positive_image(treatment, fraction):
    image = torch.nn.functional.avg_pool3d(rough(70, 5, 5), (3, 1, 1), 1) + 1
    error = PartialFourier(0, fraction, treatment)(image).abs() - image
    assert float(error.abs().max()) < 1e-6
    blurred = PartialFourier(0, fraction, "zero-filled")(image).abs() - image
    assert float(blurred.std()) > 100 * float(error.std())


@pytest.mark.parametrize("treatment", ["conjugate", "homodyne"])
def test_a_smooth_phase_is_survived_and_a_rough_one_is_not(treatment):
    image = rough(64, 6, 6) + 1
    errors = []
    for points in (4, 40):
        phased = draw_phase(0.3, derive(4), control_points=points)(image)
        torch.testing.assert_close(phased.abs(), image)
        errors.append(float((PartialFourier(0, 0.625, treatment)(phased).abs() - image).std() / image.std()))
    assert errors[0] < 0.1
    assert errors[1] > 2 * errors[0]


@pytest.mark.parametrize("treatment", TREATMENTS)
def test_all_lines_are_the_whole_image(treatment):
    image = rough(16, 6, 6) + 0.5
    torch.testing.assert_close(PartialFourier(0, 1.0, treatment)(image).abs(), image, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("treatment", TREATMENTS)
@pytest.mark.parametrize(
    "parts",
    [(Resolution(0, 3.4, 2.0, 0.3), Resolution(2, 2.6, 2.0)), (Resolution(0, 2.6, 2.0), SliceStack(1, 5.0, 0.5, 2.0))],
)
def test_samples_become_the_image_that_the_reconstructed_ones_would(axis, treatment, parts):
    encoding, partial = Encoding(parts), PartialFourier(axis, 0.625, treatment, 0.6)
    image = draw_phase(0.8, derive(4)).apart(Planes(rough(14, 12, 16) + 0.2))
    samples = image.each(encoding.sliced).each(encoding.sampled)
    whole = samples.each(lambda part: encoding.reconstructed(part, image.real.shape))
    left = samples.each(lambda part: encoding.reconstructed(part, image.real.shape, but=axis))
    found = partial.apart(left, encoding.factor(axis, image.real.shape[axis + 2]))
    torch.testing.assert_close(found.joined(), partial.apart(whole).joined(), atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("fraction", [0.5, 0.0, 1.1, math.nan])
def test_half_of_k_space_or_less_is_refused(fraction):
    with pytest.raises(InputError, match="partial Fourier: found a fraction"):
        PartialFourier(0, fraction)
