"""Base, seqaug and seqinv differ in the contrasts of a pair and in nothing else."""

import pytest
import torch

from qontrast.basics.randomness import derive
from qontrast.geometry.warp import WarpRanges
from qontrast.physics.presets import BASE, PRESETS
from qontrast.physics.published import PUBLISHED
from qontrast.views.contrast import describe, draw_contrasts
from qontrast.views.pair import make_pair
from qontrast.views.plan import ViewPlan

STEPS = 10
ARMS = ("base", "seqaug", "seqinv")
every_arm = pytest.mark.parametrize("arm", ARMS)


def same_warp(one, other):
    return all(torch.equal(getattr(one, n), getattr(other, n)) for n in ("centre", "matrix", "displacement"))


def pairs(subject, plan, steps=STEPS):
    return [make_pair(subject, plan, seed=3, step=step) for step in range(steps)]


def test_base_is_the_mprage_preset_in_both_views_of_every_step(subject, plan):
    assert BASE == "mprage"
    for pair in pairs(subject, plan("base")):
        assert pair.a.sequence == pair.b.sequence == PRESETS["mprage"]


def test_seqaug_has_one_contrast_for_both_views_and_another_at_each_step(subject, plan):
    made = pairs(subject, plan("seqaug"))
    assert all(pair.a.sequence == pair.b.sequence for pair in made)
    assert all(torch.equal(pair.a.clean, pair.b.clean) for pair in made)
    drawn = [pair.a.sequence for pair in made]
    assert all(one != other for i, one in enumerate(drawn) for other in drawn[:i])
    assert len({sequence.name for sequence in drawn}) > 2


def test_seqinv_has_another_contrast_in_each_view(subject, plan):
    made = pairs(subject, plan("seqinv"))
    assert all(pair.a.sequence != pair.b.sequence for pair in made)
    assert not any(torch.equal(pair.a.clean, pair.b.clean) for pair in made)
    assert any(pair.a.sequence.name != pair.b.sequence.name for pair in made)


def test_seqinv_draws_two_protocols_of_a_single_sequence(measured, plan):
    for pair in pairs(measured, plan("seqinv", sequences=("flair",), fields=(3.0,)), steps=5):
        assert pair.a.sequence.name == pair.b.sequence.name == "flair"
        assert pair.a.sequence != pair.b.sequence


@pytest.mark.parametrize("shared", [True, False])
def test_geometry_and_artefacts_are_the_same_in_all_arms(subject, plan, shared):
    geometry = WarpRanges(shared=shared)
    for step in range(4):
        base, *others = (make_pair(subject, plan(arm, geometry=geometry), 3, step) for arm in ARMS)
        for other in others:
            for view in ("a", "b"):
                one, two = getattr(base, view), getattr(other, view)
                assert same_warp(one.warp, two.warp)
                # Each sequence suffers in its own way, but what all suffer from is the same.
                assert one.spoiling.noise.seed == two.spoiling.noise.seed
                assert torch.equal(one.spoiling.bias.log_gain, two.spoiling.bias.log_gain)
                assert one.spoiling.erasure == two.spoiling.erasure
                if (
                    one.sequence.name == two.sequence.name
                    and one.sequence.field_strength == two.sequence.field_strength
                ):
                    assert one.spoiling.motion == two.spoiling.motion
                    assert one.spoiling.encoding == two.spoiling.encoding


def test_the_first_view_of_seqaug_and_seqinv_is_one_image(subject, plan):
    for step in range(3):
        one, other = (make_pair(subject, plan(arm), 3, step) for arm in ("seqaug", "seqinv"))
        assert one.a.sequence == other.a.sequence
        assert torch.equal(one.a.image, other.a.image)


@every_arm
def test_the_two_views_share_their_place_unless_told_otherwise(subject, plan, arm):
    shared = make_pair(subject, plan(arm), 3, 0)
    apart = make_pair(subject, plan(arm, geometry=WarpRanges(shared=False)), 3, 0)
    assert same_warp(shared.a.warp, shared.b.warp)
    assert not same_warp(apart.a.warp, apart.b.warp)
    assert torch.equal(apart.a.warp.centre, apart.b.warp.centre)


@every_arm
def test_the_two_views_never_share_their_artefacts(subject, plan, arm):
    for pair in pairs(subject, plan(arm), steps=5):
        one, other = pair.a.spoiling, pair.b.spoiling
        assert one.noise.seed != other.noise.seed
        assert one.noise.snr != other.noise.snr
        assert not torch.equal(one.bias.log_gain, other.bias.log_gain)
        assert not torch.equal(pair.a.image, pair.b.image)
        assert not torch.equal(pair.a.image, pair.a.clean)


@every_arm
def test_a_view_says_what_was_drawn_for_it(measured, plan, arm):
    pair = make_pair(measured, plan(arm), 3, 0)
    for view in (pair.a, pair.b):
        said = view.describe()
        assert said.startswith(describe(view.sequence))
        assert f"{view.sequence.field_strength:g} T" in said
        assert f"SNR {view.spoiling.noise.snr:.0f}" in said
    assert "MPRAGE 3 T, TR 2300, TE 2.98, TI 900 ms" in make_pair(measured, plan("base"), 3, 0).a.describe()


def test_views_are_of_the_sequences_that_the_method_has(head):
    plan = ViewPlan(ranges="published")
    drawn = [draw_contrasts(plan, head, derive(0, n)) for n in range(60)]
    assert {one.name for pair in drawn for one in pair} == set(PUBLISHED)
