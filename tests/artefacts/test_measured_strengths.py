"""Each strength that is asked of an artefact, measured from images that it was applied to, within 5 %.

What the other files of this folder measure in closed form already is not repeated here.
"""

import math
from dataclasses import replace

import pytest
import torch

from qontrast.artefacts.bias import draw_bias, draw_coil_array
from qontrast.artefacts.dropout import Dephasing
from qontrast.artefacts.encoding import Encoding
from qontrast.artefacts.erasure import draw_erasure
from qontrast.artefacts.kspace import PartialFourier, Resolution, draw_phase
from qontrast.artefacts.motion import Pose, RigidMotion, draw_motion
from qontrast.artefacts.noise import ComplexNoise
from qontrast.artefacts.slices import SliceStack
from qontrast.basics.randomness import derive
from qontrast.physics.presets import PRESETS
from qontrast.views.spoiling import noise_alone, scanned

AXES = (0, 1, 2)
WITHIN = 0.05


pytestmark = pytest.mark.usefixtures("one_thread")


def noise_image(shape=(48, 40, 44), seed=1):
    return torch.randn((1, 1, *shape), generator=derive(seed), dtype=torch.float64)


def ramp(axis, shape, voxel=1.0):
    """Millimetres along an axis from the middle of the image, ``[1, 1, x, y, z]`` with the other axes of length 1."""
    line = (torch.arange(shape[axis], dtype=torch.float64) - (shape[axis] - 1) / 2) * voxel
    return line.reshape([-1 if d == axis + 2 else 1 for d in range(5)])


def moments(line):
    """Centre and variance of a one-dimensional weight, in samples."""
    place = torch.arange(len(line), dtype=line.dtype)
    centre = float((line * place).sum() / line.sum())
    return centre, float((line * (place - centre) ** 2).sum() / line.sum())


# Bias, shading and the phase behind an image.


@pytest.mark.parametrize("strength", [0.05, 0.25, 0.6])
@pytest.mark.parametrize("shape", [(24, 24, 24), (60, 20, 36)])
def test_an_image_with_bias_varies_as_much_as_asked(strength, shape):
    for seed in range(10):
        seen = draw_bias(strength, derive(seed))(torch.full((1, 1, *shape), 3.0)) / 3.0
        assert float(seen.log().std()) == pytest.approx(strength, rel=WITHIN)


@pytest.mark.parametrize("exponent", [0.0, 0.3, 1.0])
def test_a_coil_array_shades_by_the_share_that_was_not_corrected(exponent):
    """Against the root of the sum of squares of Roemer's loops, added up voxel by voxel."""
    shape, voxel = (20, 22, 18), (8.0, 8.0, 8.0)
    array = draw_coil_array(voxel, derive(5), exponent=exponent)
    points = torch.stack(torch.meshgrid(*(ramp(a, shape, voxel[a]).flatten() for a in AXES), indexing="ij"), dim=-1)
    power = sum((1 + (points - p).square().sum(-1) / array.radius**2) ** -3 for p in array.positions.double())
    whole = float(power.sqrt().log().std())
    seen = array(torch.ones(1, 1, *shape, dtype=torch.float64)).log()
    assert float(seen.std()) == pytest.approx(exponent * whole, rel=WITHIN, abs=1e-9)


@pytest.mark.parametrize("strength", [0.1, 0.25, 0.8])
@pytest.mark.parametrize("shape", [(24, 24, 24), (60, 20, 36)])
def test_a_background_phase_varies_by_as_many_radians_as_asked(strength, shape):
    for seed in range(10):
        phase = draw_phase(strength, derive(seed))
        seen = phase(torch.ones(1, 1, *shape)).angle()
        assert float(seen.std()) == pytest.approx(strength, rel=WITHIN)
        assert float(seen.mean()) == pytest.approx(0, abs=WITHIN * strength)
        assert f"±{math.degrees(float(seen.std())):.0f}°" in phase.describe()


# Motion. Real waves in a smooth envelope have a positive and a negative line of k-space: where a head in one pose fills
# the positive lines and a head in another the negative ones, each half of k-space shows where its head lay.

VOXEL = (2.0, 1.5, 1.0)
SHAPE = (48, 52, 56)


def packet(axis, centre, width=7.0, cycles=0.17):
    """A wave of ``cycles`` per voxel along an axis under a Gaussian of ``width`` mm about ``centre`` (mm)."""
    places = [ramp(a, SHAPE, VOXEL[a]) - centre[a] for a in AXES]
    envelope = torch.exp(-0.5 * sum((p / width) ** 2 for p in places))
    return envelope * torch.cos(2 * math.pi * cycles * places[axis] / VOXEL[axis])


