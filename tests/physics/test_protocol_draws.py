"""Drawn protocols run on a scanner, each of them, and come again from the same seed."""

import math
from dataclasses import replace

import pytest

from qontrast.basics.errors import InputError
from qontrast.basics.randomness import derive
from qontrast.physics.field import T1_EXPONENT
from qontrast.physics.inversion_recovery import nulling_inversion_time
from qontrast.physics.presets import CSF_T1, PRESETS
from qontrast.physics.protocols import draw_protocol, preset

NAMES = sorted(PRESETS)


def draws(name, count=200, seed=0):
    generator = derive(seed, name)
    return [draw_protocol(name, 3.0, generator) for _ in range(count)]


@pytest.mark.parametrize("name", NAMES)
def test_two_hundred_draws_could_all_run(name):
    for protocol in draws(name):
        assert type(protocol) is type(PRESETS[name])
        assert replace(protocol) == protocol  # runs the protocol's own checks again
        assert protocol.echo_time < protocol.repetition_time
        if hasattr(protocol, "train_duration"):
            assert protocol.echo_time <= protocol.train_duration * (1 + 1e-9)
            assert protocol.echo_time / protocol.echo_spacing == pytest.approx(
                round(protocol.echo_time / protocol.echo_spacing)
            )
        if hasattr(protocol, "inversion_time") and hasattr(protocol, "train_duration"):
            assert protocol.inversion_time + protocol.train_duration <= protocol.repetition_time


@pytest.mark.parametrize("name", NAMES)
def test_the_same_generator_draws_the_same_and_another_seed_something_else(name):
    assert draws(name, 5) == draws(name, 5)
    ours = draws(name, 5)
    assert all(a != b for a, b in zip(ours, draws(name, 5, seed=1), strict=True))
    assert len({repr(p) for p in ours}) == 5


@pytest.mark.parametrize("name", NAMES)
def test_draws_surround_the_clinical_protocol(name):
    clinical, drawn = PRESETS[name], draws(name)
    for number in ("echo_time", "repetition_time"):
        values = [getattr(p, number) for p in drawn]
        assert min(values) < getattr(clinical, number) < max(values)


def test_drawn_flairs_suppress_fluid():
    for flair in draws("flair"):
        null = nulling_inversion_time(CSF_T1, flair.repetition_time, flair.train_duration, flair.inversion_efficiency)
        assert flair.inversion_time == pytest.approx(null, rel=0.12)


def test_drawn_flip_angles_are_those_of_gradient_echoes():
    for name in ("gre", "spgr", "mprage"):
        assert all(math.radians(1) < p.flip_angle <= math.radians(80) for p in draws(name))


def test_an_mt_pulse_comes_now_and_then_unless_there_is_no_map_for_it():
    assert 0.15 < sum(p.mt_pulse for p in draws("spgr")) / 200 < 0.45
    generator = derive(0, "spgr")
    without = [draw_protocol("spgr", 3.0, generator, mt_known=False) for _ in range(200)]
    assert not any(p.mt_pulse for p in without)
    assert [replace(p, mt_pulse=False) for p in draws("spgr")] == without


@pytest.mark.parametrize("name", NAMES)
def test_the_field_is_recorded(name):
    at_3, at_7 = draw_protocol(name, 3.0, derive(4)), draw_protocol(name, 7.0, derive(4))
    assert at_7.field_strength == 7.0
    assert at_3.field_strength == 3.0
    assert at_3.echo_time >= at_7.echo_time  # FLAIR follows T2
    assert preset(name, 1.5) == replace(PRESETS[name], field_strength=1.5)
    assert preset(name) == PRESETS[name]


def test_a_preset_can_be_changed():
    assert preset("fse", echo_time=0.08).echo_time == 0.08
    assert preset("fse", echo_time=0.08).repetition_time == PRESETS["fse"].repetition_time


def test_unknown_names_are_refused_with_the_nearest_known_one():
    with pytest.raises(InputError, match="Did you mean 'mprage'"):
        draw_protocol("mp-rage", 3.0, derive(0))
    with pytest.raises(InputError, match="Did you mean 'flair'"):
        preset("flare")
    with pytest.raises(InputError, match="Did you mean 'echo_time'"):
        preset("fse", echotime=0.08)


@pytest.mark.parametrize("field", [0.05, 0.064, 0.55, 1.5, 7.0, 11.7])
def test_inversions_follow_what_they_null_to_every_field(field):
    generator = derive(8, str(field))
    for _ in range(40):
        stir, dir_ = (draw_protocol(name, field, generator) for name in ("stir", "dir"))
        fat = 0.37 * (field / 3.0) ** T1_EXPONENT
        null = nulling_inversion_time(fat, stir.repetition_time, stir.train_duration, stir.inversion_efficiency)
        assert stir.inversion_time == pytest.approx(null, rel=0.25)
        long, short = dir_.inversion_times
        assert 0 < short < long < dir_.repetition_time - dir_.train_duration
