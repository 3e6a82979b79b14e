"""The ranges of the method's published code, for the comparison with ours."""

import math
from dataclasses import replace

import pytest

from qontrast.basics.errors import InputError, PlanError
from qontrast.basics.randomness import derive
from qontrast.physics.inversion_recovery import nulling_inversion_time
from qontrast.physics.published import PUBLISHED, draw_published
from qontrast.views.plan import ViewPlan

RANGES = {
    "mprage": {
        "echo_time": (2e-3, 4e-3),
        "repetition_time": (1.9, 2.5),
        "inversion_time": (0.6, 1.2),
        "flip_angle": (math.radians(5), math.radians(12)),
        "excitations": (100, 200),
        "inversion_efficiency": (0.8, 1.0),
    },
    "spgr": {
        "echo_time": (2e-3, 80e-3),
        "repetition_time": (5e-3, 0.8),
        "flip_angle": (math.radians(5), math.radians(50)),
    },
    "gre": {"echo_time": (2e-3, 80e-3), "repetition_time": (5e-3, 5.0)},
    "fse": {"echo_time": (20e-3, 150e-3), "repetition_time": (2.0, 8.0)},
    "flair": {"repetition_time": (1e-3, 5.0), "inversion_time": (1e-3, 3.0)},
}


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_each_draw_could_run_and_comes_again_from_the_same_seed(name):
    drawn = [draw_published(name, 1.5, derive(seed, name)) for seed in range(50)]
    assert [draw_published(name, 1.5, derive(seed, name)) for seed in range(50)] == drawn
    assert len({repr(p) for p in drawn}) == 50
    for protocol in drawn:
        assert replace(protocol) == protocol  # runs the protocol's own checks again
        assert protocol.echo_time < protocol.repetition_time
        assert protocol.field_strength == 1.5


@pytest.mark.parametrize("name", sorted(RANGES))
def test_draws_lie_in_the_published_range_and_fill_it(name):
    generator = derive(0, name)
    drawn = [draw_published(name, 3.0, generator) for _ in range(400)]
    for number, (low, high) in RANGES[name].items():
        values = [getattr(p, number) for p in drawn]
        assert low <= min(values)
        assert max(values) <= high
        assert math.log(max(values) / min(values)) > 0.5 * math.log(high / low)


def test_flairs_of_the_published_ranges_seldom_suppress_fluid():
    generator, suppressed = derive(0, "flair"), 0
    for _ in range(200):
        flair = draw_published("flair", 3.0, generator)
        null = nulling_inversion_time(4.3, flair.repetition_time, flair.train_duration, flair.inversion_efficiency)
        suppressed += abs(flair.inversion_time / null - 1) < 0.12
    assert suppressed < 10


def test_mprages_have_the_spacing_that_follows_their_echo():
    drawn = [draw_published("mprage", 3.0, derive(n)) for n in range(20)]
    assert all(p.echo_spacing == pytest.approx(2 * p.echo_time) for p in drawn)


def test_mp2rages_that_can_run_are_short_of_the_ranges_they_were_drawn_from():
    drawn = [draw_published("mp2rage", 3.0, derive(n, "mp2rage")) for n in range(100)]
    spacing = sorted(p.echo_spacing for p in drawn)[50]
    assert 2e-3 < spacing < 4.5e-3
    assert all(0.6 <= p.inversion_times[0] <= 0.9 for p in drawn)
    assert all(math.radians(3) <= angle <= math.radians(6) for p in drawn for angle in p.flip_angles)


def test_an_mt_pulse_needs_a_map():
    assert draw_published("spgr", 3.0, derive(0)).mt_pulse
    assert not draw_published("spgr", 3.0, derive(0), mt_known=False).mt_pulse


def test_other_sequences_are_refused():
    with pytest.raises(InputError, match="flair"):
        draw_published("flairs", 3.0, derive(0))
    with pytest.raises(PlanError, match="bssfp"):
        ViewPlan(ranges="published", sequences=("bssfp", "dir"))
