"""Spins on a scanner, one event after the other, with nothing clever.

Every tissue is a row of isochromats that a crusher winds by a different angle each. Magnetisation is a complex
transverse and a real longitudinal part. What a repetition makes of longitudinal magnetisation is affine in it, so that
the steady state follows from two repetitions: one that starts with none and one that starts with all of it.
"""

import numpy as np


class Spins:
    """Isochromats of several tissues, ``[tissue, isochromat]``, in units of the equilibrium magnetisation.

    Args:
        r1, r2: rates in 1/s, ``[tissue]``.
        b1: transmit field relative to nominal, ``[tissue]``.
        mz: longitudinal magnetisation to start with, ``[tissue]``.
        isochromats: how many; more than four for each crusher of a train, so that none comes round.
    """

    def __init__(self, r1, r2, b1, mz, isochromats=1):
        shape = (len(r1), isochromats)
        self.r1, self.r2, self.b1 = (np.asarray(v, float)[:, None] for v in (r1, r2, b1))
        self.longitudinal = np.broadcast_to(np.asarray(mz, float)[:, None], shape).copy()
        self.transverse = np.zeros(shape, complex)
        self.angle = 2 * np.pi * np.arange(isochromats) / isochromats

    def wait(self, time, offset=0.0):
        """Relaxation, and precession by an offset in Hz (a number, or ``[tissue]``)."""
        self.transverse = self.transverse * np.exp(2j * np.pi * time * np.reshape(offset, (-1, 1)))
        self.longitudinal = 1 + (self.longitudinal - 1) * np.exp(-time * self.r1)
        self.transverse = self.transverse * np.exp(-time * self.r2)

    def crush(self):
        """A gradient winds each isochromat by its own angle."""
        self.transverse = self.transverse * np.exp(1j * self.angle)

    def spoil(self):
        """Everything that is not longitudinal and even is lost."""
        self.transverse = np.zeros_like(self.transverse)
        self.longitudinal = np.broadcast_to(self.mean(), self.longitudinal.shape).copy()

    def mean(self):
        """Mean longitudinal magnetisation of each tissue, ``[tissue, 1]``."""
        return self.longitudinal.mean(axis=1, keepdims=True)

    def pulse(self, angle, phase):
        """A rotation by ``angle`` (rad, scaled by the transmit field) about the transverse axis at ``phase`` (rad)."""
        turn = angle * self.b1
        along = self.transverse * np.exp(-1j * phase)  # the axis of rotation is now the real one
        kept, across, up = along.real, along.imag, self.longitudinal
        across, up = across * np.cos(turn) - up * np.sin(turn), across * np.sin(turn) + up * np.cos(turn)
        self.transverse, self.longitudinal = (kept + 1j * across) * np.exp(1j * phase), up

    def invert(self, efficiency):
        """An adiabatic inversion, which does not feel the transmit field; what is transverse is spoilt."""
        self.spoil()
        self.longitudinal = -efficiency * self.longitudinal

    def saturate(self, fraction):
        """An MT pulse: the fraction ``[tissue]`` of longitudinal magnetisation is lost."""
        self.longitudinal = self.longitudinal * (1 - np.asarray(fraction)[:, None])

    def signal(self):
        """Mean transverse magnetisation ``[tissue]``, complex."""
        return self.transverse.mean(axis=1)

    def spoiled_excitation(self, angle):
        """Tip, read, spoil; gives the transverse magnetisation ``[tissue]``."""
        self.pulse(angle, 0.0)
        read = -self.signal().imag
        self.spoil()
        return read

    def spoiled_train(self, angle, count, spacing):
        """Excitations at even spacing; gives the transverse magnetisation of the middle one ``[tissue]``."""
        for number in range(count):
            read = self.spoiled_excitation(angle)
            if number == count // 2:
                middle = read
            self.wait(spacing)
        return middle

    def echo_train(self, refocusing, spacing, count, wanted):
        """A 90 degree excitation and a CPMG train; gives echo number ``wanted`` ``[tissue]``."""
        self.pulse(np.pi / 2, 0.0)
        for number in range(1, count + 1):
            self.wait(spacing / 2)
            self.crush()
            self.pulse(refocusing, -np.pi / 2)
            self.crush()
            self.wait(spacing / 2)
            if number == wanted:
                echo = -self.signal().imag
        self.spoil()
        return echo


def steady(repetition, tissues):
    """What ``repetition(mz) -> (mz after it, reading)`` reads in the steady state.

    Args:
        repetition: runs one repetition from longitudinal magnetisation ``[tissue]``.
        tissues: how many.
    """
    from_none, _ = repetition(np.zeros(tissues))
    from_all, _ = repetition(np.ones(tissues))
    fixed = from_none / (1 - (from_all - from_none))
    after, reading = repetition(fixed)
    assert np.allclose(after, fixed, rtol=1e-6, atol=1e-9), "a repetition is not affine in what it starts from"
    return reading