def half_centres(image, axis):
    """Centres (mm) of what the positive and what the negative lines along an axis hold."""
    spectrum = torch.fft.fft(image + 0j, dim=axis + 2)
    sign = torch.fft.fftfreq(image.shape[axis + 2]).reshape([-1 if d == axis + 2 else 1 for d in range(5)]).sign()
    centres = []
    for half in (sign > 0, sign < 0):
        mass = torch.fft.ifft(spectrum * half, dim=axis + 2).abs().square()
        centres.append([float((mass * ramp(a, SHAPE, VOXEL[a])).sum() / mass.sum()) for a in AXES])
    return centres


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("shift", [(3.0, 0.0, 0.0), (0.0, -2.4, 0.0), (1.1, -1.6, 2.3)])
def test_late_lines_show_the_head_shifted_as_many_millimetres_as_asked(axis, shift):
    moving = RigidMotion(axis, "linear", (Pose(), Pose(shift)), (0.0, 0.502), VOXEL)
    late, early = half_centres(moving(packet(axis, (0.0, 0.0, 0.0))), axis)
    tolerance = WITHIN * math.hypot(*shift)
    assert late == pytest.approx(shift, abs=tolerance)
    assert early == pytest.approx([0.0] * 3, abs=tolerance)


@pytest.mark.parametrize("about", AXES)
@pytest.mark.parametrize("degrees", [-6.0, 3.0, 10.0])
def test_late_lines_show_the_head_turned_as_many_degrees_as_asked(about, degrees):
    """The wave runs along the axis that it turns about, and so is itself left as it is."""
    one, two = (about + 1) % 3, (about + 2) % 3
    centre = [20.0 if a == one else 0.0 for a in AXES]
    turn = tuple(degrees if a == about else 0.0 for a in AXES)
    moving = RigidMotion(about, "linear", (Pose(), Pose(turn=turn)), (0.0, 0.502), VOXEL)
    late, early = half_centres(moving(packet(about, centre, width=5.0)), about)
    assert math.degrees(math.atan2(late[two], late[one])) == pytest.approx(degrees, rel=WITHIN)
    assert early == pytest.approx(centre, abs=0.2)
    assert math.hypot(late[one], late[two]) == pytest.approx(20.0, rel=0.01)


def test_the_poses_of_many_draws_deviate_as_asked_however_many_there_are():
    """Where a pose is an earlier one again, it is one of those that were drawn."""
    shifts, turns, counts = [], [], []
    for seed in range(600):
        motion = draw_motion((1.5, 0.8), 0, "linear", VOXEL, derive(seed))
        moved = [pose for pose in motion.poses if pose != Pose()]
        shifts += [s for pose in moved for s in pose.shift]
        turns += [t for pose in moved for t in pose.turn]
        counts.append(len(motion.poses))
    assert float(torch.tensor(shifts).square().mean().sqrt()) == pytest.approx(1.5, rel=WITHIN)
    assert float(torch.tensor(turns).square().mean().sqrt()) == pytest.approx(0.8, rel=WITHIN)
    assert [counts.count(n) / 600 for n in (2, 3, 4)] == pytest.approx([1 / 3] * 3, abs=0.08)


