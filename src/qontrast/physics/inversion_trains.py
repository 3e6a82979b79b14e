"""MPRAGE and MP2RAGE: an inversion, then one or two trains of spoiled excitations, in their steady state."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from qontrast.basics.shapes import AnyVolume, Volume
from qontrast.physics.feasible import (
    LONGEST_ECHO_TIME,
    LONGEST_TIME,
    Parameter,
    at_least,
    efficiency,
    positive,
    radians,
    seconds,
)
from qontrast.physics.flip import pulse
from qontrast.physics.gradient_echo import received
from qontrast.physics.passage import excitations, wait
from qontrast.physics.relaxation import decay
from qontrast.physics.sequence import Sequence, degrees, first
from qontrast.physics.tissue import TissueMaps

LARGEST_FLIP = 0.5 * math.pi  # of a readout train: beyond it Mz changes sign with each excitation


@dataclass(frozen=True)
class MPRAGE(Sequence):
    """Magnetisation-prepared rapid gradient echo; TI is from the inversion to the centre of k-space.

    With Mz the steady-state magnetisation at the centre of the train (see :mod:`qontrast.physics.passage`):
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
    decays_by_r2star: ClassVar[bool] = True

    def __post_init__(self) -> None:
        seconds(self.name, LONGEST_ECHO_TIME, echo_time=self.echo_time, echo_spacing=self.echo_spacing)
        seconds(self.name, LONGEST_TIME, repetition_time=self.repetition_time, inversion_time=self.inversion_time)
        positive(self.name, excitations=self.excitations)
        radians(self.name, LARGEST_FLIP, flip_angle=self.flip_angle)
        efficiency(self.name, self.inversion_efficiency)
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
        sine, lost = pulse(tissue, self.flip_angle)
        half = excitations(lost, r1, self.echo_spacing, half_count)
        to_centre = wait(r1, self.inversion_time - half_train).then(half)
        rest = half.then(wait(r1, self.repetition_time - self.inversion_time - half_train))
        inverted = to_centre.then(rest).inverted(self.inversion_efficiency).steady()
        return received(tissue, sine * decay(tissue.r2star, self.echo_time)) * to_centre.of(inverted)

    def bids(self) -> dict[str, Any]:
        """The protocol in BIDS terms."""
        return {
            "PulseSequenceType": "MPRAGE",
            "EchoTime": first(self.echo_time),
            "RepetitionTime": first(self.repetition_time),
            "RepetitionTimeExcitation": first(self.echo_spacing),
            "InversionTime": first(self.inversion_time),
            "InversionEfficiency": first(self.inversion_efficiency),
            "NumberShots": round(first(self.excitations)),
            "FlipAngle": degrees(self.flip_angle),
            "MagneticFieldStrength": self.field_strength,
        }


