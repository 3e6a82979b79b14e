"""A plan of views refuses what could not be made, with what to write instead."""

import pytest

from qontrast.basics.errors import PlanError
from qontrast.physics.catalogue import SEQUENCES
from qontrast.views.plan import ViewPlan


@pytest.mark.parametrize("crop", [16, 32, 48, 96, 160])
def test_multiples_of_16_are_crops(crop):
    assert ViewPlan(crop=crop).crop == crop


@pytest.mark.parametrize(("crop", "near"), [(47, 48), (50, 48), (100, 96), (8, 16), (0, 16), (-16, 16), (17, 16)])
def test_other_crops_are_refused_with_the_nearest(crop, near):
    with pytest.raises(PlanError, match=rf"views\.crop: found {crop} voxels; .*The nearest is {near}\."):
        ViewPlan(crop=crop)


# A plan from a file may hold any text, but the checks of types while testing would refuse it before the plan does.
def changed(**values):
    plan = ViewPlan()
    for name, value in values.items():
        object.__setattr__(plan, name, value)
    ViewPlan.__post_init__(plan)


@pytest.mark.parametrize(("arm", "near"), [("seqinvar", "seqinv"), ("Base", "base"), ("seq-aug", "seqaug")])
def test_an_unknown_arm_is_refused_with_the_nearest(arm, near):
    with pytest.raises(PlanError, match=rf"views\.arm: found '{arm}'; .* Did you mean '{near}'\?"):
        changed(arm=arm)


def test_an_arm_like_no_other_is_refused_with_all_of_them():
    with pytest.raises(PlanError, match="Known: base, seqaug, seqinv"):
        changed(arm="xxx")


@pytest.mark.parametrize(("name", "near"), [("mp-rage", "mprage"), ("flare", "flair"), ("FSE", "mprage")])
def test_an_unknown_sequence_is_refused(name, near):
    with pytest.raises(PlanError, match=rf"views\.sequences: found '{name}'; wanted known sequences") as caught:
        ViewPlan(sequences=("fse", name))
    assert near in str(caught.value)


def test_no_sequence_at_all_is_refused():
    with pytest.raises(PlanError, match="found no sequence"):
        ViewPlan(sequences=())


@pytest.mark.parametrize("spacing", [0.0, -1.0, 0.1, 11.0, 1000.0, float("nan"), float("inf")])
def test_spacings_that_are_no_millimetres_are_refused(spacing):
    with pytest.raises(PlanError, match=r"views\.spacing.*millimetres"):
        ViewPlan(spacing=spacing)


def test_the_default_is_the_method_seqinv_with_every_sequence():
    plan = ViewPlan()
    assert (plan.arm, plan.sequences) == ("seqinv", tuple(SEQUENCES))
    assert plan.geometry.shared