@pytest.mark.parametrize("shots", [6, 8])
def test_ghosts_lie_one_field_of_view_per_shot_apart(shots):
    """The field of view is twice the crop, for its mirror image belongs to it: ghosts lie 2 count / shots apart."""
    count, place = 96, 24
    image = torch.exp(-0.5 * (ramp(0, (count, 1, 1)) + (count - 1) / 2 - place).div(2.0) ** 2)
    moving = RigidMotion(0, "interleaved", (Pose(), Pose((1.0, 0, 0))), (0.0, 0.5), (1.0, 1.0, 1.0), shots=shots)
    ghosts = (moving(image) - image)[0, 0, :, 0, 0].abs()
    ghosts[: place + 8] = 0  # the image itself, and what lies before it
    ghosts[place + 5 * count // (2 * shots) :] = 0  # the further ones
    centre, _ = moments(ghosts.square())
    assert centre - place == pytest.approx(2 * count / shots, rel=WITHIN)


# Slices and k-space.


def profile(stack, count):
    """How bright a thin sheet is in the middlemost slice, as it is moved through the image."""
    sheets = torch.eye(count, dtype=torch.float64).reshape(1, 1, count, count, 1)
    seen = SliceStack.__call__(replace(stack, axis=0), sheets)[0, 0, :, :, 0]
    middle = seen[count // 4 : -count // 4]
    return middle[int(middle.amax(dim=1).argmax())]


@pytest.mark.parametrize("thickness", [2.0, 3.5, 6.0])
@pytest.mark.parametrize("gap", [0.0, 1.2])
def test_a_sheet_is_seen_by_one_slice_over_as_many_millimetres_as_it_is_thick(thickness, gap):
    seen = profile(SliceStack(0, thickness, gap, 0.1, flank=0.2), 400)
    above = torch.nonzero(seen >= 0.5 * seen.max()).flatten()
    assert 0.1 * (int(above[-1]) - int(above[0]) + 1) == pytest.approx(thickness, rel=WITHIN)


@pytest.mark.parametrize("thickness", [3.0, 4.0, 6.0])
@pytest.mark.parametrize("flank", [0.0, 0.2])
def test_slices_are_as_thick_on_the_grid_of_a_view(thickness, flank):
    """On 2 mm: a trapezoid of width t and flanks f t has the variance t^2 (1 + f^2) / 12, voxels add their own."""
    found = []
    for offset in torch.linspace(-0.5, 0.45, 20).tolist():
        stack = SliceStack(0, thickness, 1.0, 2.0, offset, flank)
        weights = stack.averaging(40)
        found += [moments(row)[1] * 4.0 - 4.0 / 12 for row in weights[3:-3]]
    measured = math.sqrt(12 * sum(found) / len(found) / (1 + flank**2))
    assert measured == pytest.approx(thickness, rel=WITHIN)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize(("thickness", "gap"), [(3.0, 0.0), (4.0, 1.0), (5.0, 2.5)])
def test_resliced_images_bend_at_every_slice_and_nowhere_else(axis, thickness, gap):
    """Between slices the image is interpolated linearly: kinks lie the distance of slices apart."""
    shape = [4, 4, 4]
    shape[axis] = 600
    seen = SliceStack(axis, thickness, gap, 0.1, 0.3)(noise_image(shape)).movedim(axis + 2, -1)[0, 0].reshape(-1, 600)
    bent = torch.nonzero(seen.diff(n=2, dim=1).abs().amax(dim=0) > 1e-9).flatten()
    kinks = bent[torch.cat((torch.tensor([True]), bent.diff() > 5))]
    assert len(kinks) == pytest.approx(60 / (thickness + gap), abs=1)
    assert 0.1 * float(kinks.diff().double().mean()) == pytest.approx(thickness + gap, rel=0.01)
    assert 0.1 * float(kinks.diff().max()) == pytest.approx(thickness + gap, rel=WITHIN)


@pytest.mark.parametrize(("thickness", "gap"), [(3.0, 0.0), (4.0, 1.0), (5.0, 2.5)])
def test_what_slices_see_lies_as_far_apart_as_they_do(thickness, gap):
    """Sheets that are seen where two slices are shown, one distance apart, lie that distance apart themselves."""
    sheets = torch.eye(600, dtype=torch.float64).reshape(1, 1, 600, 600, 1)
    seen = SliceStack(0, thickness, gap, 0.1, 0.3)(sheets)[0, 0, :, :, 0]
    step, place = round((thickness + gap) / 0.1), torch.arange(600, dtype=torch.float64)
    centres = seen @ place / seen.sum(dim=1)
    apart = 0.1 * (centres[step:] - centres[:-step])[2 * step : -2 * step]
    assert float(apart.mean()) == pytest.approx(thickness + gap, rel=0.01)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("acquired", [2.3, 3.0, 3.4])
def test_an_image_keeps_the_power_of_as_many_lines_as_were_acquired(axis, acquired):
    image = noise_image((24, 24, 24), seed=2)
    kept = Resolution(axis, acquired, 2.0)(image).square().mean() / image.square().mean()
    assert 2.0 / float(kept) == pytest.approx(acquired, rel=WITHIN)


@pytest.mark.parametrize("taper", [0.2, 0.5, 0.8])
def test_a_filter_takes_the_stated_share_of_the_lines_down_to_nothing(taper):
    """Waves are untouched up to (1 - taper) of the cut-off, halved (cosine squared) half way from there, then gone."""
    count, acquired = 240, 2.5
    resolution = Resolution(0, acquired, 1.0, taper)
    waves = torch.arange(1, count // 2)
    # Cosines about the middles of voxels are mirrored at the faces: each is one line of k-space.
    place = torch.arange(count, dtype=torch.float64) + 0.5
    image = torch.cos(math.pi * 2 * waves[:, None] * place / count).T.reshape(1, 1, count, len(waves), 1)
    left = (resolution(image) * image).sum(dim=2)[0, 0, :, 0] / image.square().sum(dim=2)[0, 0, :, 0]
    share = waves / (count / 2) * acquired  # of the cut-off
    assert float(share[left > 0.999].max()) == pytest.approx(1 - taper, abs=WITHIN * taper + 0.02)
    assert float(share[left > 0.5].max()) == pytest.approx(1 - taper / 2, rel=WITHIN)
    assert float(left[share > 1.02].abs().max()) < 1e-6


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("fraction", [0.625, 0.75, 0.875])
@pytest.mark.parametrize("kept", [1.0, 0.6])
def test_the_missing_fraction_of_k_space_has_no_power(axis, fraction, kept):
    noise = torch.complex(noise_image((24, 24, 24), 3), noise_image((24, 24, 24), 4))
    whole = PartialFourier(axis, 1.0, "zero-filled", kept)(noise).abs().square().mean()
    left = PartialFourier(axis, fraction, "zero-filled", kept)(noise).abs().square().mean()
    assert float(left / whole) == pytest.approx(fraction, rel=WITHIN)
    assert float(whole / noise.abs().square().mean()) == pytest.approx(kept, rel=WITHIN)


# Noise.


def seen_snr(spoiling, at=slice(None), shape=(40, 40, 40), sequence="fse"):
    image = scanned(PRESETS[sequence], torch.full((1, 1, *shape), 0.7), spoiling)[..., at]
    return float(image.mean() / image.std())


@pytest.mark.parametrize("snr", [15.0, 40.0, 120.0])
def test_a_magnitude_image_has_the_snr_asked_for(snr):
    assert seen_snr(noise_alone(ComplexNoise(snr, 1))) == pytest.approx(snr, rel=WITHIN)


@pytest.mark.parametrize("snr", [15.0, 60.0])
@pytest.mark.parametrize(
    "parts",
    [
        (Resolution(0, 3.1, 2.0),),
        (Resolution(1, 3.4, 2.0, 0.5), Resolution(2, 2.2, 2.0)),
        (SliceStack(2, 6.0, 0.0, 2.0, offset=1 / 6),),
        (SliceStack(2, 4.0, 2.0, 2.0, offset=1 / 6), Resolution(0, 3.0, 2.0)),
    ],
)
def test_the_snr_is_that_of_the_acquired_voxels(snr, parts):
    stack = next((p for p in parts if isinstance(p, SliceStack)), None)
    at = [round(float(c) / 2 - 0.5) for c in stack.centres(40)] if stack else slice(None)
    spoiling = replace(noise_alone(ComplexNoise(snr, 2)), encoding=Encoding(parts))
    assert seen_snr(spoiling, at) == pytest.approx(snr, rel=WITHIN)


@pytest.mark.parametrize("fraction", [0.625, 0.75, 0.875])
@pytest.mark.parametrize("kept", [1.0, 0.6])
def test_the_snr_is_stated_as_if_k_space_were_complete(fraction, kept):
    """Zeros hold no noise, so it falls as the root of the fraction; a line that stands for two has twice its noise.

    Of the real part, lines that are there twice count 1/2 each and those that are there once 4/2: 3 - 2 fraction.
    """
    encoding = Encoding((Resolution(0, 2.0 / kept, 2.0),) if kept < 1 else ())
    for treatment, power in (("zero-filled", fraction), ("conjugate", 3 - 2 * fraction)):
        partial = PartialFourier(0, fraction, treatment, kept)
        spoiling = replace(noise_alone(ComplexNoise(50.0, 3)), encoding=encoding, partial_fourier=partial)
        assert seen_snr(spoiling) == pytest.approx(50.0 / math.sqrt(power), rel=WITHIN)


@pytest.mark.parametrize("coils", [4, 20])
@pytest.mark.parametrize("parts", [(Resolution(1, 3.4, 2.0),), (SliceStack(2, 6.0, 0.0, 2.0, offset=1 / 6),)])
def test_many_coils_keep_their_chi_in_coarse_voxels(coils, parts):
    """Mean square 1 + 2 n / SNR^2; where there is signal the variance is about that of one channel."""
    snr = 12.0
    spoiling = replace(noise_alone(ComplexNoise(snr, 4, coils)), encoding=Encoding(parts))
    image = scanned(PRESETS["fse"], torch.ones(1, 1, 40, 40, 40), spoiling)
    if isinstance(parts[0], SliceStack):
        image = image[..., [round(float(c) / 2 - 0.5) for c in parts[0].centres(40)]]
    # In the square of the image the noise's own part is 2 n / SNR^2.
    assert float(image.square().mean() - 1) * snr**2 == pytest.approx(2 * coils, rel=WITHIN, abs=0.3)
    power, sigma2 = 1 + 2 * coils / snr**2, snr**-2
    spread = math.sqrt(4 * sigma2 + 4 * coils * sigma2**2)  # of the square (non-central chi-squared)
    assert float(image.square().std()) == pytest.approx(spread, rel=WITHIN)
    assert float(image.mean()) == pytest.approx(math.sqrt(power), rel=0.01)


# Dropout.


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("hertz", [-40.0, 15.0, 60.0])
def test_a_gradient_of_the_field_stretches_the_image_along_the_readout(axis, hertz):
    """Of g Hz per voxel at w Hz per voxel: lengths grow by 1 + g / w, brightness falls by as much; both at once."""
    shape, width = (64, 64, 64), 200.0
    image = torch.zeros(1, 1, *shape, dtype=torch.float64)
    line = (ramp(axis, shape).abs() - 12).div(3.0)
    image = image + torch.exp(-0.5 * line**2)  # two sheets, 24 voxels apart
    field = (hertz * ramp(axis, shape)).expand_as(image)
    seen = Dephasing(0.0, (1, 1, 1), (1, 1, 1), 3.0, readout=axis, bandwidth=width)(image, field)
    seen = seen.sum(dim=[d for d in range(5) if d != axis + 2]) / 64**2
    apart = 32 + moments(seen[32:])[0] - moments(seen[:32])[0]
    assert apart - 24 == pytest.approx(24 * hertz / width, rel=WITHIN)
    flat = Dephasing(0.0, (1, 1, 1), (1, 1, 1), 3.0, readout=axis, bandwidth=width)(torch.ones_like(image), field)
    inner = flat.movedim(axis + 2, -1)[0, 0, 8, 8, 12:52]
    assert float(inner.mean()) == pytest.approx(1 / (1 + hertz / width), rel=WITHIN)


def test_gradients_along_all_axes_dephase_together():
    """The product of what each axis leaves, by adding up 40³ spins of one acquired voxel."""
    size, slopes, echo_time = (2.0, 3.0, 5.0), (20.0, -8.0, 6.0), 0.02
    field = sum(slope * ramp(a, (9, 9, 9), 2.0) for a, slope in zip(AXES, slopes, strict=True))
    left = Dephasing(echo_time, size, (2.0, 2.0, 2.0), 3.0)(torch.ones_like(field), field)
    spins = [slope * s * ((torch.arange(40) + 0.5) / 40 - 0.5) for slope, s in zip(slopes, size, strict=True)]
    phases = spins[0][:, None, None] + spins[1][:, None] + spins[2]
    expected = float(torch.exp(2j * math.pi * phases.double() * echo_time).mean().real)
    assert float(left[0, 0, 4, 4, 4]) == pytest.approx(expected, rel=WITHIN)
    assert 0.05 < expected < 0.5


# Erasure.


@pytest.mark.parametrize("size", [(0.25, 0.25), (0.5, 0.5)])
def test_a_box_fills_the_stated_share_of_the_image(size):
    image = noise_image((24, 32, 16))
    for seed in range(20):
        erased = float((draw_erasure((24, 32, 16), 1, size, derive(seed))(image) != image).double().mean())
        assert erased == pytest.approx(size[0] ** 3, rel=WITHIN)


def test_boxes_of_many_draws_fill_the_mean_share():
    """Edges are drawn each on its own, so the mean volume is the cube of the mean edge: here 0.2 of the image's."""
    image, shares = noise_image((20, 20, 20)), []
    for seed in range(1000):
        boxes = draw_erasure((20, 20, 20), 1, (0.1, 0.3), derive(seed))
        shares.append(float((boxes(image) != image).double().mean()))
    assert sum(shares) / len(shares) == pytest.approx(0.2**3, rel=WITHIN)
