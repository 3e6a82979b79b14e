"""Tissue in another static field."""

import math
from dataclasses import replace

import pytest
import torch

from qontrast.basics.errors import InputError
from qontrast.physics.field import at_field, estimate_r2

FIELDS = (0.064, 0.55, 1.5, 3.0, 7.0)


def test_the_same_field_changes_nothing(brain):
    assert at_field(brain, 3.0) is brain


def test_t1_of_tissue_grows_with_field(brain):
    t1 = torch.stack([1 / at_field(brain, f).r1.flatten()[:2] for f in FIELDS])
    assert (t1[1:] > t1[:-1]).all()


def test_t1_grows_by_the_power_that_rooney_found(brain):
    for low, high in ((1.5, 3.0), (3.0, 7.0), (1.5, 7.0)):
        times = [1 / at_field(brain, f).r1.flatten()[:2] for f in (low, high)]
        power = (times[1] / times[0]).log() / math.log(high / low)
        assert power.tolist() == pytest.approx([0.380, 0.376], abs=0.012)  # white, grey; Rooney et al. 2007


def test_fluid_keeps_its_t1(brain):
    for field in FIELDS:
        assert float(at_field(brain, field).r1.flatten()[2]) == pytest.approx(1 / 4.3, rel=0.03)


def test_tissues_keep_their_order(brain):
    for field in FIELDS:
        white, grey, fluid = at_field(brain, field).r1.flatten().tolist()
        assert white > grey > fluid


def test_only_the_part_of_r2star_beyond_r2_is_proportional_to_field(brain):
    strong = at_field(brain, 7.0)
    assert strong.field_strength == 7.0
    torch.testing.assert_close(strong.r2star - strong.r2, (brain.r2star - brain.r2) * 7 / 3)
    torch.testing.assert_close(strong.pd, brain.pd)
    torch.testing.assert_close(strong.mt, brain.mt)


def test_r2star_grows_with_field_where_r2_is_unknown(brain):
    unknown = replace(brain, r2=None)
    strong, weak = at_field(unknown, 7.0), at_field(unknown, 1.5)
    assert strong.r2 is None
    assert (strong.r2star > unknown.r2star).all()
    assert (weak.r2star < unknown.r2star).all()
    assert (weak.r2star > estimate_r2(unknown.r2star)).all()


def test_there_and_back_is_nearly_where_one_started(brain):
    back = at_field(at_field(brain, 7.0), 3.0)
    torch.testing.assert_close(back.r2star, brain.r2star, rtol=0.02, atol=0)
    torch.testing.assert_close(back.r2, brain.r2, rtol=0.02, atol=0)
    torch.testing.assert_close(back.r1, brain.r1, rtol=0.02, atol=0)


@pytest.mark.parametrize(
    ("field", "white", "grey"), [(0.064, 0.275, 0.327), (0.55, 0.493, 0.717), (1.5, 0.646, 1.197), (7.0, 1.126, 1.939)]
)
def test_t1_is_near_what_was_measured_at_other_fields(field, white, grey, brain):
    """O'Reilly and Webb 2022; Campbell-Washburn et al. 2019 (doi:10.1148/radiol.2019190452); Wright et al. 2008."""
    t1 = 1 / at_field(brain, field).r1.flatten()
    assert float(t1[0]) == pytest.approx(white, rel=0.10)
    assert float(t1[1]) == pytest.approx(grey, rel=0.13)


def test_r2_of_tissue_grows_linearly_with_field_and_that_of_fluid_stays(brain):
    r2 = torch.stack([at_field(brain, f).r2.flatten() for f in FIELDS])
    factor = (r2 / brain.r2.flatten())[:, 0].tolist()
    assert factor == pytest.approx([0.65 + 0.117 * f for f in FIELDS], rel=2e-3)
    assert (r2[:, 2] / brain.r2.flatten()[2]).tolist() == pytest.approx([1.0] * 5, abs=0.02)


def test_missing_maps_stay_missing(brain):
    moved = at_field(replace(brain, r2=None, r2star=None, mt=None), 1.5)
    assert sorted(moved.present()) == ["pd", "r1"]


@pytest.mark.parametrize("field", [0.0, -3.0, 0.01, 64.0, 3000.0, float("nan")])
def test_a_field_that_no_magnet_has_is_refused(field, brain):
    with pytest.raises(InputError, match=r"field strength: found .* T; wanted 0\.05 to 11\.7 T"):
        at_field(brain, field)
