"""Rigid motion while k-space is acquired."""

import math

import pytest
import torch

from qontrast.artefacts.lines import along, mirrored
from qontrast.artefacts.motion import Pose, RigidMotion, draw_motion, turned
from qontrast.basics.errors import InputError
from qontrast.basics.randomness import derive

VOXEL = (2.0, 1.5, 1.0)
SHAPE = (40, 44, 48)


def blob(centre=(0.0, 0.0, 0.0), size=(9.0, 6.0, 4.0), shape=SHAPE, voxel=VOXEL):
    """A smooth ellipsoid, its centre and semi-axes in mm."""
    axes = [(torch.arange(n, dtype=torch.float64) - (n - 1) / 2) * s for n, s in zip(shape, voxel, strict=True)]
    grids = torch.meshgrid(*axes, indexing="ij")
    radius = sum(((g - c) / s) ** 2 for g, c, s in zip(grids, centre, size, strict=True))
    return torch.exp(-0.5 * radius)[None, None]


def centre_of(image, voxel=VOXEL):
    mass = image[0, 0].abs()
    axes = [(torch.arange(n, dtype=mass.dtype) - (n - 1) / 2) * s for n, s in zip(mass.shape, voxel, strict=True)]
    return [float((mass.movedim(i, -1) * a).sum() / mass.sum()) for i, a in enumerate(axes)]


def covariance(image, voxel=VOXEL):
    mass = image[0, 0].abs()
    axes = [(torch.arange(n, dtype=mass.dtype) - (n - 1) / 2) * s for n, s in zip(mass.shape, voxel, strict=True)]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3)
    weights = mass.reshape(-1, 1) / mass.sum()
    centred = points - (weights * points).sum(dim=0)
    return (weights * centred).T @ centred


@pytest.mark.parametrize("shift", [(3.0, 0, 0), (0, -2.4, 0), (0, 0, 0.7), (1.1, -0.6, 2.3)])
def test_a_shift_is_as_many_millimetres_as_stated(shift):
    moved = Pose(shift=shift)(blob(), VOXEL)
    assert centre_of(moved) == pytest.approx(shift, rel=0.01, abs=0.01)
    torch.testing.assert_close(moved, blob(centre=shift), rtol=0, atol=5e-3)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("degrees", [-7.0, 2.0, 12.0])
def test_a_turn_is_as_many_degrees_as_stated(axis, degrees):
    turn = tuple(degrees if a == axis else 0.0 for a in range(3))
    moments = covariance(turned(blob(), turn, VOXEL))
    one, two = [a for a in range(3) if a != axis]
    if axis == 1:
        one, two = two, one
    angle = 0.5 * math.atan2(2 * float(moments[one, two]), float(moments[one, one] - moments[two, two]))
    expected = math.radians(degrees)
    if moments[one, one] < moments[two, two]:
        angle -= math.copysign(math.pi / 2, angle)
    assert math.degrees(angle) == pytest.approx(math.degrees(expected), rel=0.05)


def test_a_turn_about_the_third_axis_takes_right_to_anterior():
    spot = blob(centre=(20.0, 0.0, 0.0), size=(3.0, 3.0, 3.0))
    x, y, z = centre_of(turned(spot, (0.0, 0.0, 30.0), VOXEL))
    assert (x, y, z) == pytest.approx((20 * math.cos(math.pi / 6), 10.0, 0.0), abs=0.15)


POSES = (Pose(), Pose((4.0, 0, 0), (0, 0, 9.0)))


def still(order="linear", poses=POSES, starts=(0.0, 0.7), **more):
    return RigidMotion(1, order, poses, starts, VOXEL, **more)


@pytest.mark.parametrize("order", ["linear", "interleaved"])
def test_one_pose_wherever_it_is_changes_nothing(order):
    image = torch.rand((1, 2, 9, 10, 11), generator=derive(1))
    motion = RigidMotion(0, order, (Pose((5.0, 3.0, 0), (0, 10.0, 0)),), (0.0,), VOXEL)
    assert torch.equal(motion(image), image)


def test_anatomy_keeps_the_place_it_has_at_the_centre_of_k_space():
    """A move in the last third only changes fine detail; one at the very start leaves the later place."""
    for motion in (still(), still(poses=(Pose((9.0, 0, 0)), Pose()), starts=(0.0, 0.2))):
        moved = motion(blob(size=(12.0, 12.0, 12.0)))
        assert centre_of(moved) == pytest.approx((0, 0, 0), abs=0.1)
        assert float(moved.abs().max()) == pytest.approx(1, rel=0.02)


