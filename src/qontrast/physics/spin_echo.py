"""Fast spin echo: a 90 degree excitation and a train of refocusing pulses, of 180 degrees or less."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from qontrast.physics.echo_train import echo_train
from qontrast.physics.feasible import (
    LONGEST_ECHO_TIME,
    LONGEST_TIME,
    Parameter,
    at_least,
    positive,
    radians,
    seconds,
)
from qontrast.physics.gradient_echo import received
from qontrast.physics.passage import Passage, wait
from qontrast.physics.relaxation import decay
from qontrast.physics.sequence import Sequence, degrees, first
from qontrast.physics.tissue import TissueMaps


class EchoTrainReadout(Sequence):
    """What sequences with a spin-echo train share: its signal, and what it leaves of Mz.

    The signal of magnetisation Mz is PD Mz sin(b 90) A(TE), with b the transmit field and A the amplitude of the echo
    at the effective TE (:mod:`qontrast.physics.echo_train`); with 180 degree pulses and b = 1, A = exp(-TE R2) and
    the train leaves no Mz. What is transverse or uneven after the train is spoilt.
    """

    echo_time: Parameter
    repetition_time: Parameter
    echo_spacing: Parameter
    echo_train_length: Parameter
    refocusing_flip: Parameter
    needs: ClassVar[tuple[str, ...]] = ("pd", "r1", "r2")

    @property
    def train_duration(self) -> Parameter:
        """How long the echo train lasts, s: the number of echoes times their spacing."""
        return self.echo_train_length * self.echo_spacing

    def check_train(self) -> None:
        """Refuse a train that cannot run.

        Raises:
            ProtocolError: with both sides of the inequality that failed and the nearest feasible value.
        """
        seconds(self.name, LONGEST_ECHO_TIME, echo_time=self.echo_time, echo_spacing=self.echo_spacing)
        seconds(self.name, LONGEST_TIME, repetition_time=self.repetition_time)
        positive(self.name, echo_train_length=self.echo_train_length)
        radians(self.name, refocusing_flip=self.refocusing_flip)
        at_least(self.name, self.echo_time, "EchoTime", self.echo_spacing, "the echo spacing")
        at_least(self.name, self.train_duration, "the echo train's duration", self.echo_time, "EchoTime")

    def train(self, tissue: TissueMaps) -> tuple[Tensor, Passage]:
        """The signal ``[batch, 1, x, y, z]`` per unit of Mz before the excitation, and what happens to Mz meanwhile."""
        assert tissue.r2 is not None
        r1, b1 = tissue.r1, tissue.b1_transmit
        if b1 is None and self._refocuses_fully():
            # The excitation leaves no Mz, and the pulses turn what recovers round and round.
            none = torch.zeros_like(r1)
            return received(tissue, decay(tissue.r2, self.echo_time)), Passage(none, none)
        numbers = (self.refocusing_flip, self.echo_time, self.echo_spacing, self.echo_train_length)
        echo, kept, gained = echo_train(r1, tissue.r2, b1, *numbers)
        if b1 is None:
            return received(tissue, echo), Passage(torch.zeros_like(r1), gained)
        quarter = 0.5 * math.pi * b1
        return received(tissue, echo * torch.sin(quarter)), Passage(kept * torch.cos(quarter), gained)

    def _refocuses_fully(self) -> bool:
        flip = self.refocusing_flip
        return not isinstance(flip, Tensor) and abs(flip - math.pi) < 1e-6

    def bids(self) -> dict[str, Any]:
        """The protocol in BIDS terms."""
        return {
            "PulseSequenceType": self.name.upper(),
            "EchoTime": first(self.echo_time),
            "RepetitionTime": first(self.repetition_time),
            "FlipAngle": 90.0,
            "RefocusingFlipAngle": degrees(self.refocusing_flip),
            "EchoSpacing": first(self.echo_spacing),
            "EchoTrainLength": round(first(self.echo_train_length)),
            "MagneticFieldStrength": self.field_strength,
        }


@dataclass(frozen=True)
class FSE(EchoTrainReadout):
    """Fast (turbo) spin echo with effective echo time TE: S = PD Mz sin(b 90) A(TE).

    Mz is the fixed point of: excitation and train (:meth:`EchoTrainReadout.train`), then recovery for TR minus the
    train's duration T. With 180 degree pulses, S = PD (1 - exp(-(TR - T) R1)) exp(-TE R2)
    (Hennig et al. 1986, doi:10.1002/mrm.1910030602; Bernstein et al. 2004, Handbook of MRI Pulse Sequences, 16.4).
    One echo makes it a spin echo.
    """

    echo_time: Parameter
    repetition_time: Parameter
    echo_spacing: Parameter = 0.010
    echo_train_length: Parameter = 16.0
    refocusing_flip: Parameter = math.pi
    field_strength: float = 3.0
    name: ClassVar[str] = "fse"

    def __post_init__(self) -> None:
        self.check_train()
        at_least(self.name, self.repetition_time, "RepetitionTime", self.train_duration, "the echo train's duration")

    def signal(self, tissue: TissueMaps) -> Tensor:
        """The signed signal ``[batch, 1, x, y, z]``; see the class for the equation."""
        tissue.require(self.needs, self.name)
        recovery = wait(tissue.r1, self.repetition_time - self.train_duration)
        per_mz, train = self.train(tissue)
        return per_mz * train.then(recovery).steady()
