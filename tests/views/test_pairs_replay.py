"""A pair belongs to its seed, subject, step and turn, and to nothing else."""

import pytest
import torch

from qontrast.geometry.warp import WarpRanges
from qontrast.views.maker import PairMaker
from qontrast.views.pair import make_pair

IMAGES = ("a", "b", "clean_a", "clean_b")


def tensors(subject, plan, seed=5, step=2, turn=1):
    pair = make_pair(subject, plan, seed, step, turn)
    return {"a": pair.a.image, "b": pair.b.image, "clean_a": pair.a.clean, "clean_b": pair.b.clean}


@pytest.mark.parametrize("arm", ["base", "seqaug", "seqinv"])
def test_the_same_seed_step_and_slot_give_the_same_bits(subject, plan, arm):
    first = tensors(subject, plan(arm))
    torch.rand(7)
    tensors(subject, plan(arm), step=9)
    again = tensors(subject, plan(arm))
    assert all(torch.equal(first[name], again[name]) for name in IMAGES)


@pytest.mark.parametrize("arm", ["base", "seqaug", "seqinv"])
@pytest.mark.parametrize("other", [{"seed": 6}, {"step": 3}, {"turn": 0}])
def test_another_seed_step_or_slot_gives_another_pair(subject, plan, arm, other):
    first, second = tensors(subject, plan(arm)), tensors(subject, plan(arm), **other)
    assert not any(torch.equal(first[name], second[name]) for name in IMAGES)


def test_two_subjects_with_one_plan_are_moved_apart(heads, plan):
    one, other = (make_pair(head, plan(), 5, 2, 1) for head in heads)
    assert (one.subject, other.subject) == ("sub-01", "sub-02")
    assert not torch.equal(one.a.warp.matrix, other.a.warp.matrix)


@pytest.mark.parametrize(("crop", "spacing"), [(16, 3.0), (32, 2.0), (16, 5.0)])
def test_views_are_normalised_images_of_the_crops_size(subject, plan, crop, spacing):
    for image in tensors(subject, plan(crop=crop, spacing=spacing)).values():
        assert image.shape == (1, 1, crop, crop, crop)
        assert image.dtype == torch.float32
        assert float(image.mean()) == pytest.approx(0, abs=1e-4)
        assert float(image.std(correction=0)) == pytest.approx(1, abs=1e-4)


def test_the_global_random_state_is_left_alone(subject, plan):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    make_pair(subject, plan(geometry=WarpRanges(shared=False)), 0, 0)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_loader_gets_the_pair_without_its_batch_axis(heads, plan):
    example = PairMaker(heads, plan(), 5)(1, 2, 1)
    expected = tensors(heads[1], plan())
    assert example.keys() == set(IMAGES)
    assert all(torch.equal(example[name][None], expected[name]) for name in IMAGES)
