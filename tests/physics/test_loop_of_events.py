"""The closed forms against a scanner in a Python loop: one event after the other until nothing changes any more."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from qontrast.basics.randomness import derive
from qontrast.physics.presets import PRESETS
from qontrast.physics.protocols import draw_protocol

REPETITIONS = 40


class Spins:
    """Longitudinal magnetisation of a few tissues, driven by hand."""

    def __init__(self, tissue):
        self.r1 = tissue.r1.flatten().numpy()
        self.b1 = np.ones_like(self.r1) if tissue.b1_transmit is None else tissue.b1_transmit.flatten().numpy()
        self.mz = np.ones_like(self.r1)

    def wait(self, time):
        self.mz = 1.0 + (self.mz - 1.0) * np.exp(-time * self.r1)

    def invert(self, efficiency):
        self.mz = -efficiency * self.mz

    def excite(self, flip_angle):
        """Tip, give the transverse part back, and spoil it."""
        transverse = self.mz * np.sin(flip_angle * self.b1)
        self.mz = self.mz * np.cos(flip_angle * self.b1)
        return transverse

    def train(self, flip_angle, count, spacing):
        """A readout train; gives the transverse magnetisation at its centre."""
        for pulse in range(count):
            transverse = self.excite(flip_angle)
            if pulse == count // 2:
                centre = transverse
            self.wait(spacing)
        return centre


def decayed(tissue, transverse, time, rate):
    return tissue.pd.flatten().numpy() * transverse * np.exp(-time * rate.flatten().numpy())


def agrees(signal, expected):
    assert signal.shape[1] == 1
    assert signal.flatten().numpy() == pytest.approx(expected, rel=1e-4, abs=1e-9)


def protocols(name, count=4):
    drawn = [draw_protocol(name, 3.0, derive(5, name, i)) for i in range(count)]
    if name in ("mprage", "mp2rage"):  # an odd train has no pulse at its centre
        drawn = [replace(p, excitations=2.0 * (p.excitations // 2)) for p in drawn]
    return [PRESETS[name], *drawn]


@pytest.mark.parametrize("protocol", protocols("mprage"), ids=str)
def test_mprage_is_what_a_loop_of_events_gives(protocol, uneven):
    spins, count, spacing = Spins(uneven), int(protocol.excitations), protocol.echo_spacing
    for _ in range(REPETITIONS):
        spins.invert(protocol.inversion_efficiency)
        spins.wait(protocol.inversion_time - count / 2 * spacing)
        centre = spins.train(protocol.flip_angle, count, spacing)
        spins.wait(protocol.repetition_time - protocol.inversion_time - count / 2 * spacing)
    agrees(protocol.signal(uneven), decayed(uneven, centre, protocol.echo_time, uneven.r2star))


@pytest.mark.parametrize("protocol", protocols("mp2rage"), ids=str)
def test_mp2rage_is_what_a_loop_of_events_gives(protocol, uneven):
    spins, count, spacing = Spins(uneven), int(protocol.excitations), protocol.echo_spacing
    (ti1, ti2), (angle1, angle2), train = protocol.inversion_times, protocol.flip_angles, count * spacing
    for _ in range(REPETITIONS):
        spins.invert(protocol.inversion_efficiency)
        spins.wait(ti1 - train / 2)
        first = spins.train(angle1, count, spacing)
        spins.wait(ti2 - ti1 - train)
        second = spins.train(angle2, count, spacing)
        spins.wait(protocol.repetition_time - ti2 - train / 2)
    signal = protocol.signal(uneven)
    one, two = (decayed(uneven, s, protocol.echo_time, uneven.r2star) for s in (first, second))
    agrees(signal[:, :1], one)
    agrees(signal[:, 1:], two)
    agrees(protocol.image(signal), one * two / (one**2 + two**2))


@pytest.mark.parametrize("mt_pulse", [False, True])
@pytest.mark.parametrize("protocol", protocols("spgr", 3), ids=str)
def test_spgr_is_what_a_loop_of_events_gives(protocol, mt_pulse, uneven):
    protocol = replace(protocol, mt_pulse=mt_pulse)
    spins = Spins(uneven)
    for _ in range(math.ceil(60 / protocol.repetition_time)):
        if mt_pulse:
            spins.mz = spins.mz * (1 - uneven.mt.flatten().numpy())
        transverse = spins.excite(protocol.flip_angle)
        spins.wait(protocol.repetition_time)
    agrees(protocol.signal(uneven), decayed(uneven, transverse, protocol.echo_time, uneven.r2star))


def test_gre_is_spgr_without_its_pulse(uneven):
    gre = PRESETS["gre"]
    numbers = {n: getattr(gre, n) for n in ("echo_time", "repetition_time", "flip_angle")}
    torch.testing.assert_close(gre.signal(uneven), replace(PRESETS["spgr"], **numbers).signal(uneven))


@pytest.mark.parametrize("protocol", protocols("fse"), ids=str)
def test_fse_is_what_a_loop_of_events_gives(protocol, brain):
    spins = Spins(brain)
    for _ in range(3):
        transverse = spins.excite(math.pi / 2)
        spins.mz = np.zeros(3)  # the refocusing train leaves nothing
        spins.wait(protocol.repetition_time - protocol.train_duration)
    agrees(protocol.signal(brain), decayed(brain, transverse, protocol.echo_time, brain.r2))


@pytest.mark.parametrize("protocol", protocols("flair"), ids=str)
def test_flair_is_what_a_loop_of_events_gives(protocol, brain):
    spins = Spins(brain)
    for _ in range(3):
        spins.invert(protocol.inversion_efficiency)
        spins.wait(protocol.inversion_time)
        transverse = spins.excite(math.pi / 2)
        spins.mz = np.zeros(3)
        spins.wait(protocol.repetition_time - protocol.inversion_time - protocol.train_duration)
    agrees(protocol.signal(brain), decayed(brain, transverse, protocol.echo_time, brain.r2))


@pytest.mark.parametrize("name", ["mprage", "mp2rage", "spgr"])
def test_single_precision_is_precise_enough(name, uneven):
    single = PRESETS[name].signal(uneven.apply(lambda m: m.float()))
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), PRESETS[name].signal(uneven), rtol=3e-4, atol=1e-6)
