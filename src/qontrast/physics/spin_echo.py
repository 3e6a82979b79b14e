"""Fast spin echo, and the same readout after an inversion that nulls fluid (FLAIR)."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from qontrast.basics.errors import ProtocolError
from qontrast.physics.feasible import LONGEST_ECHO_TIME, Parameter, at_least, per_voxel, seconds
from qontrast.physics.gradient_echo import received
from qontrast.physics.sequence import Sequence, first
from qontrast.physics.tissue import TissueMaps


def spin_echo_readout(tissue: TissueMaps, mz: Tensor, echo_time: Parameter) -> Tensor:
    """Signal of a 90-180 echo train at the effective TE: PD Mz sin(b 90) sin^2(b 90) exp(-TE R2), b = B1+.

    A refocusing pulse of b 180 degrees refocuses sin^2(b 90) of the transverse magnetisation (Hennig 1988,
    doi:10.1016/0022-2364(88)90128-X); stimulated echoes are left out of this closed form.
    """
    assert tissue.r2 is not None
    transverse = mz * torch.exp(-per_voxel(echo_time) * tissue.r2)
    if tissue.b1_transmit is not None:
        transverse = transverse * torch.sin(0.5 * math.pi * tissue.b1_transmit) ** 3
    return received(tissue, transverse)


@dataclass(frozen=True)
class FSE(Sequence):
    """Fast (turbo) spin echo with effective echo time TE: S = PD (1 - exp(-(TR - T) R1)) exp(-TE R2).

    T is how long the echo train lasts: the train leaves no longitudinal magnetisation, which then recovers for TR - T
    (Hennig et al. 1986, doi:10.1002/mrm.1910030602; Bernstein et al. 2004, Handbook of MRI Pulse Sequences, 16.4).
    """

    echo_time: Parameter
    repetition_time: Parameter
    train_duration: Parameter = 0.15
    field_strength: float = 3.0
    name: ClassVar[str] = "fse"
    needs: ClassVar[tuple[str, ...]] = ("pd", "r1", "r2")

    def __post_init__(self) -> None:
        seconds(self.name, LONGEST_ECHO_TIME, echo_time=self.echo_time)
        times = {n: getattr(self, n) for n in ("repetition_time", "train_duration")}
        seconds(self.name, 60.0, **times)
        at_least(self.name, self.train_duration, "the echo train's duration", self.echo_time, "EchoTime")
        at_least(self.name, self.repetition_time, "RepetitionTime", self.train_duration, "the echo train's duration")

    def signal(self, tissue: TissueMaps) -> Tensor:
        """The signed signal ``[batch, 1, x, y, z]``; see the class for the equation."""
        tissue.require(self.needs, self.name)
        wait = per_voxel(self.repetition_time) - per_voxel(self.train_duration)
        return spin_echo_readout(tissue, -torch.expm1(-wait * tissue.r1), self.echo_time)

    def bids(self) -> dict[str, Any]:
        """The protocol in BIDS terms."""
        return {
            "PulseSequenceType": "FSE",
            "EchoTime": first(self.echo_time),
            "RepetitionTime": first(self.repetition_time),
            "FlipAngle": 90.0,
            "MagneticFieldStrength": self.field_strength,
        }


@dataclass(frozen=True)
class FLAIR(Sequence):
    """Fluid-attenuated inversion recovery: Mz = 1 - (1 + e) exp(-TI R1) + e exp(-(TR - T) R1), S = PD Mz exp(-TE R2).

    Each repetition: inversion with efficiency e, wait TI, excitation and an echo train of duration T that leaves no Mz,
    recovery until the next inversion (Hajnal et al. 1992, PMID 1464489; Rydberg et al. 1994,
    doi:10.1002/mrm.1910340612).
    The image is the magnitude.
    """

    echo_time: Parameter
    repetition_time: Parameter
    inversion_time: Parameter
    train_duration: Parameter = 0.25
    inversion_efficiency: Parameter = 0.96
    field_strength: float = 3.0
    name: ClassVar[str] = "flair"
    needs: ClassVar[tuple[str, ...]] = ("pd", "r1", "r2")

    def __post_init__(self) -> None:
        seconds(self.name, LONGEST_ECHO_TIME, echo_time=self.echo_time)
        times = {n: getattr(self, n) for n in ("repetition_time", "inversion_time", "train_duration")}
        seconds(self.name, 60.0, **times)
        inversion_efficiency_is_possible(self.name, self.inversion_efficiency)
        at_least(self.name, self.train_duration, "the echo train's duration", self.echo_time, "EchoTime")
        busy = self.inversion_time + self.train_duration
        at_least(
            self.name, self.repetition_time, "RepetitionTime", busy, "InversionTime plus the echo train's duration"
        )

    def signal(self, tissue: TissueMaps) -> Tensor:
        """The signed signal ``[batch, 1, x, y, z]``; see the class for the equation."""
        tissue.require(self.needs, self.name)
        efficiency = per_voxel(self.inversion_efficiency)
        cycle = per_voxel(self.repetition_time) - per_voxel(self.train_duration)
        mz = (
            1.0
            - (1.0 + efficiency) * torch.exp(-per_voxel(self.inversion_time) * tissue.r1)
            + efficiency * torch.exp(-cycle * tissue.r1)
        )
        return spin_echo_readout(tissue, mz, self.echo_time)

    def bids(self) -> dict[str, Any]:
        """The protocol in BIDS terms."""
        return {
            "PulseSequenceType": "FLAIR",
            "EchoTime": first(self.echo_time),
            "RepetitionTime": first(self.repetition_time),
            "InversionTime": first(self.inversion_time),
            "FlipAngle": 90.0,
            "MagneticFieldStrength": self.field_strength,
        }


def nulling_inversion_time(t1: float, repetition_time: float, train_duration: float, efficiency: float) -> float:
    """The TI (s) at which FLAIR nulls a tissue of the given T1 (s).

    Solved from 0 = 1 - (1 + e) exp(-TI/T1) + e exp(-(TR - T)/T1): TI = T1 ln((1 + e) / (1 + e exp(-(TR - T)/T1))).
    """
    late = efficiency * math.exp(-(repetition_time - train_duration) / t1)
    return t1 * math.log((1.0 + efficiency) / (1.0 + late))


def inversion_efficiency_is_possible(sequence: str, efficiency: Parameter) -> None:
    """Refuse an inversion efficiency outside 0 to 1.

    Raises:
        ProtocolError: with the value found.
    """
    numbers = torch.as_tensor(efficiency, dtype=torch.float64)
    possible = (numbers >= 0) & (numbers <= 1)
    if not bool(possible.all()):
        found = f"inversion_efficiency = {float(numbers[~possible][0]):.6g}"
        raise ProtocolError(sequence, found, "a fraction from 0 to 1", "1 is a perfect inversion; 96 % is 0.96.")
