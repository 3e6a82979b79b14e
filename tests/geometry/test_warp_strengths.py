"""Each strength that a plan asks of a warp, measured from the coordinates of its voxels alone, within 5 %."""

import itertools
import math
import re

import pytest
import torch

from qontrast.basics.randomness import derive
from qontrast.geometry.sample import sample, whole
from qontrast.geometry.warp import WarpRanges, draw_warp

CENTRE = torch.tensor([60.0, 50.0, 40.0])
SPACING = torch.tensor([1.0, 1.2, 0.8])
NOTHING = {"rotation": 0.0, "scale": (1.0, 1.0), "shear": 0.0, "elastic": 0.0, "flip": 0.0}
WITHIN = 0.05


pytestmark = pytest.mark.usefixtures("one_thread")


def draw(seed, shape=(4, 4, 4), spacing=2.0, **ranges):
    x, y, z = SPACING.tolist()
    return draw_warp(WarpRanges(**ranges), CENTRE, shape, spacing, (x, y, z), derive(seed))


def view_points(warp):
    """Where voxels lie in the view, mm from its middle, ``[voxel, 3]``."""
    axes = [(torch.arange(n, dtype=torch.float64) - (n - 1) / 2) * warp.spacing for n in warp.shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3)


def subject_points(warp):
    """Where the same voxels lie in the subject, mm from the centre, ``[voxel, 3]``."""
    return ((warp.coordinates() - CENTRE) * SPACING).double().reshape(-1, 3)


def fitted(warp):
    """The affine map from view to subject, ``[3, 3]``, by least squares."""
    here = view_points(warp)
    there = subject_points(warp)
    return torch.linalg.lstsq(here - here.mean(dim=0), there - there.mean(dim=0)).solution.T


def polar(matrix):
    """Rotation, stretch before it, and whether the first axis is mirrored before both."""
    flipped = bool(torch.linalg.det(matrix) < 0)
    unflipped = matrix @ torch.diag(torch.tensor([-1.0 if flipped else 1.0, 1.0, 1.0], dtype=torch.float64))
    u, s, vh = torch.linalg.svd(unflipped)
    return u @ vh, vh.T @ torch.diag(s) @ vh, flipped


def angles(turned):
    """Degrees about x, then y, then z, whose product a rotation is."""
    about_y = math.asin(-float(turned[2, 0]))
    about_x, about_z = math.atan2(turned[2, 1], turned[2, 2]), math.atan2(turned[1, 0], turned[0, 0])
    return [math.degrees(a) for a in (about_x, about_y, about_z)]


@pytest.fixture(scope="module")
def drawn():
    """Affine parts of 1000 draws from ranges that are no defaults, split in rotation, stretch and flip."""
    ranges = {"rotation": 15.0, "scale": (0.8, 1.3), "shear": 0.08, "elastic": 0.0, "flip": 0.3}
    return [polar(fitted(draw(seed, **ranges))) for seed in range(1000)]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_turns_about_each_axis_reach_the_largest_and_are_even_up_to_it(drawn, axis):
    found = torch.tensor([angles(turned)[axis] for turned, _, _ in drawn])
    assert float(found.abs().max()) == pytest.approx(15.0, rel=WITHIN)
    assert float(found.std()) == pytest.approx(15.0 / math.sqrt(3), rel=WITHIN)  # of an even distribution
    assert abs(float(found.mean())) < 1.0


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_zooms_reach_both_ends_of_their_range(drawn, axis):
    found = torch.stack([stretch[:, axis].norm() for _, stretch, _ in drawn])
    assert float(found.min()) == pytest.approx(0.8, abs=WITHIN * 0.25)  # 5 % of the distance from 1 and less
    assert float(found.max()) == pytest.approx(1.3, abs=WITHIN * 0.25)
    assert float(found.mean()) == pytest.approx(1.05, rel=0.01)
    assert float(found.std()) == pytest.approx(0.5 / math.sqrt(12), rel=WITHIN)


