"""One view: contrast, geometry, artefacts, normalisation, in this order."""

from torch import Tensor

from qontrast.anatomy.subject import Subject, Tissue
from qontrast.artefacts.prevalence import prevalence
from qontrast.basics.grid import Grid
from qontrast.basics.shapes import AnyVolume, Volume
from qontrast.geometry.sample import average_blocks, sample, touched
from qontrast.physics.sequence import Sequence, acquire, first
from qontrast.views.normalise import normalise
from qontrast.views.spoiling import Spoiling, scanned

SHORT_ECHO = 5e-3  # s: gradient echoes up to here lose next to nothing to the static field
MOST_POINTS = 4  # along an edge: 64 points a voxel average well enough, and memory grows with the cube


def oversampling(grid: Grid, spacing: float) -> int:
    """Points along each edge of a voxel of ``spacing`` mm, so that the grid's own resolution is not skipped over."""
    return max(1, min(MOST_POINTS, round(spacing / min(grid.spacing))))


def resampled_signals(
    subject: Subject, tissue: Tissue, sequence: Sequence, coordinates: Tensor, factor: int
) -> AnyVolume:
    """The signals of :func:`resampled` alone."""
    return resampled(subject, tissue, sequence, coordinates, factor)[0]


def resampled(
    subject: Subject, tissue: Tissue, sequence: Sequence, coordinates: Tensor, factor: int
) -> tuple[AnyVolume, Volume | None]:
    """Signals and off-resonance at ``coordinates`` (see :meth:`Warp.coordinates`), not spoilt.

    The contrast is simulated on the subject's own grid; then the signals (not the tissue) are moved, and averaged over
    ``factor``³ points a voxel.

    Returns:
        The signed signals ``[1, components, x, y, z]``, and the off-resonance ``[1, 1, x, y, z]`` in Hz where the
        tissue has it and the sequence is a gradient echo of some length.
    """
    box = touched(coordinates, subject.grid.shape)
    dephased = prevalence(sequence.name).gradient_echo and first(sequence.echo_time) > SHORT_ECHO  # type: ignore[attr-defined]
    maps = tissue.block(box, sequence.field_strength, with_b0=sequence.uses_b0 or dephased)
    signal = average_blocks(sample(acquire(sequence, maps), box, coordinates), factor)
    if maps.b0 is None or not dephased:
        return signal, None
    centres = average_blocks(coordinates.movedim(-1, 0)[None], factor)[0].movedim(0, -1)
    return signal, sample(maps.b0, box, centres)


def spoil(sequence: Sequence, signal: AnyVolume, spoiling: Spoiling, b0: Volume | None = None) -> Volume:
    """The scanner's image ``[1, 1, x, y, z]`` of a signal, with its artefacts, normalised."""
    image = scanned(sequence, signal, spoiling, b0)
    if spoiling.erasure is not None:
        image = spoiling.erasure(image)
    return normalise(image)


def clean(sequence: Sequence, signal: AnyVolume) -> Volume:
    """The image ``[1, 1, x, y, z]`` that an ideal scanner would give, normalised."""
    return normalise(sequence.image(signal))
