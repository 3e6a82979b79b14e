"""A segmented brain has no holes, and no specks of skull beside it."""

import pytest
import torch

from qontrast.tasks.brain import solid


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


@pytest.mark.parametrize("bridge", [0, 1, 2])
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


def test_no_brain_is_left_as_it_is():
    nothing = torch.zeros(6, 6, 6, dtype=torch.bool)
    assert torch.equal(made_solid(nothing), probabilities(nothing))


def test_reach_is_in_mm():
    brain = cube(4, 16)
    brain[16:23, 9, 9] = True  # a thread, beneath which the core comes up to the surface
    assert int(brain_of(made_solid(brain))[16:, 9, 9].sum()) == 2
    assert int(brain_of(made_solid(brain, spacing=0.5))[16:, 9, 9].sum()) == 4
