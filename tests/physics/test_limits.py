"""Closed-form limits that hold whatever the formula looks like."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qontrast.physics.gradient_echo import GRE, SPGR, ernst_angle
from qontrast.physics.inversion_recovery import FLAIR, nulling_inversion_time
from qontrast.physics.presets import CSF_T1, PRESETS
from qontrast.physics.spin_echo import FSE
from qontrast.physics.tissue import TissueMaps


def one_tissue(t1: float, t2: float = 0.08) -> TissueMaps:
    def filled(value: float) -> torch.Tensor:
        return torch.full((1, 1, 1, 1, 1), value, dtype=torch.float64)

    return TissueMaps(pd=filled(1.0), r1=filled(1 / t1), r2=filled(1 / t2), r2star=filled(1 / t2))


@settings(max_examples=60, deadline=None)
@given(tr=st.floats(0.003, 2.0), t1=st.floats(0.2, 5.0), factor=st.floats(0.05, 4.0))
def test_no_flip_angle_beats_the_ernst_angle(tr, t1, factor):
    tissue, best = one_tissue(t1), ernst_angle(tr, t1)
    protocol = SPGR(echo_time=1e-9, repetition_time=tr, flip_angle=best)
    most = float(protocol.signal(tissue))
    other = float(replace(protocol, flip_angle=min(best * factor, math.pi)).signal(tissue))
    assert other <= most * (1 + 1e-12)
    e1 = math.exp(-tr / t1)
    assert most == pytest.approx(math.sqrt((1 - e1) / (1 + e1)), rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(t1=st.floats(0.25, 4.5), tr=st.floats(3.0, 14.0), train=st.floats(0.1, 0.5), efficiency=st.floats(0.9, 1.0))
def test_flair_nulls_the_tissue_it_was_solved_for(t1, tr, train, efficiency):
    ti = nulling_inversion_time(t1, tr, train, efficiency)
    assert 0 < ti < tr - train
    flair = FLAIR(0.09, tr, ti, train / 16, 16.0, inversion_efficiency=efficiency)
    assert abs(float(flair.signal(one_tissue(t1, t2=1.8)))) < 1e-9
    assert abs(float(flair.signal(one_tissue(0.6 * t1, t2=1.8)))) > 0.01


def test_the_flair_preset_nulls_fluid():
    assert abs(float(PRESETS["flair"].signal(one_tissue(CSF_T1, t2=1.8)))) < 1e-3


@pytest.mark.parametrize("name", ["mprage", "mp2rage", "gre", "spgr"])
def test_without_echo_time_a_gradient_echo_does_not_decay(name, brain):
    at_once = replace(PRESETS[name], echo_time=1e-9).signal(brain)
    undecayed = replace(brain, r2star=torch.full_like(brain.r1, 1e-9))
    torch.testing.assert_close(at_once, PRESETS[name].signal(undecayed), rtol=1e-6, atol=0)
    lost = PRESETS[name].signal(brain) / at_once
    expected = torch.exp(-PRESETS[name].echo_time * brain.r2star).expand_as(lost)
    torch.testing.assert_close(lost, expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", ["fse", "flair"])
def test_without_echo_time_a_spin_echo_does_not_decay(name, brain):
    full = replace(PRESETS[name], refocusing_flip=math.pi)
    at_once = replace(full, echo_time=full.echo_spacing).signal(brain)
    lost = full.signal(brain) / at_once
    decay = torch.exp(-(full.echo_time - full.echo_spacing) * brain.r2)
    torch.testing.assert_close(lost[:, :, :2], decay[:, :, :2], rtol=1e-6, atol=0)  # FLAIR has no fluid to decay


def test_a_rested_spin_echo_shows_all_of_the_proton_density(brain):
    signal = FSE(echo_time=1e-9, repetition_time=59.0, echo_spacing=1e-9, echo_train_length=1.0).signal(brain)
    torch.testing.assert_close(signal, brain.pd, rtol=1e-5, atol=0)


def test_a_rested_flair_is_a_plain_inversion_recovery(brain):
    flair = FLAIR(1e-9, 60.0, 0.7, 1e-9, 1.0, inversion_efficiency=1.0)
    expected = brain.pd * (1 - 2 * torch.exp(-0.7 * brain.r1))
    torch.testing.assert_close(flair.signal(brain), expected, rtol=0, atol=2e-6)


def test_a_rested_right_angle_shows_all_of_the_proton_density(brain):
    signal = GRE(echo_time=1e-9, repetition_time=59.0, flip_angle=math.pi / 2).signal(brain)
    torch.testing.assert_close(signal, brain.pd, rtol=1e-5, atol=0)


@pytest.mark.parametrize("name", ["gre", "spgr", "mprage"])
def test_a_tiny_flip_angle_gives_a_signal_in_proportion_to_it(name, brain):
    tiny = replace(PRESETS[name], flip_angle=1e-6).signal(brain)
    half = replace(PRESETS[name], flip_angle=5e-7).signal(brain)
    assert float(tiny.abs().max()) < 1e-6
    torch.testing.assert_close(tiny, 2 * half, rtol=1e-4, atol=0)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_where_nothing_is_transmitted_nothing_is_received(name, brain):
    dark = replace(brain, b1_transmit=torch.zeros_like(brain.pd))
    assert (PRESETS[name].signal(dark) == 0).all()


@pytest.mark.parametrize("name", ["gre", "spgr", "mprage"])
def test_the_transmit_field_scales_the_flip_angle(name, brain):
    stronger = replace(brain, b1_transmit=torch.full_like(brain.pd, 1.2))
    flipped = replace(PRESETS[name], flip_angle=1.2 * PRESETS[name].flip_angle)
    torch.testing.assert_close(PRESETS[name].signal(stronger), flipped.signal(brain))


@pytest.mark.parametrize("b1", [0.8, 1.2])
@pytest.mark.parametrize("name", ["fse", "flair"])
def test_a_wrong_transmit_field_costs_a_spin_echo_signal(name, b1, brain):
    """One echo: sin(b 90) of the magnetisation is tipped, and sin^2(b 90) of that refocused."""
    wrong = replace(brain, b1_transmit=torch.full_like(brain.pd, b1))
    once = replace(PRESETS[name], echo_time=0.02, echo_spacing=0.02, echo_train_length=1.0, refocusing_flip=math.pi)
    once = replace(once, repetition_time=50.0)  # recovered, whatever the pulses left
    expected = once.signal(brain) * math.sin(b1 * math.pi / 2) ** 3
    torch.testing.assert_close(once.signal(wrong), expected, rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_the_receive_field_multiplies_the_signal(name, brain):
    received = replace(brain, b1_receive=torch.full_like(brain.pd, 0.6))
    torch.testing.assert_close(PRESETS[name].signal(received), 0.6 * PRESETS[name].signal(brain))


def test_the_mt_pulse_darkens_white_matter_most(brain):
    plain = PRESETS["spgr"]
    kept = (replace(plain, mt_pulse=True).signal(brain) / plain.signal(brain)).flatten().tolist()
    white, grey, fluid = kept
    assert 0.3 < white < grey < fluid < 1


def test_the_uni_image_ignores_density_decay_and_receive_field(brain):
    mp2rage = PRESETS["mp2rage"]
    other = replace(brain, pd=0.3 * brain.pd, r2star=2 * brain.r2star, b1_receive=torch.full_like(brain.pd, 1.7))
    uni = mp2rage.image(mp2rage.signal(brain))
    torch.testing.assert_close(mp2rage.image(mp2rage.signal(other)), uni)
    assert float(uni.abs().max()) <= 0.5
