"""What a scanner does to a signal: the artefacts of one scan, drawn as often as its sequence suffers from them."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from qontrast.artefacts import prevalence as rates
from qontrast.artefacts.bias import BiasField, CoilArray, draw_bias, draw_coil_array, shaded
from qontrast.artefacts.dropout import Dephasing, draw_cavities
from qontrast.artefacts.encoding import Encoding
from qontrast.artefacts.erasure import Erasure, draw_erasure
from qontrast.artefacts.kspace import TREATMENTS, BackgroundPhase, PartialFourier, Resolution, draw_phase
from qontrast.artefacts.motion import RigidMotion, draw_motion
from qontrast.artefacts.noise import ComplexNoise
from qontrast.artefacts.planes import Planes
from qontrast.artefacts.prevalence import Prevalence, prevalence
from qontrast.artefacts.slices import SliceStack
from qontrast.basics.randomness import chance, choice, derive, log_uniform, uniform
from qontrast.basics.shapes import AnyVolume, Volume
from qontrast.physics.sequence import Sequence
from qontrast.views.plan import ArtefactRanges

Size = tuple[float, float, float]
ADDED_SNR = (15.0, 150.0)
"""Of the noise that is added to real scans, which have noise of their own (a guess)."""


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
        """Everything that was drawn as plain numbers of six digits, for a sidecar."""
        return {name: _plain(asdict(part)) for name, part in self.parts().items()}


def noise_alone(noise: ComplexNoise) -> Spoiling:
    """No artefact but noise."""
    return Spoiling(bias=BiasField(torch.zeros(4, 4, 4)), noise=noise, encoding=Encoding())


def scanned(sequence: Sequence | None, signal: AnyVolume, spoiling: Spoiling, b0: Volume | None = None) -> Volume:
    """The scanner's image ``[batch, 1, x, y, z]`` of a signal ``[batch, components, x, y, z]``, with its artefacts.

    All components have the same artefacts and noise of their own. ``b0`` is the off-resonance on the same grid, Hz.
    Without a sequence the signal is an image already, and its magnitude is taken again after what is added.
    """
    image = Planes.of(signal)
    dropout = spoiling.dropout
    if dropout is not None:
        image = image.each(lambda part: dropout(part, b0))
    shadings = [part for part in (spoiling.bias, spoiling.coils) if part is not None]
    image = image.each(lambda part: shaded(part, *shadings))
    for part in (spoiling.motion, spoiling.phase):
        if part is not None:
            image = part.apart(image)
    if sequence is None or sequence.is_magnitude:
        return spoiling.noise.magnitude(image, spoiling.encoding, spoiling.partial_fourier)
    noisy = spoiling.noise.apart(image, spoiling.encoding, spoiling.partial_fourier)
    assert noisy.imaginary is not None
    return sequence.image_of(noisy.real, noisy.imaginary)


@dataclass(frozen=True)
class _Scan:
    """What the draws need to know of a scan.

    ``axes`` are those across the slices (or partitions), of phase encoding and of the readout.
    """

    ranges: ArtefactRanges
    row: Prevalence
    sequence: Sequence
    field: float
    shape: tuple[int, int, int]
    voxel: Size
    axes: tuple[int, int, int]
    field_known: bool

    def chance(self, knob: str, rate: float, generator: torch.Generator) -> bool:
        """Whether an artefact with this knob in the plan and this rate in the clinic is there."""
        return chance(self.ranges.strength * float(getattr(self.ranges, knob)) * rate, generator)


def draw_spoiling(
    ranges: ArtefactRanges,
    sequence: Sequence,
    shape: tuple[int, int, int],
    voxel: Size,
    generator: torch.Generator,
    *,
    field_known: bool = False,
) -> Spoiling:
    """Draw a scan's artefacts.

    Each has a generator of its own, so that what one sequence suffers from changes nothing of what all share.

    Args:
        ranges: the plan's.
        sequence: decides which artefacts, and how strong.
        shape: of the image, voxels.
        voxel: of the image, mm.
        generator: where the randomness comes from.
        field_known: whether the tissue has a map of its static field; if not, air is put near some of the scans.
    """
    seed = int(torch.randint(2**62, (), generator=generator))
    strength = float(sequence.bids()["MagneticFieldStrength"])
    row, axes = prevalence(sequence.name), _draw_axes(derive(seed, "axes"))
    scan = _Scan(ranges, row, sequence, strength, shape, voxel, axes, field_known)
    parts = _draw_encoding(scan, derive(seed, "encoding"))
    kept = next((p.kept for p in parts if isinstance(p, Resolution) and p.axis == axes[1]), 1.0)
    partial, phase = _draw_partial_fourier(scan, kept, derive(seed, "partial Fourier"))
    bias, coils = _draw_bias(scan, derive(seed, "bias"))
    erasure, own = None, derive(seed, "erasure")
    if scan.chance("erasure", 1.0, own):
        erasure = draw_erasure(shape, ranges.erased_boxes, ranges.erased_size, own)
    return Spoiling(
        bias=bias,
        noise=_draw_noise(scan, derive(seed, "noise")),
        encoding=Encoding(parts),
        dropout=_draw_dropout(scan, parts, derive(seed, "dropout")),
        coils=coils,
        motion=_draw_motion(scan, kept, derive(seed, "motion")),
        phase=phase,
        partial_fourier=partial,
        erasure=erasure,
    )


def draw_added(ranges: ArtefactRanges, shape: tuple[int, int, int], generator: torch.Generator) -> Spoiling:
    """Draw what is added to a scan that was really made: some bias, a little noise, erasure.

    Args:
        ranges: the plan's.
        shape: of the image, voxels.
        generator: where the randomness comes from.
    """
    seed = int(torch.randint(2**62, (), generator=generator))
    own = derive(seed, "noise")
    snr = log_uniform(ADDED_SNR, own) / ranges.strength if ranges.strength > 0 else math.inf
    shading = derive(seed, "bias")
    spread = ranges.strength * ranges.bias * uniform((0.0, 1.0), shading)
    erasure, boxes = None, derive(seed, "erasure")
    if chance(ranges.strength * ranges.erasure, boxes):
        erasure = draw_erasure(shape, ranges.erased_boxes, ranges.erased_size, boxes)
    snr = snr if math.isinf(snr) else min(max(snr, ranges.snr[0]), ranges.snr[1])
    noise = ComplexNoise(snr, int(torch.randint(2**62, (), generator=own)))
    return Spoiling(bias=draw_bias(spread, shading), noise=noise, encoding=Encoding(), erasure=erasure)


def _draw_axes(generator: torch.Generator) -> tuple[int, int, int]:
    across = int(torch.multinomial(torch.tensor(rates.PLANES), 1, generator=generator))
    plane = [axis for axis in range(3) if axis != across]
    if chance(0.5, generator):
        plane.reverse()
    return across, plane[0], plane[1]


def _draw_encoding(scan: _Scan, generator: torch.Generator) -> tuple[Resolution | SliceStack, ...]:
    """Slices or partitions, and lines of k-space, as coarse as scans at this field are."""
    row, low_field = scan.row, scan.field < rates.LOW_FIELD
    across, *plane = scan.axes
    parts: list[Resolution | SliceStack] = []
    sliced = scan.chance("thick_slices", 1.0 if low_field else row.slices, generator)
    voxel = scan.voxel[across]
    thickness = max(uniform(row.thickness, generator), voxel, rates.LOW_FIELD_SLICE if low_field else 0.0)
    gap, offset = uniform(row.gap, generator) * thickness, uniform((-0.5, 0.5), generator)
    if sliced and thickness + gap > 1.05 * voxel:
        parts.append(SliceStack(across, thickness, gap, voxel, offset))
    coarse = scan.chance("gibbs", 1.0 if low_field else row.gibbs, generator)
    taper = uniform((0.2, 0.6), generator) if chance(rates.FILTERED, generator) else 0.0
    axes = plane if parts else [*plane, across]
    certain = choice(axes, generator)  # where voxels are coarse, they are so along one axis at least
    for axis in axes:
        voxel = scan.voxel[axis]
        acquired = max(voxel * uniform(rates.COARSER, generator), rates.LOW_FIELD_VOXEL if low_field else 0.0)
        if coarse and (chance(rates.COARSE_AXIS, generator) or axis == certain):
            parts.append(Resolution(axis, acquired, voxel, taper))
    return tuple(parts)


def _draw_partial_fourier(
    scan: _Scan, kept: float, generator: torch.Generator
) -> tuple[PartialFourier | None, BackgroundPhase | None]:
    if not scan.chance("partial_fourier", scan.row.partial_fourier, generator):
        return None, None
    fraction, treatment = choice(rates.FRACTIONS, generator), choice(TREATMENTS, generator)
    return PartialFourier(scan.axes[1], fraction, treatment, kept), draw_phase(rates.PHASE, generator)


def _draw_motion(scan: _Scan, kept: float, generator: torch.Generator) -> RigidMotion | None:
    if not scan.chance("motion", scan.row.motion, generator):
        return None
    strength = log_uniform(rates.MOTION_MM, generator), log_uniform(rates.MOTION_DEGREES, generator)
    shots = round(uniform(rates.SHOTS, generator))
    return draw_motion(strength, scan.axes[1], scan.row.order, scan.voxel, generator, kept=kept, shots=shots)


def _draw_bias(scan: _Scan, generator: torch.Generator) -> tuple[BiasField, CoilArray | None]:
    spread = scan.ranges.strength * scan.ranges.bias * uniform((0.0, 1.0), generator)
    bias = draw_bias(spread, generator)
    if scan.ranges.bias > 0 and chance(scan.ranges.strength * rates.SHADED, generator):
        return bias, draw_coil_array(scan.voxel, generator, exponent=uniform((0.2, 1.0), generator))
    return bias, None


def _draw_dropout(
    scan: _Scan, parts: tuple[Resolution | SliceStack, ...], generator: torch.Generator
) -> Dephasing | None:
    if not (scan.row.gradient_echo and scan.chance("dropout", 1.0, generator)):
        return None
    near = chance(rates.NEAR_AIR, generator)
    if not (scan.field_known or near):
        return None
    size = list(scan.voxel)
    for part in parts:
        size[part.axis] = part.thickness if isinstance(part, SliceStack) else part.acquired
    x, y, z = (n * s for n, s in zip(scan.shape, scan.voxel, strict=True))
    cavities = () if scan.field_known else draw_cavities((x, y, z), generator)
    bandwidth = log_uniform(rates.BANDWIDTH, generator)
    echo_time = scan.sequence.bids()["EchoTime"]
    longest = max(echo_time) if isinstance(echo_time, list) else float(echo_time)
    acquired = (size[0], size[1], size[2])
    return Dephasing(longest, acquired, scan.voxel, scan.field, cavities, scan.axes[2], bandwidth)


def _draw_noise(scan: _Scan, generator: torch.Generator) -> ComplexNoise:
    seed = int(torch.randint(2**62, (), generator=generator))
    low, high = scan.ranges.snr
    snr = log_uniform(scan.row.snr, generator) * rates.snr_at(scan.field)
    snr = min(high, max(low, snr / scan.ranges.strength)) if scan.ranges.strength > 0 else math.inf
    array = choice(rates.coil_counts(scan.field), generator) * uniform(rates.EFFECTIVE, generator)
    # MP2RAGE divides complex images: theirs are always combined with the phases.
    squares = scan.chance("sum_of_squares", rates.SUM_OF_SQUARES, generator) and scan.sequence.components == 1
    return ComplexNoise(snr, seed, max(1, round(array)) if squares else 1)


def _plain(value: Any) -> Any:
    """Tensors and tuples as lists, numbers to six digits."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, Tensor):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
