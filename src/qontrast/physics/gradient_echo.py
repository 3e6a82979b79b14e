"""Spoiled gradient echoes: SPGR with or without an MT pulse, GRE, MT-weighted FLASH and T2*-weighted imaging."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor

from qontrast.basics.shapes import AnyVolume, Volume
from qontrast.physics.feasible import (
    LONGEST_ECHO_TIME,
    LONGEST_TIME,
    Parameter,
    at_least,
    per_voxel,
    positive,
    radians,
    seconds,
)
from qontrast.physics.flip import pulse
from qontrast.physics.precession import in_one_pass, one_pass
from qontrast.physics.precession_loops import wind
from qontrast.physics.relaxation import decay, recovery
from qontrast.physics.sequence import Sequence, degrees, first
from qontrast.physics.tissue import TissueMaps

ArrayOrTensor = TypeVar("ArrayOrTensor", np.ndarray, Tensor)


def spoiled_steady_state(tissue: TissueMaps, tr: Parameter, flip_angle: Parameter, mt: Tensor | None = None) -> Tensor:
    """Transverse magnetisation at TE = 0 of an ideally spoiled gradient echo, in units of PD.

    Every TR: an MT pulse that removes the fraction ``mt`` of Mz, an excitation by ``flip_angle`` B1+, recovery:
    M = sin(a) (1 - mt) (1 - E1) / (1 - (1 - mt) cos(a) E1), with E1 = exp(-TR R1); Ernst and Anderson 1966
    (doi:10.1063/1.1719961), with the saturation per pulse of Helms et al. 2008 (doi:10.1002/mrm.21732).
    """
    # The denominator, 1 - (1 - mt) cos(a) E1, is sorted so that it is exact where TR R1 is tiny.
    recovered = recovery(tissue.r1, tr)
    sine, lost = pulse(tissue, flip_angle)
    if mt is not None:
        sine, lost = sine * (1.0 - mt), lost + mt * (1.0 - lost)
    # It is 0 only in air (R1 = 0) that the transmit field does not reach, where there is no signal.
    return sine * recovered / (lost + (1.0 - lost) * recovered).clamp(min=1e-9)


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


def _saturated(tissue: TissueMaps, power: Parameter) -> Tensor:
    """What a pulse of so many times the nominal power saturates, from none to all of Mz."""
    assert tissue.mt is not None
    mt = per_voxel(power) * tissue.mt
    return (mt if tissue.b1_transmit is None else mt_saturation(mt, tissue.b1_transmit)).clamp(0.0, 1.0)


def ernst_angle(tr: float, t1: float) -> float:
    """The flip angle (rad) of most signal: arccos(exp(-TR/T1)); Ernst and Anderson 1966 (doi:10.1063/1.1719961)."""
    return math.acos(math.exp(-tr / t1))


def received(tissue: TissueMaps, magnetisation: Tensor) -> Tensor:
    """Magnetisation times PD and the receive sensitivity."""
    signal = tissue.pd * magnetisation
    return signal if tissue.b1_receive is None else signal * tissue.b1_receive


@dataclass(frozen=True)
class SpoiledGradientEcho(Sequence):
    """What spoiled gradient echoes share: S = PD sin(a) (1 - E1) / (1 - cos(a) E1) exp(-TE R2*)."""

    echo_time: Parameter
    repetition_time: Parameter
    flip_angle: Parameter

    needs: ClassVar[tuple[str, ...]] = ("pd", "r1", "r2star")
    decays_by_r2star: ClassVar[bool] = True

    def __post_init__(self) -> None:
        seconds(self.name, LONGEST_ECHO_TIME, echo_time=self.echo_time)
        seconds(self.name, LONGEST_TIME, repetition_time=self.repetition_time)
        radians(self.name, flip_angle=self.flip_angle)
        at_least(self.name, self.repetition_time, "RepetitionTime", self.echo_time, "EchoTime")

    def saturation(self, tissue: TissueMaps) -> Tensor | None:
        """The fraction of Mz that an MT pulse saturates; None where there is no pulse."""
        return None

    def signal(self, tissue: TissueMaps) -> Tensor:
        """The signed signal ``[batch, 1, x, y, z]``; see the class for the equation."""
        tissue.require(self.needs, self.name)
        return self.steady(tissue)

    def steady(self, tissue: TissueMaps) -> Tensor:
        """See :meth:`Sequence.steady`."""
        assert tissue.r2star is not None
        transverse = spoiled_steady_state(tissue, self.repetition_time, self.flip_angle, self.saturation(tissue))
        return received(tissue, transverse * decay(tissue.r2star, self.echo_time))

    def bids(self) -> dict[str, Any]:
        """The protocol in BIDS terms."""
        return {
            "PulseSequenceType": self.name.upper(),
            "EchoTime": first(self.echo_time),
            "RepetitionTime": first(self.repetition_time),
            "FlipAngle": degrees(self.flip_angle),
            "MagneticFieldStrength": self.field_strength,
        }


@dataclass(frozen=True)
class SPGR(SpoiledGradientEcho):
    """RF-spoiled gradient echo (FLASH, T1-FFE), with an MT pulse before each excitation if ``mt_pulse``.

    S = PD sin(a) (1 - d) (1 - E1) / (1 - (1 - d) cos(a) E1) exp(-TE R2*), d = 0 with the MT pulse off and
    :func:`mt_saturation` with it on (Ernst and Anderson 1966, doi:10.1063/1.1719961; Helms et al. 2008,
    doi:10.1002/mrm.21732).
    """

    mt_pulse: bool = False
    field_strength: float = 3.0
    name: ClassVar[str] = "spgr"

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """MTsat only with the MT pulse on."""
        return ("pd", "r1", "r2star", "mt") if self.mt_pulse else ("pd", "r1", "r2star")

    def saturation(self, tissue: TissueMaps) -> Tensor | None:
        """See :meth:`SpoiledGradientEcho.saturation`."""
        return _saturated(tissue, 1.0) if self.mt_pulse else None

    def bids(self) -> dict[str, Any]:
        """The protocol in BIDS terms."""
        return {**super().bids(), "MTState": self.mt_pulse}


@dataclass(frozen=True)
class MT(SpoiledGradientEcho):
    """MT-weighted FLASH: S = PD sin(a) (1 - d) (1 - E1) / (1 - (1 - d) cos(a) E1) exp(-TE R2*).

    d is :func:`mt_saturation` times ``pulse_power``, the pulse's power relative to that of the MTsat map's protocol
    (Helms et al. 2008, doi:10.1002/mrm.21732; Weiskopf et al. 2013, doi:10.3389/fnins.2013.00095).
    """

    pulse_power: Parameter = 1.0
    field_strength: float = 3.0
    name: ClassVar[str] = "mt"
    needs: ClassVar[tuple[str, ...]] = ("pd", "r1", "r2star", "mt")

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self.name, pulse_power=self.pulse_power)

    def saturation(self, tissue: TissueMaps) -> Tensor | None:
        """See :meth:`SpoiledGradientEcho.saturation`."""
        return _saturated(tissue, self.pulse_power)

    def bids(self) -> dict[str, Any]:
        """The protocol in BIDS terms."""
        return {**super().bids(), "MTState": True}


@dataclass(frozen=True)
class GRE(SpoiledGradientEcho):
    """Spoiled gradient echo at one echo time of a multi-echo readout, without MT pulse: T2*- or PD-weighted.

    S = PD sin(a) (1 - E1) / (1 - cos(a) E1) exp(-TE R2*); Ernst and Anderson 1966 (doi:10.1063/1.1719961).
    Several echoes are one call with ``echo_time`` a tensor over the batch.
    """

    field_strength: float = 3.0
    name: ClassVar[str] = "gre"


@dataclass(frozen=True)
class T2Star(SpoiledGradientEcho):
    """T2*-weighted gradient echo, and the susceptibility-weighted magnitude if ``phase_mask`` is above 0.

    S = PD sin(a) (1 - E1) / (1 - cos(a) E1) exp(-TE R2*) exp(-i 2 pi dB0 TE). Susceptibility weighting multiplies the
    magnitude ``phase_mask`` times by a mask that falls from 1 to 0 as the phase, freed of its slow variation by a
    homodyne filter, falls from 0 to -pi (Haacke et al. 2004, doi:10.1002/mrm.20198; there 4 times).
    """

    phase_mask: int = 0
    field_strength: float = 3.0
    name: ClassVar[str] = "t2star"

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """The static field only where the phase is used."""
        return ("pd", "r1", "r2star", "b0") if self.phase_mask else ("pd", "r1", "r2star")

    @property
    def uses_b0(self) -> bool:
        """See :attr:`Sequence.uses_b0`."""
        return self.phase_mask > 0

    @property
    def is_magnitude(self) -> bool:
        """See :attr:`Sequence.is_magnitude`."""
        return self.phase_mask == 0

    def signal(self, tissue: TissueMaps) -> Tensor:
        """The signal ``[batch, 1, x, y, z]``: signed, or complex with a phase mask; see the class for the equation."""
        signal = super().signal(tissue)
        if not self.phase_mask:
            return signal
        assert tissue.b0 is not None
        return self.precessed(signal, tissue.b0)

    def precessed(self, steady: Tensor, b0: Tensor) -> Tensor:
        """See :meth:`Sequence.precessed`."""
        if in_one_pass(steady, b0, self.echo_time):
            return one_pass(wind, steady, b0, self.echo_time)
        phase = -2.0 * math.pi * per_voxel(self.echo_time) * b0
        return torch.complex(steady * torch.cos(phase), steady * torch.sin(phase))

    def image(self, signal: AnyVolume) -> Volume:
        """The magnitude, darkened by the phase mask."""
        magnitude = signal.abs()
        if not self.phase_mask or not signal.is_complex():
            return magnitude
        phase = torch.angle(signal * slow_part(signal).conj())
        mask = (1.0 + phase / math.pi).clamp(0.0, 1.0)
        return magnitude * mask**self.phase_mask


def slow_part(signal: Tensor, kept: float = 0.125) -> Tensor:
    """The complex image of k-space's central share, Hann-weighted: what a homodyne filter divides by."""
    spectrum = torch.fft.fftn(signal, dim=(-3, -2, -1))
    for dim in (-3, -2, -1):
        distance = torch.fft.fftfreq(signal.shape[dim], device=signal.device).abs() / (0.5 * kept)
        window = torch.where(distance < 1, 0.5 + 0.5 * torch.cos(math.pi * distance), 0.0)
        spectrum = spectrum * window.reshape([-1 if d == dim else 1 for d in (-5, -4, -3, -2, -1)])
    return torch.fft.ifftn(spectrum, dim=(-3, -2, -1))
