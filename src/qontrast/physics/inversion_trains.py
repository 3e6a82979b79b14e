"""MPRAGE and MP2RAGE: an inversion, then one or two trains of spoiled excitations, in the steady state of repetitions.

Longitudinal magnetisation (in units of its equilibrium) passes through each event as an affine map M -> a M + b:
waiting t multiplies by E = exp(-t R1) and adds 1 - E; an inversion multiplies by -e; n excitations by a angle with
spacing T multiply by (cos(a) E1)^n and add (1 - E1) (1 - (cos(a) E1)^n) / (1 - cos(a) E1). The steady state is the
fixed point of the whole repetition. Mugler and Brookeman 1990 (doi:10.1002/mrm.1910150117); Marques et al. 2010
(doi:10.1016/j.neuroimage.2009.10.002, appendix).
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from qontrast.basics.shapes import AnyVolume, Volume
from qontrast.physics.feasible import LONGEST_ECHO_TIME, Parameter, at_least, per_voxel, positive, radians, seconds
from qontrast.physics.gradient_echo import received
from qontrast.physics.sequence import Sequence, first
from qontrast.physics.spin_echo import inversion_efficiency_is_possible
from qontrast.physics.tissue import TissueMaps


class Passage(NamedTuple):
    """The affine map M -> factor M + gain of longitudinal magnetisation through one or more events."""

    factor: Tensor
    gain: Tensor

    def then(self, later: "Passage") -> "Passage":
        """This passage followed by a later one."""
        return Passage(later.factor * self.factor, later.factor * self.gain + later.gain)

    def of(self, magnetisation: Tensor) -> Tensor:
        """The magnetisation after the passage."""
        return self.factor * magnetisation + self.gain


def wait(r1: Tensor, duration: Parameter) -> Passage:
    """Free recovery for ``duration`` seconds."""
    exponent = -per_voxel(duration) * r1
    return Passage(torch.exp(exponent), -torch.expm1(exponent))


def excitations(cosine: Tensor, r1: Tensor, spacing: Parameter, count: Parameter) -> Passage:
    """``count`` excitations, each followed by recovery for ``spacing`` seconds; ``count`` may be a half number."""
    one = wait(r1, spacing)
    # Below zero a fractional power has no real value; flips beyond 90 degrees do not occur in a train.
    step = (cosine * one.factor).clamp(min=1e-6)
    power = step ** per_voxel(count)
    return Passage(power, one.gain * (1.0 - power) / (1.0 - step).clamp(min=1e-9))


def flip(tissue: TissueMaps, flip_angle: Parameter) -> tuple[Tensor, Tensor]:
    """Sine and cosine of the flip angle that B1+ makes of the nominal one."""
    angle = per_voxel(flip_angle) if tissue.b1_transmit is None else per_voxel(flip_angle) * tissue.b1_transmit
    angle = torch.as_tensor(angle, dtype=tissue.r1.dtype, device=tissue.r1.device)
    return torch.sin(angle), torch.cos(angle)


@dataclass(frozen=True)
class MPRAGE(Sequence):
    """Magnetisation-prepared rapid gradient echo; TI is from the inversion to the centre of k-space.

    With Mz the steady-state magnetisation at the centre of the train (see the module for the recursion):
    S = PD Mz sin(a) exp(-TE R2*). Mugler and Brookeman 1990 (doi:10.1002/mrm.1910150117).
    """

    echo_time: Parameter
    repetition_time: Parameter
    inversion_time: Parameter
    flip_angle: Parameter
    echo_spacing: Parameter = 0.0071
    excitations: Parameter = 176.0
    inversion_efficiency: Parameter = 0.96
    field_strength: float = 3.0
    name: ClassVar[str] = "mprage"
    needs: ClassVar[tuple[str, ...]] = ("pd", "r1", "r2star")

    def __post_init__(self) -> None:
        seconds(self.name, LONGEST_ECHO_TIME, echo_time=self.echo_time, echo_spacing=self.echo_spacing)
        seconds(self.name, 60.0, repetition_time=self.repetition_time, inversion_time=self.inversion_time)
        positive(self.name, excitations=self.excitations)
        radians(self.name, flip_angle=self.flip_angle)
        inversion_efficiency_is_possible(self.name, self.inversion_efficiency)
        at_least(self.name, self.echo_spacing, "the echo spacing", self.echo_time, "EchoTime")
        half = 0.5 * self.excitations * self.echo_spacing
        at_least(self.name, self.inversion_time, "InversionTime", half, "half of the readout train")
        end = self.inversion_time + half
        at_least(self.name, self.repetition_time, "RepetitionTime", end, "InversionTime plus half of the readout train")

    def signal(self, tissue: TissueMaps) -> Tensor:
        """The signed signal ``[batch, 1, x, y, z]``; see the class for the equation."""
        tissue.require(self.needs, self.name)
        assert tissue.r2star is not None
        r1, half_count = tissue.r1, 0.5 * self.excitations
        half_train = half_count * self.echo_spacing
        sine, cosine = flip(tissue, self.flip_angle)
        half = excitations(cosine, r1, self.echo_spacing, half_count)
        to_centre = wait(r1, self.inversion_time - half_train).then(half)
        rest = half.then(wait(r1, self.repetition_time - self.inversion_time - half_train))
        inversion = -per_voxel(self.inversion_efficiency)
        cycle = to_centre.then(rest)
        before_inversion = cycle.gain / (1.0 - inversion * cycle.factor)
        mz = to_centre.of(inversion * before_inversion)
        return received(tissue, mz * sine * torch.exp(-per_voxel(self.echo_time) * tissue.r2star))

    def bids(self) -> dict[str, Any]:
        """The protocol in BIDS terms."""
        return {
            "PulseSequenceType": "MPRAGE",
            "EchoTime": first(self.echo_time),
            "RepetitionTime": first(self.repetition_time),
            "RepetitionTimeExcitation": first(self.echo_spacing),
            "InversionTime": first(self.inversion_time),
            "FlipAngle": round(math.degrees(first(self.flip_angle)), 6),
            "MagneticFieldStrength": self.field_strength,
        }


@dataclass(frozen=True)
class MP2RAGE(Sequence):
    """Two readout trains after one inversion; the image is the signed UNI in [-0.5, 0.5].

    S1 and S2 are the steady-state signals at the centres of the trains, and
    UNI = Re(S1* S2) / (|S1|^2 + |S2|^2): PD, T2* and the receive field cancel.
    Marques et al. 2010 (doi:10.1016/j.neuroimage.2009.10.002).
    """

    echo_time: Parameter
    repetition_time: Parameter
    inversion_times: tuple[Parameter, Parameter]
    flip_angles: tuple[Parameter, Parameter]
    echo_spacing: Parameter = 0.0067
    excitations: Parameter = 160.0
    inversion_efficiency: Parameter = 0.96
    field_strength: float = 3.0
    name: ClassVar[str] = "mp2rage"
    needs: ClassVar[tuple[str, ...]] = ("pd", "r1")
    components: ClassVar[int] = 2

    def __post_init__(self) -> None:
        first_ti, second_ti = self.inversion_times
        seconds(self.name, LONGEST_ECHO_TIME, echo_time=self.echo_time, echo_spacing=self.echo_spacing)
        times = {"first_inversion_time": first_ti, "second_inversion_time": second_ti}
        seconds(self.name, 60.0, repetition_time=self.repetition_time, **times)
        positive(self.name, excitations=self.excitations)
        radians(self.name, first_flip_angle=self.flip_angles[0], second_flip_angle=self.flip_angles[1])
        inversion_efficiency_is_possible(self.name, self.inversion_efficiency)
        at_least(self.name, self.echo_spacing, "the echo spacing", self.echo_time, "EchoTime")
        train = self.excitations * self.echo_spacing
        at_least(self.name, first_ti, "the first InversionTime", 0.5 * train, "half of the readout train")
        at_least(self.name, second_ti, "the second InversionTime", first_ti + train, "the first plus one readout train")
        end = second_ti + 0.5 * train
        at_least(self.name, self.repetition_time, "RepetitionTime", end, "the second TI plus half of the readout train")

    def signal(self, tissue: TissueMaps) -> Tensor:
        """The two signed inversion images ``[batch, 2, x, y, z]``; without R2* their common decay is left out."""
        tissue.require(self.needs, self.name)
        r1, half_count = tissue.r1, 0.5 * self.excitations
        train = self.excitations * self.echo_spacing
        (ti1, ti2), (angle1, angle2) = self.inversion_times, self.flip_angles
        (sine1, cosine1), (sine2, cosine2) = flip(tissue, angle1), flip(tissue, angle2)
        half1 = excitations(cosine1, r1, self.echo_spacing, half_count)
        half2 = excitations(cosine2, r1, self.echo_spacing, half_count)
        to_first = wait(r1, ti1 - 0.5 * train).then(half1)
        to_second = to_first.then(half1).then(wait(r1, ti2 - ti1 - train)).then(half2)
        rest = half2.then(wait(r1, self.repetition_time - ti2 - 0.5 * train))
        inversion = -per_voxel(self.inversion_efficiency)
        cycle = to_second.then(rest)
        inverted = inversion * cycle.gain / (1.0 - inversion * cycle.factor)
        both = torch.cat((to_first.of(inverted) * sine1, to_second.of(inverted) * sine2), dim=1)
        if tissue.r2star is not None:
            both = both * torch.exp(-per_voxel(self.echo_time) * tissue.r2star)
        return received(tissue, both)

    def image(self, signal: AnyVolume) -> Volume:
        """The signed UNI image ``[batch, 1, x, y, z]`` in [-0.5, 0.5]; 0 where there is no signal at all."""
        one, two = signal[:, :1], signal[:, 1:]
        power = one.abs() ** 2 + two.abs() ** 2
        product = (one.conj() * two).real if signal.is_complex() else one * two
        return torch.where(power > 0, product / power.clamp(min=torch.finfo(power.dtype).tiny), 0.0)

    def bids(self) -> dict[str, Any]:
        """The protocol in BIDS terms."""
        return {
            "PulseSequenceType": "MP2RAGE",
            "EchoTime": first(self.echo_time),
            "RepetitionTime": first(self.repetition_time),
            "RepetitionTimeExcitation": first(self.echo_spacing),
            "NumberShots": round(first(self.excitations)),
            "InversionTime": [first(t) for t in self.inversion_times],
            "FlipAngle": [round(math.degrees(first(a)), 6) for a in self.flip_angles],
            "MagneticFieldStrength": self.field_strength,
        }
