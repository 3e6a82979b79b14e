"""Grids and where their voxels lie in the world."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from qontrast.basics.grid import Grid

SHAPES = st.tuples(*[st.integers(1, 40)] * 3)
SIZES = st.tuples(*[st.floats(0.4, 6.0)] * 3)


def grid(shape, spacing, angles=(0.0, 0.0, 0.0), origin=(-10.0, 4.0, 33.0), mirrored=False):
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.diag(spacing)
    affine[:3, 0] *= -1 if mirrored else 1
    affine[:3, 3] = origin
    return Grid(shape, affine)


def world(of, index):
    return of.affine[:3, :3] @ np.asarray(index, dtype=float) + of.affine[:3, 3]


def centre(of):
    return world(of, (np.array(of.shape) - 1) / 2)


@settings(max_examples=80, deadline=None)
@given(
    shape=SHAPES, spacing=SIZES, wanted=st.floats(0.4, 6.0), angles=st.tuples(*[st.floats(-90, 90)] * 3),
    mirrored=st.booleans(),
)  # fmt: skip
def test_a_resampled_grid_keeps_its_centre_and_covers_the_box(shape, spacing, wanted, angles, mirrored):
    before = grid(shape, spacing, angles, mirrored=mirrored)
    after = before.resampled(wanted)
    assert after.spacing == pytest.approx((wanted,) * 3)
    assert centre(after) == pytest.approx(centre(before), abs=1e-6)
    for old, new, size in zip(before.shape, after.shape, spacing, strict=True):
        assert new * wanted >= old * size - 0.0101 * wanted
        assert new == 2 or (new - 1) * wanted < old * size  # not a whole voxel more than needed
    directions = [g.affine[:3, :3] / np.array(g.spacing) for g in (before, after)]
    assert directions[0] == pytest.approx(directions[1], abs=1e-9)


def test_resampling_to_its_own_spacing_changes_nothing():
    before = grid((24, 28, 22), (2.0, 2.0, 2.0), (10, 20, 30))
    assert before.resampled(2.0).matches(before)
    assert before.resampled(2.0).shape == before.shape


def test_an_affine_that_a_header_rounded_gives_no_voxel_more():
    before = grid((142, 178, 142), (1.0, 1.0, 1.0), (3, 2, -4))
    rounded = Grid(before.shape, before.affine.astype(np.float32) * (1 + 3e-8))
    assert rounded.resampled(1.0).shape == before.shape


def test_resampling_leaves_the_original_alone():
    before = grid((8, 8, 8), (1.0, 1.0, 1.0))
    copy = before.affine.copy()
    before.resampled(2.0)
    assert np.array_equal(before.affine, copy)


@settings(max_examples=30, deadline=None)
@given(shape=SHAPES, spacing=SIZES, angles=st.tuples(*[st.floats(-180, 180)] * 3))
def test_spacing_is_the_voxel_size_however_the_grid_is_turned(shape, spacing, angles):
    assert grid(shape, spacing, angles).spacing == pytest.approx(spacing)
    assert grid(shape, spacing, mirrored=True).spacing == pytest.approx(spacing)


def test_grids_match_within_a_micrometre_and_not_beyond():
    one = grid((4, 5, 6), (1.0, 1.0, 2.0))
    assert one.matches(grid((4, 5, 6), (1.0, 1.0, 2.0), origin=(-10.0005, 4.0, 33.0)))
    assert not one.matches(grid((4, 5, 6), (1.0, 1.0, 2.0), origin=(-10.01, 4.0, 33.0)))
    assert not one.matches(grid((4, 5, 7), (1.0, 1.0, 2.0)))
    assert not one.matches(grid((4, 5, 6), (1.0, 1.1, 2.0)))


def test_a_grid_speaks():
    assert str(grid((4, 5, 6), (1.0, 1.25, 2.0))) == "4 x 5 x 6 voxels of 1 x 1.25 x 2 mm"
