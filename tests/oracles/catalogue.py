"""For every sequence an answer that shares no code with it: ``oracle(protocol, tissues) -> [component, tissue]``."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torchsim

from oracles.spins import Spins, steady
from oracles.tissues import random_tissues
from qontrast.physics.usefulness import LEAST_SIGNAL


def mprage(protocol, tissues):
    """A loop of events: inversion, wait, spoiled train, wait."""
    return np.array([_inversion_train(protocol, tissues, (protocol.inversion_time,), (protocol.flip_angle,))[0]])


def mp2rage_loop(protocol, tissues):
    """The same loop with two trains; torchsim's closed form is the other oracle."""
    return np.array(_inversion_train(protocol, tissues, protocol.inversion_times, protocol.flip_angles))


def _inversion_train(protocol, tissues, times, angles):
    count, spacing = int(protocol.excitations), protocol.echo_spacing
    half = count * spacing / 2

    def repetition(mz):
        spins = Spins(tissues.r1, tissues.r2, tissues.b1_transmit, mz)
        spins.invert(protocol.inversion_efficiency)
        read, now = [], 0.0
        for time, angle in zip(times, angles, strict=True):
            spins.wait(time - half - now)
            read.append(spins.spoiled_train(angle, count, spacing))
            now = time + half
        spins.wait(protocol.repetition_time - now)
        return spins.mean()[:, 0], read

    decay = tissues.pd * np.exp(-protocol.echo_time * tissues.r2star)
    return [decay * read for read in steady(repetition, len(tissues))]


def mp2rage(protocol, tissues):
    """torchsim's MP2RAGE, one tissue at a time since it knows no transmit field."""
    rows = []
    for r1, b1 in zip(tissues.r1, tissues.b1_transmit, strict=True):
        both = torchsim.mp2rage_sim(
            TI=[1000.0 * t for t in protocol.inversion_times],
            flip=[math.degrees(a * b1) for a in protocol.flip_angles],
            TRspgr=1000.0 * protocol.echo_spacing,
            TRmp2rage=1000.0 * protocol.repetition_time,
            nshots=int(protocol.excitations),
            T1=1000.0 / r1,
            inv_efficiency=protocol.inversion_efficiency,
        )
        rows.append(np.asarray(both, dtype=float).reshape(2))
    return tissues.pd * np.exp(-protocol.echo_time * tissues.r2star) * np.array(rows).T


def spgr(protocol, tissues):
    """torchsim's spoiled gradient echo, one tissue at a time, without MT pulse."""
    assert not getattr(protocol, "mt_pulse", False)
    rows = [
        torchsim.spgr_sim(
            flip=math.degrees(protocol.flip_angle * b1),
            TE=1000.0 * protocol.echo_time,
            TR=1000.0 * protocol.repetition_time,
            T1=1000.0 / r1,
            T2star=1000.0 / r2star,
        )
        for r1, r2star, b1 in zip(tissues.r1, tissues.r2star, tissues.b1_transmit, strict=True)
    ]
    return tissues.pd * np.abs(np.array([complex(r) for r in rows]))[None]


def mt(protocol, tissues):
    """A loop of events: MT pulse, excitation, recovery. The pulse's power follows B1+ as Helms et al. 2021 measured."""
    b1 = tissues.b1_transmit
    fraction = getattr(protocol, "pulse_power", 1.0) * tissues.mt * b1**2 * (1 - 0.4 * b1) / 0.6

    def repetition(mz):
        spins = Spins(tissues.r1, tissues.r2, b1, mz)
        spins.saturate(fraction)
        read = spins.spoiled_excitation(protocol.flip_angle)
        spins.wait(protocol.repetition_time)
        return spins.mean()[:, 0], read

    read = steady(repetition, len(tissues))
    return (tissues.pd * read * np.exp(-protocol.echo_time * tissues.r2star))[None]


def fse(protocol, tissues):
    """Isochromats through excitation, CPMG train and recovery."""
    return _echo_train(protocol, tissues, ())


def inversion_recovery(protocol, tissues):
    """Isochromats through inversion, wait, CPMG train and recovery."""
    return _echo_train(protocol, tissues, (protocol.inversion_time,))


def double_inversion(protocol, tissues):
    """Isochromats through two inversions, CPMG train and recovery."""
    return _echo_train(protocol, tissues, protocol.inversion_times)