def test_a_move_just_before_the_centre_of_k_space_shifts_all():
    """Seen from the pose at the centre, the early lines are those that are displaced."""
    image = blob()
    late = RigidMotion(1, "linear", (Pose(), Pose((0, 4.0, 0))), (0.0, 0.3), VOXEL)
    assert late.poses[1] != Pose()
    moved = late(image)
    assert abs(centre_of(moved)[1]) < 0.3
    again = RigidMotion(1, "linear", (Pose((0, -4.0, 0)), Pose()), (0.0, 0.3), VOXEL)
    torch.testing.assert_close(moved, again(image))


@pytest.mark.parametrize("shift", [0.5, 1.5, 4.0])
def test_a_ghost_is_as_strong_as_the_shift_says(shift):
    """Every other line is from an image moved by d: half of what the move changes goes to the ghost, half a field of
    view away, which is the mirrored place of a crop. Of a Gaussian of width s the change is known in closed form."""
    voxel, size = (1.0, 1.0, 1.0), 4.0
    image = blob((0, 24.0, 0), (6.0, size, 6.0), (9, 96, 9), voxel)
    moved = blob((0, 24.0 + shift, 0), (6.0, size, 6.0), (9, 96, 9), voxel)
    out = RigidMotion(1, "interleaved", (Pose(), Pose((0, shift, 0))), (0.0, 0.5), voxel, shots=2)(image).real
    near, far = slice(48, 96), slice(0, 48)
    torch.testing.assert_close(out[:, :, :, near], (0.5 * (image + moved))[:, :, :, near], rtol=0, atol=2e-3)
    ghost = (0.5 * (image - moved)).flip(3)[:, :, :, far]
    torch.testing.assert_close(out[:, :, :, far], ghost, rtol=0, atol=2e-3)
    expected = 1 - math.exp(-((shift / (2 * size)) ** 2))  # energy of the ghost over that of the image, times 2
    assert 2 * float(out[:, :, :, far].square().sum() / image.square().sum()) == pytest.approx(expected, rel=0.03)


def test_interleaved_segments_hold_every_nth_line_and_linear_ones_a_block():
    linear, inter = still(), still("interleaved", shots=4)
    when = linear.when(24)
    assert when.min() >= 0
    assert when.max() <= 1
    assert float(when[0]) == 0.5
    assert sorted(set(inter.when(24).tolist())) == [0.125, 0.375, 0.625, 0.875]
    assert torch.equal(inter.when(24)[0:4], torch.tensor([0.125, 0.375, 0.625, 0.875], dtype=torch.float64))


@pytest.mark.parametrize("order", ["linear", "interleaved"])
def test_segments_are_exactly_the_lines_of_the_differently_posed_images(order):
    """Against the slow way: each segment cut out of the k-space of its own image, then put together."""
    image, motion = blob().float(), still(order, shots=3)
    which = (motion.when(SHAPE[1]) >= 0.7).double()
    reference = int(which[0])
    there = Pose((4.0, 0, 0), (0, 0, 9.0))
    images = [image, there(image, VOXEL)]
    assert reference == 0
    slow = along(images[0], mirrored(1 - which + 0j), 1) + along(images[1], mirrored(which + 0j), 1)
    torch.testing.assert_close(motion(image), slow, rtol=0, atol=1e-5)


def test_draws_are_as_strong_as_asked():
    shifts, turns = [], []
    for seed in range(400):
        motion = draw_motion((1.5, 0.8), 0, "linear", VOXEL, derive(seed))
        assert motion.poses[0] == Pose()
        shifts += motion.poses[1].shift
        turns += motion.poses[1].turn
    assert float(torch.tensor(shifts).std()) == pytest.approx(1.5, rel=0.05)
    assert float(torch.tensor(turns).std()) == pytest.approx(0.8, rel=0.05)


@pytest.mark.parametrize("starts", [(0.0,), (0.1, 0.5), (0.0, 1.0), (0.0, -0.1)])
def test_senseless_times_are_refused(starts):
    with pytest.raises(InputError, match="motion: found"):
        RigidMotion(0, "linear", (Pose(), Pose()), starts, VOXEL)
