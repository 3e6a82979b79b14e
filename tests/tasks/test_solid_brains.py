"""A segmented brain has no holes, no specks of skull beside it, and one cerebellum."""

import pytest
import torch

from qontrast.anatomy.classes import class_names
from qontrast.tasks.brain import box_of, in_place, solid, taken_away


def probabilities(brain):
    """Three classes: background, and two tissues of which the second is likelier, everywhere."""
    found = torch.empty(3, *brain.shape)
    found[0] = torch.where(brain, 0.2, 0.9)
    found[1], found[2] = 0.3 * (1 - found[0]), 0.7 * (1 - found[0])
    return found


def cube(low, high, edge=24):
    brain = torch.zeros(edge, edge, edge, dtype=torch.bool)
    brain[low:high, low:high, low:high] = True
    return brain


def brain_of(found):
    return found[0] < 0.5


def made_solid(brain, spacing=1.0):
    found = solid(probabilities(brain), brain, spacing)
    torch.testing.assert_close(found.sum(dim=0), torch.ones(brain.shape))
    return found


def test_a_brain_without_fault_is_left_alone():
    brain = cube(4, 16)
    assert torch.equal(made_solid(brain), probabilities(brain))


def test_holes_are_filled_by_the_likeliest_tissue():
    brain = cube(4, 16)
    brain[8:11, 8:11, 8:11] = False
    found = made_solid(brain)
    assert torch.equal(brain_of(found), cube(4, 16))
    torch.testing.assert_close(found[:, 9, 9, 9], torch.tensor([0.0, 0.3, 0.7]))
    assert torch.equal(found[:, brain], probabilities(brain)[:, brain])


def test_a_hole_is_filled_where_no_tissue_is_likely_at_all():
    brain = cube(4, 16)
    brain[9, 9, 9] = False
    found = probabilities(brain)
    found[:, 9, 9, 9] = torch.tensor([1.0, 0.0, 0.0])
    found = solid(found, brain, 1.0)
    assert float(found[0, 9, 9, 9]) == 0
    assert float(found[:, 9, 9, 9].sum()) == pytest.approx(1)


def test_what_opens_at_the_end_of_a_scan_is_no_hole():
    brain = torch.ones(12, 12, 12, dtype=torch.bool)
    brain[5:7, 5:7, :6] = False
    assert torch.equal(brain_of(made_solid(brain)), brain)


@pytest.mark.parametrize("bridge", [0, 1, 4])
def test_a_piece_of_skull_goes_even_if_it_hangs_by_a_thread(bridge):
    brain = cube(4, 16)
    wanted = brain.clone()
    brain[19:22, 5:14, 5:14] = True  # large enough to have voxels within
    brain[16:19, 8 : 8 + bridge, 8 : 8 + bridge] = True
    found = brain_of(made_solid(brain))
    assert not found[19:].any()
    assert torch.equal(found[:16], wanted[:16])


def test_a_layer_upon_the_brain_stays():
    brain = cube(4, 16)
    brain[16, 4:16, 4:16] = True
    assert torch.equal(brain_of(made_solid(brain)), brain)


def test_pieces_of_like_size_stay():
    brain = cube(2, 10) | cube(13, 21)
    assert torch.equal(brain_of(made_solid(brain)), brain)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_brain_of_one_slice_stays(axis):
    brain = torch.ones(9, 9, 9, dtype=torch.bool).narrow(axis, 0, 1)
    assert torch.equal(brain_of(made_solid(brain)), brain)
    thin = torch.zeros(9, 9, 9, dtype=torch.bool)
    thin.narrow(axis, 4, 1).narrow((axis + 1) % 3, 2, 5).fill_(True)
    assert torch.equal(brain_of(made_solid(thin)), thin)


@pytest.mark.parametrize(("spacing", "left"), [(0.5, 2), (1.0, 1), (3.0, 0)])
def test_reach_is_in_mm(spacing, left):
    brain = cube(4, 16)
    brain[16:24, 9, 9] = True  # a thread
    found = brain_of(made_solid(brain, spacing))
    assert int(found[16:, 9, 9].sum()) == left
    assert torch.equal(found[:16], cube(4, 16)[:16])