def _echo_train(protocol, tissues, inversions):
    count, spacing = int(protocol.echo_train_length), protocol.echo_spacing
    wanted = round(protocol.echo_time / spacing)
    before = [*inversions, 0.0]  # from each inversion to the excitation

    def repetition(mz):
        spins = Spins(tissues.r1, tissues.r2, tissues.b1_transmit, mz, isochromats=8 * count + 8)
        for time, following in pairwise(before):
            spins.invert(protocol.inversion_efficiency)
            spins.wait(time - following)
        echo = spins.echo_train(protocol.refocusing_flip, spacing, count, wanted)
        spins.wait(protocol.repetition_time - before[0] - count * spacing)
        return spins.mean()[:, 0], echo

    return (tissues.pd * steady(repetition, len(tissues)))[None]


def fse_train(protocol, tissues):
    """torchsim's EPG of the train alone, after complete recovery."""
    echoes = round(protocol.echo_time / protocol.echo_spacing)
    rows = [
        torchsim.fse_sim(
            flip=[math.degrees(protocol.refocusing_flip)] * echoes,
            ESP=1000.0 * protocol.echo_spacing,
            T1=1000.0 / r1,
            T2=1000.0 / r2,
            B1=b1,
            states=2 * echoes + 2,
        )
        for r1, r2, b1 in zip(tissues.r1, tissues.r2, tissues.b1_transmit, strict=True)
    ]
    return tissues.pd * np.array([abs(complex(r.flatten()[-1])) for r in rows])[None]


def bssfp(protocol, tissues):
    """Pulse after pulse with alternating phase, off resonance.

    A pair of repetitions is an affine map of the magnetisation: four trials give it, and its fixed point is the steady
    state. (torchsim 0.0.8 has this sequence too, but lets T2 act over TE where it should over TR.)
    """
    first, second = protocol.echo_time, protocol.repetition_time - protocol.echo_time
    starts = [np.zeros(3), *np.eye(3)]

    def pair(start):
        """From magnetisation x, y, z ``[tissue, 3]`` to that after two repetitions, and the signal of the first."""
        spins = Spins(tissues.r1, tissues.r2, tissues.b1_transmit, start[:, 2])
        spins.transverse = (start[:, 0] + 1j * start[:, 1])[:, None]
        for number in range(2):
            spins.pulse(protocol.flip_angle, np.pi * number)
            spins.wait(first, tissues.b0)
            if number == 0:
                echo = spins.signal()
            spins.wait(second, tissues.b0)
        after = np.stack([spins.signal().real, spins.signal().imag, spins.mean()[:, 0]], axis=1)
        return after, echo

    ends = [pair(np.tile(start, (len(tissues), 1)))[0] for start in starts]
    matrix = np.stack([end - ends[0] for end in ends[1:]], axis=2)
    fixed = np.linalg.solve(np.eye(3) - matrix, ends[0][:, :, None])[:, :, 0]
    return (tissues.pd * np.abs(pair(fixed)[1]))[None]


LOOP, TORCHSIM, ISOCHROMATS = "loop of events", "torchsim", "isochromat loop"
ORACLES = {
    "mprage": [(LOOP, mprage)],
    "mp2rage": [(TORCHSIM, mp2rage), (LOOP, mp2rage_loop)],
    "spgr": [(TORCHSIM, spgr)],
    "gre": [(TORCHSIM, spgr)],
    "fse": [(ISOCHROMATS, fse), (f"{TORCHSIM} EPG", fse_train)],
    "bssfp": [(LOOP, bssfp)],
    "ir": [(ISOCHROMATS, inversion_recovery)],
    "stir": [(ISOCHROMATS, inversion_recovery)],
    "flair": [(ISOCHROMATS, inversion_recovery)],
    "dir": [(ISOCHROMATS, double_inversion)],
    "mt": [(LOOP, mt)],
    "t2star": [(TORCHSIM, spgr)],
}


def compare(name, oracle, protocols, tissues_each=10):
    """The largest error of each draw, relative to the signal (but to 1 % of PD where it is weaker than that).

    Args:
        name: of the sequence.
        oracle: a pair of :data:`ORACLES`.
        protocols: to compare at, each on random tissues of its own.
        tissues_each: how many.

    Returns:
        ``[protocol * component * tissue]`` relative errors.
    """
    errors = []
    for number, protocol in enumerate(protocols):
        tissues = random_tissues(tissues_each, number)
        if oracle is fse_train:  # which knows complete recovery only
            protocol = replace(protocol, repetition_time=60.0)
        ours = protocol.signal(tissues.maps)[0].reshape(protocol.components, -1)
        theirs = oracle(protocol, tissues)
        if oracle in (fse_train, spgr, bssfp):
            ours = ours.abs()
        errors.append(np.abs(ours.numpy() - theirs) / np.maximum(np.abs(theirs), LEAST_SIGNAL * tissues.pd))
    return np.concatenate([e.flatten() for e in errors])
