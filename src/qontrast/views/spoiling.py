"""What a scanner does to a signal: the artefacts of one scan, drawn as often as its sequence suffers from them."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from qontrast.artefacts import prevalence as rates
from qontrast.artefacts.bias import BiasField, CoilArray, draw_bias, draw_coil_array
from qontrast.artefacts.dropout import Dephasing, draw_cavities
from qontrast.artefacts.encoding import Encoding
from qontrast.artefacts.erasure import Erasure, draw_erasure
from qontrast.artefacts.kspace import TREATMENTS, BackgroundPhase, PartialFourier, Resolution, draw_phase
from qontrast.artefacts.motion import RigidMotion, draw_motion
from qontrast.artefacts.noise import ComplexNoise, unchanged
from qontrast.artefacts.prevalence import Prevalence, prevalence
from qontrast.artefacts.slices import SliceStack
from qontrast.basics.randomness import chance, choice, derive, log_uniform, uniform
from qontrast.basics.shapes import AnyVolume, Volume
from qontrast.physics.sequence import Sequence
from qontrast.views.plan import ArtefactRanges

Size = tuple[float, float, float]


@dataclass(frozen=True)
class Spoiling:
    """The artefacts drawn for one scan, in the order in which they arise.

    Args:
        dropout: dephasing by the static field, of gradient echoes.
        bias: a smooth receive field.
        coils: the shading of a coil array.
        motion: while k-space is acquired.
        phase: behind the image, which partial Fourier has to cope with.
        encoding: voxels in the plane and across it.
        noise: of the coils, before the magnitude.
        partial_fourier: what the scanner makes of a k-space with a part left out.
        erasure: boxes erased from the image: an augmentation, no scanner's doing.
    """

    bias: BiasField
    noise: ComplexNoise
    encoding: Encoding
    dropout: Dephasing | None = None
    coils: CoilArray | None = None
    motion: RigidMotion | None = None
    phase: BackgroundPhase | None = None
    partial_fourier: PartialFourier | None = None
    erasure: Erasure | None = None

    def parts(self) -> dict[str, Any]:
        """What was drawn, by name."""
        drawn = {
            "noise": self.noise,
            "dropout": self.dropout,
            "bias": self.bias,
            "coils": self.coils,
            "motion": self.motion,
            "encoding": self.encoding if self.encoding.parts else None,
            "phase": self.phase,
            "partial_fourier": self.partial_fourier,
            "erasure": self.erasure,
        }
        return {name: part for name, part in drawn.items() if part is not None}

    def describe(self) -> str:
        """For a caption."""
        return ", ".join(part.describe() for part in self.parts().values())

    def facts(self) -> dict[str, Any]:
        """Everything that was drawn as plain numbers, for a sidecar; the image can be made again from them."""
        return {name: _plain(asdict(part)) for name, part in self.parts().items()}


def draw_spoiling(
    ranges: ArtefactRanges, sequence: Sequence, shape: tuple[int, int, int], voxel: Size, generator: torch.Generator
) -> Spoiling:
    """Draw a scan's artefacts.

    Each has a generator of its own, so that what one sequence suffers from changes nothing of what all share.

    Args:
        ranges: the plan's.
        sequence: decides which artefacts, and how strong.
        shape: of the image, voxels.
        voxel: of the image, mm.
        generator: where the randomness comes from.
    """
    seed = int(torch.randint(2**62, (), generator=generator))
    row, field = prevalence(sequence.name), float(sequence.bids()["MagneticFieldStrength"])
    # Axes: across slices (or partitions), of phase encoding, of the readout.
    axes = _axes(derive(seed, "axes"))
    parts = _draw_encoding(ranges, row, field, axes, voxel, derive(seed, "encoding"))
    kept = {p.axis: p.kept for p in parts if isinstance(p, Resolution)}
    partial, phase = _draw_partial_fourier(ranges, row, axes[1], kept, derive(seed, "partial Fourier"))
    motion = None
    own = derive(seed, "motion")
    if chance(ranges.strength * ranges.motion * row.motion, own):
        strength = log_uniform(rates.MOTION_MM, own), log_uniform(rates.MOTION_DEGREES, own)
        shots = round(uniform(rates.SHOTS, own))
        motion = draw_motion(strength, axes[1], row.order, voxel, own, kept=kept.get(axes[1], 1.0), shots=shots)
    own = derive(seed, "bias")
    bias = draw_bias(ranges.strength * ranges.bias * uniform((0.0, 1.0), own), own)
    coils = None
    if ranges.bias > 0 and chance(ranges.strength * rates.SHADED, own):
        coils = draw_coil_array(voxel, own, exponent=uniform((0.2, 1.0), own))
    erasure, own = None, derive(seed, "erasure")
    if chance(ranges.strength * ranges.erasure, own):
        erasure = draw_erasure(shape, ranges.erased_boxes, ranges.erased_size, own)
    return Spoiling(
        bias=bias,
        noise=_draw_noise(ranges, row, sequence, field, seed),
        encoding=Encoding(parts),
        dropout=_draw_dropout(ranges, row, sequence, field, parts, axes[2], shape, voxel, derive(seed, "dropout")),
        coils=coils,
        motion=motion,
        phase=phase,
        partial_fourier=partial,
        erasure=erasure,
    )


def scanned(sequence: Sequence, signal: AnyVolume, spoiling: Spoiling, b0: Volume | None = None) -> Volume:
    """The scanner's image ``[batch, 1, x, y, z]`` of a signal ``[batch, components, x, y, z]``, with its artefacts.

    All components have the same artefacts and noise of their own. ``b0`` is the off-resonance on the same grid, Hz.
    """
    if spoiling.dropout is not None and (b0 is not None or spoiling.dropout.cavities):
        signal = spoiling.dropout(signal, b0)
    for part in (spoiling.bias, spoiling.coils, spoiling.motion, spoiling.phase, spoiling.encoding):
        if part is not None:
            signal = part(signal)
    reconstruct = spoiling.partial_fourier or unchanged
    return sequence.image(spoiling.noise(signal, spoiling.encoding.noise, reconstruct))


def _axes(generator: torch.Generator) -> tuple[int, int, int]:
    across = int(torch.multinomial(torch.tensor(rates.PLANES), 1, generator=generator))
    plane = [axis for axis in range(3) if axis != across]
    if chance(0.5, generator):
        plane.reverse()
    return across, plane[0], plane[1]


def _draw_encoding(
    ranges: ArtefactRanges,
    row: Prevalence,
    field: float,
    axes: tuple[int, int, int],
    voxel: Size,
    generator: torch.Generator,
) -> tuple[Resolution | SliceStack, ...]:
    low_field = field < rates.LOW_FIELD
    parts: list[Resolution | SliceStack] = []
    across, *plane = axes
    sliced = chance(ranges.strength * ranges.thick_slices * (1.0 if low_field else row.slices), generator)
    thickness = max(uniform(row.thickness, generator), voxel[across], rates.LOW_FIELD_SLICE if low_field else 0.0)
    gap, offset = uniform(row.gap, generator) * thickness, uniform((-0.5, 0.5), generator)
    if sliced and thickness + gap > 1.05 * voxel[across]:
        parts.append(SliceStack(across, thickness, gap, voxel[across], offset))
    coarse = chance(ranges.strength * ranges.gibbs * (1.0 if low_field else row.gibbs), generator)
    taper = uniform((0.2, 0.6), generator) if chance(rates.FILTERED, generator) else 0.0
    for axis in plane if parts else (*plane, across):
        acquired = voxel[axis] * uniform(rates.COARSER, generator)
        acquired = max(acquired, rates.LOW_FIELD_VOXEL if low_field else 0.0)
        if coarse and chance(0.75, generator):
            parts.append(Resolution(axis, acquired, voxel[axis], taper))
    return tuple(parts)


def _draw_partial_fourier(
    ranges: ArtefactRanges, row: Prevalence, axis: int, kept: dict[int, float], generator: torch.Generator
) -> tuple[PartialFourier | None, BackgroundPhase | None]:
    if not chance(ranges.strength * ranges.partial_fourier * row.partial_fourier, generator):
        return None, None
    fraction, treatment = choice(rates.FRACTIONS, generator), choice(TREATMENTS, generator)
    phase = draw_phase(rates.PHASE, generator)
    return PartialFourier(axis, fraction, treatment, kept.get(axis, 1.0)), phase


def _draw_dropout(
    ranges: ArtefactRanges,
    row: Prevalence,
    sequence: Sequence,
    field: float,
    parts: tuple[Resolution | SliceStack, ...],
    readout: int,
    shape: tuple[int, int, int],
    voxel: Size,
    generator: torch.Generator,
) -> Dephasing | None:
    if not (row.gradient_echo and chance(ranges.strength * ranges.dropout, generator)):
        return None
    size = list(voxel)
    for part in parts:
        size[part.axis] = part.thickness if isinstance(part, SliceStack) else part.acquired
    edges = tuple(n * s for n, s in zip(shape, voxel, strict=True))
    near = chance(rates.NEAR_AIR, generator)
    cavities = draw_cavities((edges[0], edges[1], edges[2]), generator) if near else ()
    bandwidth = log_uniform(rates.BANDWIDTH, generator)
    echo_time = sequence.bids()["EchoTime"]
    longest = max(echo_time) if isinstance(echo_time, list) else float(echo_time)
    return Dephasing(longest, (size[0], size[1], size[2]), voxel, field, cavities, readout, bandwidth)


def _draw_noise(ranges: ArtefactRanges, row: Prevalence, sequence: Sequence, field: float, seed: int) -> ComplexNoise:
    generator = derive(seed, "noise")
    noise_seed = int(torch.randint(2**62, (), generator=generator))
    low, high = ranges.snr
    snr = log_uniform(row.snr, generator) * rates.snr_at(field) / max(ranges.strength, 1e-6)
    snr = min(high, max(low, snr))
    coils = max(1, round(choice(rates.coil_counts(field), generator) * uniform(rates.EFFECTIVE, generator)))
    # MP2RAGE divides complex images: theirs are always combined with the phases.
    squares = sequence.components == 1 and chance(
        ranges.strength * ranges.sum_of_squares * rates.SUM_OF_SQUARES, generator
    )
    return ComplexNoise(snr, noise_seed, coils if squares else 1)


def _plain(value: Any) -> Any:
    """Tensors and tuples as lists, numbers to six digits."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, Tensor):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
