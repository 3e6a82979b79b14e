"""Where the voxels of a view lie in their subject."""

import math

import pytest
import torch

from qontrast.basics.randomness import derive
from qontrast.geometry.reading import Reading
from qontrast.geometry.warp import NOWHERE, Warp, WarpRanges, draw_warp, rotation, still

CENTRE = torch.tensor([30.0, 25.0, 20.0])
SPACING = (1.0, 1.2, 0.8)


def draw(seed=0, shape=(12, 12, 12), spacing=2.0, **ranges):
    return draw_warp(WarpRanges(**ranges), CENTRE, shape, spacing, SPACING, derive(seed))


def rigid(matrix, displacement=0.0):
    control = torch.full((3, 7, 7, 7), displacement)
    return Warp(CENTRE, matrix, control, (6, 6, 6), 2.0, torch.tensor(SPACING))


def in_millimetres(points):
    return (points - CENTRE) * torch.tensor(SPACING)


def jacobian(warp):
    """Determinant of subject millimetres by view millimetres, at the inner voxels."""
    points, step = in_millimetres(warp.coordinates()).double(), warp.spacing
    inner = slice(1, -1)
    columns = [
        (points[2:, inner, inner] - points[:-2, inner, inner]) / (2 * step),
        (points[inner, 2:, inner] - points[inner, :-2, inner]) / (2 * step),
        (points[inner, inner, 2:] - points[inner, inner, :-2]) / (2 * step),
    ]
    return torch.linalg.det(torch.stack(columns, dim=-1))


def test_a_still_view_is_the_grid_itself():
    centre = torch.tensor([2.0, 1.5, 3.0])
    points = still(centre, (5, 4, 7), 1.0, (1.0, 1.0, 1.0)).coordinates()
    index = torch.stack(torch.meshgrid(*(torch.arange(n) for n in (5, 4, 7)), indexing="ij"), dim=-1).float()
    torch.testing.assert_close(points, index)


def test_a_still_view_steps_by_its_spacing():
    points = still(CENTRE, (5, 4, 6), 2.0, SPACING).coordinates()
    torch.testing.assert_close(points.mean(dim=(0, 1, 2)), CENTRE)
    for axis in range(3):
        steps = points.diff(dim=axis).reshape(-1, 3)
        expected = torch.zeros(3)
        expected[axis] = 2.0 / SPACING[axis]
        torch.testing.assert_close(steps, expected.expand_as(steps), rtol=0, atol=1e-4)


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_oversampling_puts_its_points_around_each_voxel(factor):
    for warp, tolerance in ((still(CENTRE, (6, 5, 4), 2.0, SPACING), 1e-4), (draw(elastic=0.0), 1e-4)):
        fine = warp.coordinates(factor)
        assert fine.shape == (*(n * factor for n in warp.shape), 3)
        x, y, z = warp.shape
        grouped = fine.reshape(x, factor, y, factor, z, factor, 3).mean(dim=(1, 3, 5))
        torch.testing.assert_close(grouped, warp.coordinates(), rtol=0, atol=tolerance)


def test_oversampling_an_elastic_view_puts_its_points_around_each_voxel_too():
    warp = draw(shape=(16, 16, 16))
    grouped = warp.coordinates(2).reshape(16, 2, 16, 2, 16, 2, 3).mean(dim=(1, 3, 5))
    apart = ((grouped - warp.coordinates()) * torch.tensor(SPACING)).norm(dim=-1)
    assert float(apart.max()) < 0.03 * warp.spacing  # what the bend within a voxel makes


def test_a_rotation_turns_about_x_then_y_then_z():
    quarter = math.pi / 2
    x, y, z = torch.eye(3)
    torch.testing.assert_close(rotation([quarter, 0, 0]) @ y, z, rtol=0, atol=1e-6)
    torch.testing.assert_close(rotation([0, quarter, 0]) @ z, x, rtol=0, atol=1e-6)
    torch.testing.assert_close(rotation([0, 0, quarter]) @ x, y, rtol=0, atol=1e-6)
    torch.testing.assert_close(rotation([quarter, 0, quarter]) @ y, z, rtol=0, atol=1e-6)


def test_a_rotation_keeps_distances_and_handedness():
    turned = rotation([0.3, -0.7, 1.9])
    torch.testing.assert_close(turned @ turned.T, torch.eye(3), rtol=0, atol=1e-6)
    assert float(torch.linalg.det(turned)) == pytest.approx(1.0, abs=1e-6)
    points = in_millimetres(rigid(turned).coordinates()).reshape(-1, 3)
    at_rest = in_millimetres(rigid(torch.eye(3)).coordinates()).reshape(-1, 3)
    torch.testing.assert_close(torch.pdist(points), torch.pdist(at_rest), rtol=1e-4, atol=1e-3)


def test_an_even_displacement_moves_the_view_by_that_many_millimetres():
    moved = rigid(torch.eye(3), displacement=3.0).coordinates()
    apart = in_millimetres(moved) - in_millimetres(rigid(torch.eye(3)).coordinates())
    torch.testing.assert_close(apart, torch.full_like(apart, 3.0), rtol=0, atol=1e-4)


