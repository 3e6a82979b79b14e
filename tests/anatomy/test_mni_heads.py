import itertools
import math

import numpy as np
import pytest
import torch

from qontrast.anatomy.label_table import BUILT_IN
from qontrast.anatomy.mni_heads import SCALES, _displacement, mni_head
from qontrast.basics.randomness import derive
from qontrast.geometry.sample import whole

LEFT_RIGHT = {2: 41, 3: 42, 4: 43, 7: 46, 8: 47, 10: 49, 12: 51}


@pytest.fixture(scope="module")
def heads():
    """Labels ``[x, y, z]`` of three heads as arrays, and their subjects."""
    subjects = [mni_head(index) for index in (1, 2, 3)]
    return [(s.labels(whole(s.grid.shape)).numpy(), s) for s in subjects]


def millilitres(labels, *wanted):
    return np.count_nonzero(np.isin(labels, wanted)) / 1000


def test_the_same_number_and_seed_give_the_same_head(heads):
    labels, subject = heads[0]
    again = mni_head(1)
    np.testing.assert_array_equal(again.labels(whole(again.grid.shape)).numpy(), labels)
    assert (again.name, again.region) == (subject.name, subject.region) == ("sub-mni001", subject.region)
    np.testing.assert_array_equal(again.grid.affine, subject.grid.affine)


def test_another_seed_gives_another_head(heads):
    labels, _ = heads[0]
    other = mni_head(1, seed=5)
    assert 0.3 < dice(np.isin(other.labels(whole(other.grid.shape)).numpy(), (2, 41)), np.isin(labels, (2, 41))) < 0.75


def dice(one, two):
    return 2 * np.count_nonzero(one & two) / (np.count_nonzero(one) + np.count_nonzero(two))


def test_two_heads_overlap_as_little_as_two_people_do(heads):
    # Real heads on one grid: 0.38 to 0.64.
    white = [np.isin(labels, (2, 41)) for labels, _ in heads]
    for one, two in itertools.combinations(white, 2):
        assert 0.3 < dice(one, two) < 0.75


def test_every_label_has_a_prior_and_every_structure_is_there(heads):
    for labels, _ in heads:
        present = set(np.unique(labels).tolist())
        assert present <= set(BUILT_IN.priors)
        assert present == {0, 16, 24, 507, 511, 515, 516, *LEFT_RIGHT, *LEFT_RIGHT.values()}


def test_structures_have_the_volumes_of_a_persons(heads):
    for labels, subject in heads:
        assert subject.grid.spacing == pytest.approx((1.0, 1.0, 1.0))
        assert 400 < millilitres(labels, 2, 41) < 750  # cerebral white matter
        assert 600 < millilitres(labels, 3, 42) < 1100  # cortex
        assert 80 < millilitres(labels, 7, 8, 46, 47) < 280  # cerebellum
        assert 15 < millilitres(labels, 16) < 60  # brain stem
        assert 10 < millilitres(labels, 4, 43) < 80  # ventricles
        assert 5 < millilitres(labels, 10, 49) < 30  # thalamus
        assert 3000 < millilitres(labels, *range(1, 1000)) < 5000  # head without face and neck


def test_left_and_right_are_alike_and_on_their_sides(heads):
    for labels, subject in heads:
        for left, right in LEFT_RIGHT.items():
            share = millilitres(labels, left) / millilitres(labels, left, right)
            assert 0.3 < share < 0.7, left
        for label, side in ((2, -1), (41, 1)):
            voxel = np.argwhere(labels == label).mean(axis=0)
            assert side * (subject.grid.affine @ [*voxel, 1])[0] > 10


def test_skull_and_scalp_enclose_the_brain_and_no_more_than_some_scalp_is_cut_off(heads):
    for labels, _ in heads:
        for axis, edge in itertools.product(range(3), (0, -1)):
            face = labels.take(edge, axis)
            assert set(np.unique(face)) <= {0, 507, 511}
            assert np.count_nonzero(face) < 0.15 * face.size
        brain = np.isin(labels, [*LEFT_RIGHT, *LEFT_RIGHT.values(), 16])
        grown = np.zeros_like(brain)
        for axis, step in itertools.product(range(3), (-1, 1)):
            grown |= np.roll(brain, step, axis)
        assert not np.isin(labels[grown], (0, 507, 511)).any()


def test_the_head_lies_in_mni_space_and_the_region_holds_the_brain(heads):
    for labels, subject in heads:
        cerebrum = np.argwhere(np.isin(labels, (2, 3, 41, 42)))
        centre = (subject.grid.affine @ [*cerebrum.mean(axis=0), 1])[:3]
        np.testing.assert_allclose(centre, (0, -18, 12), atol=15)
        for (low, high), first, last, size in zip(
            subject.region, cerebrum.min(0), cerebrum.max(0), labels.shape, strict=True
        ):
            assert 0 <= low <= first <= last < high <= size


def test_tissue_of_a_head_is_finite(heads):
    _, subject = heads[0]
    maps = subject.draw(torch.Generator().manual_seed(1)).block(((80, 112), (90, 122), (80, 112)), 3.0)
    assert all(bool(torch.isfinite(m).all()) for m in maps.present().values())
    assert float(maps.r1.min()) > 0


def test_heads_are_deformed_by_as_many_millimetres_as_their_scales_say():
    """The root of the mean square over many heads, of which each scale contributes its own."""
    power = [_displacement((96, 96, 96), derive(seed, "strength")).square().mean() for seed in range(80)]
    asked = math.hypot(*(strength for _, strength in SCALES))
    assert float(torch.stack(power).mean().sqrt()) == pytest.approx(asked, rel=0.05)