@pytest.mark.parametrize(("one", "two"), [(0, 1), (0, 2), (1, 2)])
def test_right_angles_are_sheared_as_far_as_asked(drawn, one, two):
    columns = [(stretch[:, one], stretch[:, two]) for _, stretch, _ in drawn]
    found = torch.stack([torch.dot(a, b) / (a.norm() * b.norm()) for a, b in columns])
    assert float(found.abs().max()) == pytest.approx(0.08, rel=WITHIN)
    assert float(found.std()) == pytest.approx(0.08 / math.sqrt(3), rel=WITHIN)


def test_as_many_draws_are_mirrored_as_asked(drawn):
    count = sum(flipped for _, _, flipped in drawn)
    assert abs(count - 0.3 * 1000) < 4 * math.sqrt(1000 * 0.3 * 0.7)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_shear_alone_turns_nothing_and_a_zoom_alone_neither(axis):
    for seed in range(30):
        turned, _, _ = polar(fitted(draw(seed, **NOTHING | {"shear": 0.3, "scale": (0.7, 1.4), "flip": 0.5})))
        assert abs(angles(turned)[axis]) < 0.01


def moved(seed, elastic, shape=(24, 24, 24), spacing=4.0, **ranges):
    """How far each voxel is moved by the elastic warp, mm of the view ``[voxel, 3]``: affine parts taken away."""
    warp, rigid = (draw(seed, shape, spacing, elastic=e, **ranges) for e in (elastic, 0.0))
    return (subject_points(warp) - subject_points(rigid)) @ torch.linalg.inv(fitted(rigid)).T


@pytest.mark.parametrize("elastic", [0.5, 1.0, 4.0])
@pytest.mark.parametrize(("shape", "spacing"), [((24, 24, 24), 4.0), ((16, 48, 20), 2.0), ((32, 32, 32), 1.0)])
def test_voxels_are_moved_as_many_millimetres_as_asked_in_every_draw(elastic, shape, spacing):
    for seed in range(8):
        shift = moved(seed, elastic, shape, spacing)
        assert shift.std(dim=0).tolist() == pytest.approx([elastic] * 3, rel=WITHIN)
        assert shift.mean(dim=0).tolist() == pytest.approx([0] * 3, abs=WITHIN * elastic)


def test_the_default_moves_voxels_as_far_as_it_says_in_the_default_view():
    for seed in range(20):
        assert float(moved(seed, WarpRanges().elastic).std()) == pytest.approx(WarpRanges().elastic, rel=WITHIN)


def jacobian(warp):
    """Determinants of subject by view, positive where nothing folds, ``[x, y, z]``."""
    points = subject_points(warp).reshape(*warp.shape, 3)
    columns = torch.stack(torch.gradient(points, spacing=warp.spacing, dim=(0, 1, 2)), dim=-1)
    a, b, c = columns.unbind(dim=-1)
    determinants = (a * torch.linalg.cross(b, c)).sum(dim=-1)
    return determinants * torch.sign(torch.linalg.det(warp.matrix))


@pytest.mark.parametrize("edge", [32.0, 96.0])
def test_default_warps_never_fold(edge):
    least = min(float(jacobian(draw(seed, (16, 16, 16), edge / 16)).min()) for seed in range(200))
    assert least > 0
    assert edge < 96 or least > 0.4


def test_a_warp_far_too_strong_for_its_view_is_seen_to_fold():
    """The measure above can fail."""
    assert min(float(jacobian(draw(seed, (16, 16, 16), 2.0, elastic=3.0)).min()) for seed in range(5)) < 0


