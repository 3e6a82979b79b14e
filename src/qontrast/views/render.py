"""One view: contrast, geometry, artefacts, normalisation, in this order."""

from dataclasses import dataclass

import torch
from torch import Tensor

from qontrast.anatomy.subject import Subject, Tissue
from qontrast.artefacts.bias import BiasField, draw_bias
from qontrast.artefacts.erasure import Erasure, draw_erasure
from qontrast.artefacts.noise import ComplexNoise, draw_noise
from qontrast.artefacts.resolution import Gibbs, ThickSlices, draw_gibbs, draw_thick_slices
from qontrast.basics.grid import Grid
from qontrast.basics.randomness import chance, log_uniform, uniform
from qontrast.basics.shapes import AnyVolume, Volume
from qontrast.geometry.sample import average_blocks, sample, touched
from qontrast.physics.sequence import Sequence, acquire
from qontrast.views.normalise import normalise
from qontrast.views.plan import ArtefactRanges

MOST_POINTS = 4  # along an edge: 64 points a voxel average well enough, and memory grows with the cube


@dataclass(frozen=True)
class Spoiling:
    """The artefacts drawn for one view, in the order in which they arise.

    Args:
        bias: receive field, on the signal.
        blur: thick slices and truncated k-space, on the signal.
        noise: complex noise, before the magnitude.
        erasure: boxes erased from the image.
    """

    bias: BiasField
    blur: tuple[Gibbs | ThickSlices, ...]
    noise: ComplexNoise
    erasure: Erasure | None

    def describe(self) -> str:
        """For a caption."""
        parts = [self.noise, self.bias, *self.blur, *([self.erasure] if self.erasure else [])]
        return ", ".join(part.describe() for part in parts)


def draw_spoiling(ranges: ArtefactRanges, crop: int, generator: torch.Generator) -> Spoiling:
    """Draw a view's artefacts."""
    blur: list[Gibbs | ThickSlices] = []
    if chance(ranges.thick_slices, generator):
        blur.append(draw_thick_slices(ranges.thickness, generator))
    if chance(ranges.gibbs, generator):
        blur.append(draw_gibbs(ranges.gibbs_kept, generator))
    bias = draw_bias(ranges.bias * uniform((0.0, 1.0), generator), generator)
    noise = draw_noise(log_uniform(ranges.snr, generator), generator)
    erasure = None
    if chance(ranges.erasure, generator):
        erasure = draw_erasure((crop,) * 3, ranges.erased_boxes, ranges.erased_size, generator)
    return Spoiling(bias, tuple(blur), noise, erasure)


def oversampling(grid: Grid, spacing: float) -> int:
    """Points along each edge of a voxel of ``spacing`` mm, so that the grid's own resolution is not skipped over."""
    return max(1, min(MOST_POINTS, round(spacing / min(grid.spacing))))


def resampled_signals(subject: Subject, tissue: Tissue, sequence: Sequence, coordinates: Tensor, factor: int) -> Volume:
    """The signed signals ``[1, components, x, y, z]`` at ``coordinates`` (see :meth:`Warp.coordinates`), not spoilt.

    The contrast is simulated on the subject's own grid; then the signals (not the tissue) are moved, and averaged over
    ``factor``³ points a voxel.
    """
    box = touched(coordinates, subject.grid.shape)
    acquired = acquire(sequence, tissue.block(box, sequence.bids()["MagneticFieldStrength"]))
    return average_blocks(sample(acquired, box, coordinates), factor)


def spoil(sequence: Sequence, signal: AnyVolume, spoiling: Spoiling) -> Volume:
    """The scanner's image ``[1, 1, x, y, z]`` of a signal, with its artefacts, normalised."""
    signal = spoiling.bias(signal)
    for artefact in spoiling.blur:
        signal = artefact(signal)
    image = sequence.image(spoiling.noise(signal))
    if spoiling.erasure is not None:
        image = spoiling.erasure(image)
    return normalise(image)


def clean(sequence: Sequence, signal: AnyVolume) -> Volume:
    """The image ``[1, 1, x, y, z]`` that an ideal scanner would give, normalised."""
    return normalise(sequence.image(signal))