def test_the_strongest_default_warp_folds_nothing():
    for seed in range(40):
        warp = draw(seed, shape=(16, 16, 16))  # 32 mm: the smallest that the docstring promises
        sign = -1.0 if float(torch.linalg.det(warp.matrix)) < 0 else 1.0
        assert float((jacobian(warp) * sign).min()) > 0.1


def test_draws_stay_in_their_ranges():
    flips = 0
    for seed in range(200):
        matrix = draw(seed, shape=(1, 1, 1), rotation=10.0, scale=(0.8, 1.25), shear=0.0, elastic=0.0).matrix
        stretch = torch.linalg.svdvals(matrix)
        assert 0.8 - 1e-5 <= float(stretch.min()) <= float(stretch.max()) <= 1.25 + 1e-5
        flips += float(torch.linalg.det(matrix)) < 0
    assert 70 < flips < 130


def test_a_flip_mirrors_the_first_axis_only():
    none = {"rotation": 0.0, "scale": (1.0, 1.0), "shear": 0.0, "elastic": 0.0}
    torch.testing.assert_close(draw(flip=1.0, **none).matrix, torch.diag(torch.tensor([-1.0, 1.0, 1.0])))
    torch.testing.assert_close(draw(flip=0.0, **none).matrix, torch.eye(3))
    mirrored, plain = draw(flip=1.0, **none).coordinates(), draw(flip=0.0, **none).coordinates()
    torch.testing.assert_close(mirrored.flip(0), plain, rtol=0, atol=1e-4)


def test_the_largest_turn_is_the_stated_number_of_degrees():
    turns = []
    for seed in range(100):
        matrix = draw(seed, rotation=12.0, scale=(1.0, 1.0), shear=0.0, flip=0.0).matrix
        turns.append(math.degrees(math.acos(min(1.0, float((matrix.trace() - 1) / 2)))))
    assert 10 < max(turns) < 12 * math.sqrt(3) + 0.5


def test_the_seed_decides():
    assert torch.equal(draw(3).coordinates(), draw(3).coordinates())
    assert not torch.equal(draw(3).coordinates(), draw(4).coordinates())


def test_the_view_stays_about_its_centre():
    points = draw(elastic=0.0).coordinates()
    torch.testing.assert_close(points.mean(dim=(0, 1, 2)), CENTRE, rtol=0, atol=1e-4)


@pytest.mark.parametrize("mirror", [1.0, -1.0])
@pytest.mark.parametrize("degrees", [0, 7, 40, 120])
def test_the_caption_says_flip_and_turn(mirror, degrees):
    matrix = rotation([0, 0, math.radians(degrees)]) @ torch.diag(torch.tensor([1.1 * mirror, 0.9, 1.0]))
    described = rigid(matrix).describe()
    assert f"turned {degrees}°" in described
    assert described.startswith("flipped, ") == (mirror < 0)


def test_the_caption_says_how_far_the_warp_reaches():
    assert "warped 0.0 mm" in still(CENTRE, (4, 4, 4), 1.0, SPACING).describe()
    assert "warped 2.5 mm" in draw(elastic=2.5).describe()


def strong(elastic, edge, spacing, seed):
    ranges, generator = WarpRanges(elastic=elastic), derive(seed, "strong")
    return draw_warp(ranges, torch.tensor([90.0, 100.0, 90.0]), (edge,) * 3, spacing, (1.0, 1.0, 1.0), generator)


@pytest.mark.parametrize(("elastic", "edge", "spacing"), [(1.0, 32, 1.0), (1.5, 48, 1.0), (2.0, 48, 2.0)])
@pytest.mark.parametrize("seed", range(3))
def test_the_inverse_is_right_to_a_hundredth_of_a_voxel_however_strong_the_warp(elastic, edge, spacing, seed):
    warp = strong(elastic, edge, spacing, seed)
    voxels = torch.stack(torch.meshgrid(*[torch.arange(edge).float()] * 3, indexing="ij"), dim=-1)
    assert float((warp.inverse(warp.coordinates()) - voxels).norm(dim=-1).max()) < 0.01


@pytest.mark.parametrize(("elastic", "least"), [(3.0, 0.5), (1.5, 0.99)])
def test_of_a_warp_that_folds_every_place_found_leads_where_it_was_asked_to(elastic, least):
    warp = strong(elastic, 32, 1.0, 0)
    there = warp.coordinates()
    found = warp.inverse(there)
    known = (found > NOWHERE).all(dim=-1)
    assert float(known.float().mean()) > least
    inside = known & ((found >= 0) & (found <= 31)).all(dim=-1)
    led = Reading(found.clamp(0, 31), (32, 32, 32))(there.movedim(-1, 0)[None])[0].movedim(0, -1)
    assert float((led - there)[inside].abs().max()) < 0.01
    assert bool((found[~known] == NOWHERE).all())
