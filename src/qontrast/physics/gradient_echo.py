"""Spoiled gradient echoes: SPGR with an optional MT pulse, and GRE with the longer TE of T2*-weighted imaging."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor

from qontrast.physics.feasible import LONGEST_ECHO_TIME, Parameter, at_least, per_voxel, radians, seconds
from qontrast.physics.sequence import Sequence, first
from qontrast.physics.tissue import TissueMaps

ArrayOrTensor = TypeVar("ArrayOrTensor", np.ndarray, Tensor)


def spoiled_steady_state(tissue: TissueMaps, tr: Parameter, flip_angle: Parameter, mt: Tensor | float) -> Tensor:
    """Transverse magnetisation at TE = 0 of an ideally spoiled gradient echo, in units of PD.

    Every TR: an MT pulse that removes the fraction ``mt`` of Mz, an excitation by ``flip_angle`` B1+, recovery:
    M = sin(a) (1 - mt) (1 - E1) / (1 - (1 - mt) cos(a) E1), with E1 = exp(-TR R1); Ernst and Anderson 1966
    (doi:10.1063/1.1719961), with the saturation per pulse of Helms et al. 2008 (doi:10.1002/mrm.21732).
    """
    angle = per_voxel(flip_angle) if tissue.b1_transmit is None else per_voxel(flip_angle) * tissue.b1_transmit
    angle = torch.as_tensor(angle, dtype=tissue.r1.dtype, device=tissue.r1.device)
    e1 = torch.exp(-per_voxel(tr) * tissue.r1)
    # expm1 keeps (1 - E1) exact where TR R1 is tiny.
    recovery = -torch.expm1(-per_voxel(tr) * tissue.r1)
    kept = 1.0 - mt
    # The denominator is 0 only in air (R1 = 0) that the transmit field does not reach, where there is no signal.
    return torch.sin(angle) * kept * recovery / (1.0 - kept * torch.cos(angle) * e1).clamp(min=1e-9)


MT_B1_SLOPE = 0.4
"""How much a B1+ above nominal weakens the growth of MT saturation with B1+ squared; see :func:`mt_saturation`."""


def mt_saturation(mt: ArrayOrTensor, b1: ArrayOrTensor) -> ArrayOrTensor:
    """The fraction of Mz that an MT pulse removes where the transmit field is ``b1`` of nominal.

    mt b1^2 (1 - 0.4 b1) / (1 - 0.4): saturation grows with the pulse's power, and a little less at high power. Maps of
    MTsat hold at b1 = 1 by this law: Weiskopf et al. 2013 (doi:10.3389/fnins.2013.00095), after Helms et al. 2008
    (doi:10.1002/mrm.21732); with b1^2 made explicit in Helms 2015 (Proc. ISMRM 23, 3360).

    Args:
        mt: saturation at nominal transmit field, fraction, any shape.
        b1: transmit field relative to nominal, of a shape that broadcasts with ``mt``.

    Returns:
        The local saturation, fraction.
    """
    return mt * b1 * b1 * (1.0 - MT_B1_SLOPE * b1) / (1.0 - MT_B1_SLOPE)


def ernst_angle(tr: float, t1: float) -> float:
    """The flip angle (rad) of most signal: arccos(exp(-TR/T1)); Ernst and Anderson 1966 (doi:10.1063/1.1719961)."""
    return math.acos(math.exp(-tr / t1))


def received(tissue: TissueMaps, magnetisation: Tensor) -> Tensor:
    """Magnetisation times PD and the receive sensitivity."""
    signal = tissue.pd * magnetisation
    return signal if tissue.b1_receive is None else signal * tissue.b1_receive


@dataclass(frozen=True)
class SPGR(Sequence):
    """RF-spoiled gradient echo (FLASH, T1-FFE), with an MT pulse before each excitation if ``mt_pulse``.

    S = PD sin(a) (1 - d) (1 - E1) / (1 - (1 - d) cos(a) E1) exp(-TE R2*), d = MTsat with the MT pulse on and 0 off
    (Ernst and Anderson 1966, doi:10.1063/1.1719961; Helms et al. 2008, doi:10.1002/mrm.21732).
    """

    echo_time: Parameter
    repetition_time: Parameter
    flip_angle: Parameter
    mt_pulse: bool = False
    field_strength: float = 3.0
    name: ClassVar[str] = "spgr"

    def __post_init__(self) -> None:
        seconds(self.name, LONGEST_ECHO_TIME, echo_time=self.echo_time)
        seconds(self.name, 60.0, repetition_time=self.repetition_time)
        radians(self.name, flip_angle=self.flip_angle)
        at_least(self.name, self.repetition_time, "RepetitionTime", self.echo_time, "EchoTime")

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """MTsat only with the MT pulse on."""
        return ("pd", "r1", "r2star", "mt") if self.mt_pulse else ("pd", "r1", "r2star")

    def signal(self, tissue: TissueMaps) -> Tensor:
        """The signed signal ``[batch, 1, x, y, z]``; see the class for the equation."""
        tissue.require(self.needs, self.name)
        assert tissue.r2star is not None
        mt = tissue.mt if self.mt_pulse and tissue.mt is not None else 0.0
        transverse = spoiled_steady_state(tissue, self.repetition_time, self.flip_angle, mt)
        return received(tissue, transverse * torch.exp(-per_voxel(self.echo_time) * tissue.r2star))

    def bids(self) -> dict[str, Any]:
        """The protocol in BIDS terms."""
        return {
            "PulseSequenceType": self.name.upper(),
            "EchoTime": first(self.echo_time),
            "RepetitionTime": first(self.repetition_time),
            "FlipAngle": round(math.degrees(first(self.flip_angle)), 6),
            "MTState": self.mt_pulse,
            "MagneticFieldStrength": self.field_strength,
        }


@dataclass(frozen=True)
class GRE(Sequence):
    """Spoiled gradient echo at one echo time of a multi-echo readout, without MT pulse: T2*- or PD-weighted.

    S = PD sin(a) (1 - E1) / (1 - cos(a) E1) exp(-TE R2*); Ernst and Anderson 1966 (doi:10.1063/1.1719961).
    Several echoes are one call with ``echo_time`` a tensor over the batch.
    """

    echo_time: Parameter
    repetition_time: Parameter
    flip_angle: Parameter
    field_strength: float = 3.0
    name: ClassVar[str] = "gre"
    needs: ClassVar[tuple[str, ...]] = ("pd", "r1", "r2star")

    def __post_init__(self) -> None:
        seconds(self.name, LONGEST_ECHO_TIME, echo_time=self.echo_time)
        seconds(self.name, 60.0, repetition_time=self.repetition_time)
        radians(self.name, flip_angle=self.flip_angle)
        at_least(self.name, self.repetition_time, "RepetitionTime", self.echo_time, "EchoTime")

    def signal(self, tissue: TissueMaps) -> Tensor:
        """The signed signal ``[batch, 1, x, y, z]``; see the class for the equation."""
        tissue.require(self.needs, self.name)
        assert tissue.r2star is not None
        transverse = spoiled_steady_state(tissue, self.repetition_time, self.flip_angle, 0.0)
        return received(tissue, transverse * torch.exp(-per_voxel(self.echo_time) * tissue.r2star))

    def bids(self) -> dict[str, Any]:
        """The protocol in BIDS terms."""
        return {
            "PulseSequenceType": "GRE",
            "EchoTime": first(self.echo_time),
            "RepetitionTime": first(self.repetition_time),
            "FlipAngle": round(math.degrees(first(self.flip_angle)), 6),
            "MagneticFieldStrength": self.field_strength,
        }