def test_the_caption_agrees_with_what_is_measured():
    for seed in range(25):
        strong = {"rotation": 25.0, "shear": 0.15, "elastic": 0.5 + 0.1 * seed}
        turned, _, flipped = polar(fitted(draw(seed, **strong | {"elastic": 0.0})))
        angle = math.degrees(math.acos((float(turned.trace()) - 1) / 2))
        shift = float(moved(seed, **strong).std())
        found = re.fullmatch(r"(flipped, )?turned (\d+)°, warped ([\d.]+) mm", draw(seed, **strong).describe())
        assert found
        assert (found[1] is not None) == flipped
        assert float(found[2]) == pytest.approx(angle, abs=0.51)
        assert float(found[3]) == pytest.approx(shift, abs=0.051, rel=WITHIN)


def peak(image):
    """Where a bright blob peaks, in voxels: the top of a cubic through the logarithms about its largest voxel."""
    top = torch.tensor([int(i) for i in torch.unravel_index(image.argmax(), image.shape)])
    reach = torch.arange(-2, 3)
    offsets = torch.stack(torch.meshgrid(reach, reach, reach, indexing="ij"), dim=-1).reshape(-1, 3)
    powers = torch.tensor([p for p in itertools.product(range(4), repeat=3) if sum(p) <= 3])
    logarithms = image[tuple((top + offsets).unbind(dim=1))].log()
    factors = torch.linalg.lstsq((offsets[:, None].double() ** powers).prod(dim=-1), logarithms[:, None]).solution[:, 0]

    def cubic(place):
        return (factors * (place**powers).prod(dim=-1)).sum()

    place = torch.full((3,), 1e-3, dtype=torch.float64)
    for _ in range(10):
        slope, curve = torch.func.grad(cubic)(place), torch.func.hessian(cubic)(place)
        place = place - torch.linalg.solve(curve, slope)
    return top + place


def read(points, place):
    """``points`` ``[x, y, z, 3]`` at a place between its voxels, and their derivatives, both linear."""
    low = place.floor().long().clamp(min=torch.tensor(0), max=torch.tensor(points.shape[:3]) - 2)
    share = place - low
    i, j, k = low.tolist()
    corner = points[i : i + 2, j : j + 2, k : k + 2].double()
    weights = [torch.stack([1 - s, s]) for s in share]
    signs = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    value = torch.einsum("abcn,a,b,c->n", corner, *weights)
    slopes = [
        torch.einsum("abcn,a,b,c->n", corner, *[signs if axis == a else weights[a] for a in range(3)])
        for axis in range(3)
    ]
    return value, torch.stack(slopes, dim=1)


def place_of(warp, landmark):
    """The place in the view, in voxels, whose subject coordinates are those of the landmark: Newton's steps."""
    points, place = warp.coordinates(), torch.tensor([(n - 1) / 2 for n in warp.shape], dtype=torch.float64)
    for _ in range(20):
        value, slope = read(points, place)
        place = place + torch.linalg.solve(slope, landmark - value)
    return place


@pytest.mark.parametrize("seed", range(6))
def test_a_landmark_lands_where_the_coordinates_say(seed):
    """On a grid so fine that reading between its voxels displaces nothing: it would by a 30th of their size."""
    fine, middle, shape = SPACING.double() / 3, torch.tensor([45.0, 40.0, 60.0]), (96, 80, 120)
    x, y, z = fine.tolist()
    warp = draw_warp(WarpRanges(), middle, (48, 48, 48), 2.0, (x, y, z), derive(seed))
    away = torch.tensor([4.3, -3.8, 3.6], dtype=torch.float64)
    landmark = middle + away / fine
    axes = [((torch.arange(n) - p) * s / 3.0) ** 2 for n, p, s in zip(shape, landmark, fine, strict=True)]
    blob = torch.exp(-0.5 * (axes[0][:, None, None] + axes[1][:, None] + axes[2]))
    view = sample(blob[None, None], whole(shape), warp.coordinates().double())[0, 0]
    found = peak(view)
    assert (found - place_of(warp, landmark)).norm() < 0.01
    assert (found - (23.5 + away / 2.0)).norm() > 0.1  # where it would lie unmoved
