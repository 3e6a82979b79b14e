"""Spin-echo trains after one inversion (IR, STIR, FLAIR) or two (DIR), in the steady state of repetitions."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

from torch import Tensor

from qontrast.basics.shapes import AnyVolume, Volume
from qontrast.physics.feasible import LONGEST_TIME, Parameter, at_least, efficiency, seconds
from qontrast.physics.passage import wait
from qontrast.physics.sequence import first
from qontrast.physics.spin_echo import EchoTrainReadout
from qontrast.physics.tissue import TissueMaps


@dataclass(frozen=True)
class InversionRecovery(EchoTrainReadout):
    """What sequences with one inversion share: Mz = 1 - (1 + e) exp(-TI R1) + e exp(-(TR - T) R1) before the train.

    Each repetition: inversion with efficiency e, wait TI, excitation and an echo train of duration T, recovery. The
    equation holds where the train leaves no Mz; the code takes the fixed point with what it leaves.
    """

    echo_time: Parameter
    repetition_time: Parameter
    inversion_time: Parameter
    echo_spacing: Parameter = 0.010
    echo_train_length: Parameter = 12.0
    refocusing_flip: Parameter = math.pi
    inversion_efficiency: Parameter = 0.96
    field_strength: float = 3.0

    def __post_init__(self) -> None:
        self.check_train()
        seconds(self.name, LONGEST_TIME, inversion_time=self.inversion_time)
        efficiency(self.name, self.inversion_efficiency)
        busy = self.inversion_time + self.train_duration
        at_least(
            self.name, self.repetition_time, "RepetitionTime", busy, "InversionTime plus the echo train's duration"
        )

    def signal(self, tissue: TissueMaps) -> Tensor:
        """The signed signal ``[batch, 1, x, y, z]``; see the class for the equation."""
        tissue.require(self.needs, self.name)
        to_train = wait(tissue.r1, self.inversion_time)
        per_mz, train = self.train(tissue)
        rest = train.then(wait(tissue.r1, self.repetition_time - self.inversion_time - self.train_duration))
        inverted = to_train.then(rest).inverted(self.inversion_efficiency).steady()
        return per_mz * to_train.of(inverted)

    def bids(self) -> dict[str, Any]:
        """The protocol in BIDS terms."""
        return {
            **super().bids(),
            "InversionTime": first(self.inversion_time),
            "InversionEfficiency": first(self.inversion_efficiency),
        }


@dataclass(frozen=True)
class IR(InversionRecovery):
    """Inversion recovery, T1-weighted; the magnitude, or the signed image if ``phase_sensitive``.

    S = PD (1 - (1 + e) exp(-TI R1) + e exp(-(TR - T) R1)) sin(b 90) A(TE) (Bydder and Young 1985,
    doi:10.1097/00004728-198507000-00002; phase-sensitive: Hou et al. 2005, doi:10.1088/0031-9155/50/3/001).
    """

    echo_train_length: Parameter = 8.0
    phase_sensitive: bool = False
    name: ClassVar[str] = "ir"

    def image(self, signal: AnyVolume) -> Volume:
        """The magnitude, or the real part, which is signed."""
        if not self.phase_sensitive:
            return signal.abs()
        return signal.real if signal.is_complex() else signal


@dataclass(frozen=True)
class STIR(InversionRecovery):
    """Short-TI inversion recovery: TI at the null of fat; the image is the magnitude.

    S = PD (1 - (1 + e) exp(-TI R1) + e exp(-(TR - T) R1)) sin(b 90) A(TE) (Bydder and Young 1985,
    doi:10.1097/00004728-198507000-00002).
    """

    name: ClassVar[str] = "stir"


@dataclass(frozen=True)
class FLAIR(InversionRecovery):
    """Fluid-attenuated inversion recovery: TI at the null of cerebrospinal fluid; the image is the magnitude.

    S = PD (1 - (1 + e) exp(-TI R1) + e exp(-(TR - T) R1)) sin(b 90) A(TE) (Hajnal et al. 1992, PMID 1464489;
    Rydberg et al. 1994, doi:10.1002/mrm.1910340612).
    """

    echo_train_length: Parameter = 20.0
    name: ClassVar[str] = "flair"


@dataclass(frozen=True)
class DIR(EchoTrainReadout):
    """Double inversion recovery: two tissues nulled at once, fluid and white matter usually; magnitude.

    ``inversion_times`` are those from each inversion to the excitation, the longer first. With TR' = TR - T and no Mz
    left by the train, Mz = 1 - (1 + e) exp(-TI2 R1) + e (1 + e) exp(-TI1 R1) - e^2 exp(-TR' R1) and
    S = PD Mz sin(b 90) A(TE) (Redpath and Smith 1994, doi:10.1259/0007-1285-67-804-1258; Turetschek et al. 1998,
    doi:10.1016/S0730-725X(97)00272-7).
    """

    echo_time: Parameter
    repetition_time: Parameter
    inversion_times: tuple[Parameter, Parameter]
    echo_spacing: Parameter = 0.010
    echo_train_length: Parameter = 16.0
    refocusing_flip: Parameter = math.pi
    inversion_efficiency: Parameter = 0.96
    field_strength: float = 3.0
    name: ClassVar[str] = "dir"

    def __post_init__(self) -> None:
        self.check_train()
        long, short = self.inversion_times
        seconds(self.name, LONGEST_TIME, first_inversion_time=long, second_inversion_time=short)
        efficiency(self.name, self.inversion_efficiency)
        at_least(self.name, long, "the first InversionTime", short, "the second InversionTime")
        busy = long + self.train_duration
        at_least(
            self.name,
            self.repetition_time,
            "RepetitionTime",
            busy,
            "the first InversionTime plus the echo train's duration",
        )

    def signal(self, tissue: TissueMaps) -> Tensor:
        """The signed signal ``[batch, 1, x, y, z]``; see the class for the equation."""
        tissue.require(self.needs, self.name)
        r1, (long, short) = tissue.r1, self.inversion_times
        to_train = wait(r1, long - short).inverted(self.inversion_efficiency).then(wait(r1, short))
        per_mz, train = self.train(tissue)
        rest = train.then(wait(r1, self.repetition_time - long - self.train_duration))
        inverted = to_train.then(rest).inverted(self.inversion_efficiency).steady()
        return per_mz * to_train.of(inverted)

    def bids(self) -> dict[str, Any]:
        """The protocol in BIDS terms."""
        return {
            **super().bids(),
            "InversionTime": [first(t) for t in self.inversion_times],
            "InversionEfficiency": first(self.inversion_efficiency),
        }


def nulling_inversion_time(t1: float, repetition_time: float, train_duration: float, efficiency: float) -> float:
    """The TI (s) at which one inversion nulls a tissue of the given T1 (s).

    Solved from 0 = 1 - (1 + e) exp(-TI/T1) + e exp(-(TR - T)/T1): TI = T1 ln((1 + e) / (1 + e exp(-(TR - T)/T1))).
    """
    late = efficiency * math.exp(-(repetition_time - train_duration) / t1)
    return t1 * math.log((1.0 + efficiency) / (1.0 + late))


def nulling_inversion_times(
    t1: tuple[float, float], repetition_time: float, train_duration: float, efficiency: float
) -> tuple[float, float]:
    """The two TI (s), the longer first, at which DIR nulls tissues of the two T1 (s).

    For each second TI the first that nulls the first tissue is explicit; the second TI is then found by bisection.

    Raises:
        ValueError: if no pair nulls both within the repetition.
    """
    e, cycle = efficiency, repetition_time - train_duration

    def first_time(short: float, t: float) -> float:
        kept = (1 + e) * math.exp(-short / t) + e * e * math.exp(-cycle / t) - 1.0
        return -t * math.log(kept / (e * (1 + e))) if kept > 0 else math.inf

    def miss(short: float) -> float:
        long = first_time(short, t1[0])
        other = t1[1]
        return (
            1
            - (1 + e) * math.exp(-short / other)
            + e * (1 + e) * math.exp(-long / other)
            - e * e * math.exp(-cycle / other)
        )

    steps = [0.02 + 0.01 * i for i in range(int(min(cycle, 3.0) / 0.01))]
    for low, high in pairwise(steps):
        if not low < first_time(low, t1[0]) <= cycle or miss(low) * miss(high) > 0:
            continue
        for _ in range(50):
            middle = 0.5 * (low + high)
            low, high = (low, middle) if miss(low) * miss(middle) <= 0 else (middle, high)
        return first_time(low, t1[0]), low
    raise ValueError(f"no two inversions null T1 of {t1[0]:g} and {t1[1]:g} s within TR {repetition_time:g} s")