@pytest.mark.parametrize("end", [0, 20])
def test_a_brains_box_has_one_voxel_around_it_within_the_scan(end):
    brain = torch.zeros(20, 20, 20, dtype=torch.bool)
    brain[5:9, 0:3, 12 : 18 + end] = True
    assert box_of(brain) == ((4, 10), (0, 4), (11, 19 if end == 0 else 20))
    assert box_of(torch.zeros_like(brain)) is None


STRUCTURES = class_names("structures")
PARTS = ("grey", "cerebellar grey", "cerebellar white")
GREY, GREY_BELOW, WHITE_BELOW = (STRUCTURES.index(f"{part} matter") for part in PARTS)


def cerebrum_and_cerebellum(astray):
    """Grey matter, with a cerebellum in one corner and what looks like one in another."""
    found = torch.full((len(STRUCTURES), 30, 30, 30), 0.01)
    found[GREY] = 0.6
    found[GREY_BELOW] = 0.3
    found[GREY_BELOW, 2:12, 2:12, 2:12] = 5.0
    found[WHITE_BELOW, 5:9, 5:9, 5:9] = 9.0
    found[GREY_BELOW, astray, 20:25, 20:25] = 5.0
    return found / found.sum(dim=0)


@pytest.mark.parametrize(("spacing", "reach"), [(1.0, 5), (2.5, 2)])
def test_a_cerebellum_in_the_frontal_lobe_is_cortex(spacing, reach):
    found = cerebrum_and_cerebellum(slice(20, 25))
    before = found.clone()
    in_place(found, STRUCTURES, spacing)
    near = slice(0, 12 + reach)
    torch.testing.assert_close(found.sum(dim=0), torch.ones(30, 30, 30))
    assert torch.equal(found[:, near, near, near], before[:, near, near, near])
    assert (found.argmax(dim=0)[20:25, 20:25, 20:25] == GREY).all()
    assert not found[GREY_BELOW, 12 + reach :].any()


def test_both_halves_of_a_cerebellum_stay():
    found = cerebrum_and_cerebellum(slice(20, 28))
    before = found.clone()
    found[GREY_BELOW, 16:28, 16:28, 16:28] = before[GREY_BELOW, 16:28, 16:28, 16:28] = 50.0
    found /= found.sum(dim=0)
    assert (in_place(found, STRUCTURES, 1.0).argmax(dim=0)[18:26, 18:26, 18:26] == GREY_BELOW).all()


def test_tissues_have_no_place():
    found = torch.rand(4, 8, 8, 8)
    assert torch.equal(in_place(found.clone(), class_names("tissues"), 1.0), found)


def stripped(brain, outside=0.0):
    image = torch.full(brain.shape, outside)
    image[brain] = 1.0 + torch.rand(int(brain.sum()), generator=torch.Generator().manual_seed(0))
    return image


@pytest.mark.parametrize("outside", [0.0, -1.3])
def test_what_was_emptied_with_the_skull_is_no_brain(outside):
    brain, found = cube(6, 18), cube(5, 19)  # found: fluid upon the brain, where the scan is empty
    away = taken_away(stripped(brain, outside), found, 1.0)
    assert away is not None
    assert torch.equal(~away, brain)


def test_a_sulcus_as_empty_as_the_surroundings_stays():
    brain = cube(6, 18)
    sulcus = torch.zeros_like(brain)
    sulcus[10:13, 6:18, 14:18] = True
    away = taken_away(stripped(brain & ~sulcus), brain, 1.0)
    assert away is not None
    assert not away[sulcus & cube(8, 16)].any()
    assert away[~brain].all()


def test_a_ventricle_as_empty_as_the_surroundings_stays():
    brain = cube(4, 20)
    hollow = cube(9, 15)
    away = taken_away(stripped(brain & ~hollow), brain, 1.0)
    assert away is not None
    assert torch.equal(~away, brain)


def test_nothing_was_emptied_around_a_head():
    head = cube(3, 21)
    assert taken_away(stripped(head), cube(6, 18), 1.0) is None