@dataclass(frozen=True)
class MP2RAGE(Sequence):
    """Two readout trains after one inversion; the image is the signed UNI in [-0.5, 0.5].

    S1 and S2 are the steady-state signals at the centres of the trains, and
    UNI = (Re(S1* S2) - b) / (|S1|^2 + |S2|^2 + 2 b): with b = 0, PD, T2* and the receive field cancel; the robust
    variant's ``robustness`` b, in squared units of PD, turns the noise of air to -0.5.
    Marques et al. 2010 (doi:10.1016/j.neuroimage.2009.10.002); O'Brien et al. 2014 (doi:10.1371/journal.pone.0099676).
    """

    echo_time: Parameter
    repetition_time: Parameter
    inversion_times: tuple[Parameter, Parameter]
    flip_angles: tuple[Parameter, Parameter]
    echo_spacing: Parameter = 0.0067
    excitations: Parameter = 160.0
    inversion_efficiency: Parameter = 0.96
    robustness: float = 0.0
    field_strength: float = 3.0
    name: ClassVar[str] = "mp2rage"
    needs: ClassVar[tuple[str, ...]] = ("pd", "r1")
    components: ClassVar[int] = 2

    def __post_init__(self) -> None:
        first_ti, second_ti = self.inversion_times
        seconds(self.name, LONGEST_ECHO_TIME, echo_time=self.echo_time, echo_spacing=self.echo_spacing)
        times = {"first_inversion_time": first_ti, "second_inversion_time": second_ti}
        seconds(self.name, LONGEST_TIME, repetition_time=self.repetition_time, **times)
        positive(self.name, excitations=self.excitations)
        radians(self.name, LARGEST_FLIP, first_flip_angle=self.flip_angles[0], second_flip_angle=self.flip_angles[1])
        efficiency(self.name, self.inversion_efficiency)
        at_least(self.name, self.echo_spacing, "the echo spacing", self.echo_time, "EchoTime")
        train = self.excitations * self.echo_spacing
        at_least(self.name, first_ti, "the first InversionTime", 0.5 * train, "half of the readout train")
        at_least(self.name, second_ti, "the second InversionTime", first_ti + train, "the first plus one readout train")
        end = second_ti + 0.5 * train
        at_least(self.name, self.repetition_time, "RepetitionTime", end, "the second TI plus half of the readout train")

    def signal(self, tissue: TissueMaps) -> Tensor:
        """The two signed inversion images ``[batch, 2, x, y, z]``; without R2* their common decay is left out."""
        return torch.cat(self.parts(tissue), dim=1)

    def parts(self, tissue: TissueMaps) -> tuple[Tensor, ...]:
        """See :meth:`Sequence.parts`."""
        tissue.require(self.needs, self.name)
        r1, half_count = tissue.r1, 0.5 * self.excitations
        train = self.excitations * self.echo_spacing
        (ti1, ti2), (angle1, angle2) = self.inversion_times, self.flip_angles
        (sine1, lost1), (sine2, lost2) = pulse(tissue, angle1), pulse(tissue, angle2)
        half1 = excitations(lost1, r1, self.echo_spacing, half_count)
        half2 = excitations(lost2, r1, self.echo_spacing, half_count)
        to_first = wait(r1, ti1 - 0.5 * train).then(half1)
        to_second = to_first.then(half1).then(wait(r1, ti2 - ti1 - train).then(half2))
        rest = half2.then(wait(r1, self.repetition_time - ti2 - 0.5 * train))
        inverted = to_second.then(rest).inverted(self.inversion_efficiency).steady()
        left = 1.0 if tissue.r2star is None else decay(tissue.r2star, self.echo_time)
        one, two = received(tissue, sine1 * left), received(tissue, sine2 * left)
        return one * to_first.of(inverted), two * to_second.of(inverted)

    def image(self, signal: AnyVolume) -> Volume:
        """The signed UNI image ``[batch, 1, x, y, z]`` in [-0.5, 0.5]; 0 where there is no signal at all."""
        return self._uni(*([signal.real, signal.imag] if signal.is_complex() else [signal]))

    def image_of(self, real: AnyVolume, imaginary: AnyVolume) -> Volume:
        """See :meth:`Sequence.image_of`."""
        return self._uni(real, imaginary)

    def _uni(self, *parts: AnyVolume) -> Volume:
        power, product = (torch.full_like(parts[0][:, :1], b) for b in (2.0 * self.robustness, -self.robustness))
        for part in parts:
            one, two = part[:, :1], part[:, 1:]
            power.addcmul_(one, one).addcmul_(two, two)
            product.addcmul_(one, two)
        return product.div_(power.clamp_(min=torch.finfo(power.dtype).tiny))

    def bids(self) -> dict[str, Any]:
        """The protocol in BIDS terms."""
        return {
            "PulseSequenceType": "MP2RAGE",
            "EchoTime": first(self.echo_time),
            "RepetitionTime": first(self.repetition_time),
            "RepetitionTimeExcitation": first(self.echo_spacing),
            "InversionTime": [first(t) for t in self.inversion_times],
            "InversionEfficiency": first(self.inversion_efficiency),
            "NumberShots": round(first(self.excitations)),
            "FlipAngle": [degrees(a) for a in self.flip_angles],
            "MagneticFieldStrength": self.field_strength,
        }
