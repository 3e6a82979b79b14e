"""Balanced steady-state free precession (TrueFISP, FIESTA, bFFE; one of the two images of CISS)."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from qontrast.physics.feasible import LONGEST_ECHO_TIME, LONGEST_TIME, Parameter, at_least, per_voxel, radians, seconds
from qontrast.physics.flip import pulse
from qontrast.physics.gradient_echo import received
from qontrast.physics.precession import in_one_pass, one_pass
from qontrast.physics.precession_loops import balance
from qontrast.physics.relaxation import decay, recovery
from qontrast.physics.sequence import Sequence, degrees, first
from qontrast.physics.tissue import TissueMaps


@dataclass(frozen=True)
class BSSFP(Sequence):
    """Balanced steady state: S = PD sin(a) (1 - E1) (1 - E2 exp(-i t)) exp(i 2 pi dB0 TE) exp(-TE R2) / D.

    D = (1 - E1 cos(a)) (1 - E2 cos(t)) - E2 (E1 - cos(a)) (E2 - cos(t)), and t = 2 pi dB0 TR + ``phase_increment`` is
    the precession in a TR seen from the pulse (Freeman and Hill 1971, doi:10.1016/0022-2364(71)90023-5; Hargreaves
    2012, doi:10.1002/jmri.23742). On resonance with alternating pulses it is real:
    S = PD sin(a) (1 - E1) / (1 - (E1 - E2) cos(a) - E1 E2) exp(-TE R2). Without a map of dB0 it is taken to be 0.
    """

    echo_time: Parameter
    repetition_time: Parameter
    flip_angle: Parameter
    phase_increment: float = math.pi
    field_strength: float = 3.0
    name: ClassVar[str] = "bssfp"
    needs: ClassVar[tuple[str, ...]] = ("pd", "r1", "r2")

    def __post_init__(self) -> None:
        seconds(self.name, LONGEST_ECHO_TIME, echo_time=self.echo_time)
        seconds(self.name, LONGEST_TIME, repetition_time=self.repetition_time)
        radians(self.name, flip_angle=self.flip_angle)
        at_least(self.name, self.repetition_time, "RepetitionTime", self.echo_time, "EchoTime")

    @property
    def uses_b0(self) -> bool:
        """See :attr:`Sequence.uses_b0`: the bands."""
        return True

    def is_complex(self, tissue: TissueMaps) -> bool:
        """See :meth:`Sequence.is_complex`: but on resonance with alternating pulses."""
        return tissue.b0 is not None or abs(self.phase_increment - math.pi) > 1e-9

    def signal(self, tissue: TissueMaps) -> Tensor:
        """The signal ``[batch, 1, x, y, z]``, complex off resonance; see the class for the equation."""
        tissue.require(self.needs, self.name)
        assert tissue.r2 is not None
        if self.is_complex(tissue):
            offset = torch.zeros_like(tissue.r1) if tissue.b0 is None else tissue.b0
            return self.precessed(self.steady(tissue), offset)
        sine, lost = pulse(tissue, self.flip_angle)
        recovered, e2 = recovery(tissue.r1, self.repetition_time), decay(tissue.r2, self.repetition_time)
        # 1 - (E1 - E2) cos(a) - E1 E2, sorted so that small terms are not lost in large ones.
        below = (1.0 - e2) * lost + recovered * (1.0 - lost + e2)
        size = sine * recovered * decay(tissue.r2, self.echo_time)
        return received(tissue, size / below.clamp(min=1e-9))

    def steady(self, tissue: TissueMaps) -> Tensor:
        """``[batch, 4, x, y, z]``: PD sin(a) (1 - E1) exp(-TE R2); E2; D at t = 0; and how much D grows by 1 - cos(t).

        See :meth:`Sequence.steady`.
        """
        assert tissue.r2 is not None
        sine, lost = pulse(tissue, self.flip_angle)
        recovered, e2 = recovery(tissue.r1, self.repetition_time), decay(tissue.r2, self.repetition_time)
        size = received(tissue, sine * recovered * decay(tissue.r2, self.echo_time))
        least = recovery(tissue.r2, self.repetition_time) * (
            recovered + lost - recovered * lost + e2 * (lost - recovered)
        )
        return torch.cat((size, e2, least, e2 * recovered * (2.0 - lost)), dim=1)

    def precessed(self, steady: Tensor, b0: Tensor) -> Tensor:
        """See :meth:`Sequence.precessed`."""
        times = self.repetition_time, self.echo_time
        if in_one_pass(steady, b0, *times):
            return one_pass(balance, steady, b0, *times, self.phase_increment / (2 * math.pi))
        size, e2, least, growth = steady.split(1, dim=1)
        half = math.pi * per_voxel(self.repetition_time) * b0 + 0.5 * self.phase_increment
        sine, cosine = torch.sin(half), torch.cos(half)
        risen = 2.0 * sine * sine  # 1 - cos(t)
        size = size / (least + growth * risen).clamp(min=1e-9)
        real, imaginary = size * (1.0 - e2 + e2 * risen), size * (2.0 * e2 * sine * cosine)
        wound = 2.0 * math.pi * per_voxel(self.echo_time) * b0
        sine, cosine = torch.sin(wound), torch.cos(wound)
        return torch.complex(real * cosine - imaginary * sine, real * sine + imaginary * cosine)

    def bids(self) -> dict[str, Any]:
        """The protocol in BIDS terms."""
        return {
            "PulseSequenceType": "BSSFP",
            "EchoTime": first(self.echo_time),
            "RepetitionTime": first(self.repetition_time),
            "FlipAngle": degrees(self.flip_angle),
            "MagneticFieldStrength": self.field_strength,
        }
