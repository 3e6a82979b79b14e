"""Whole scans of label maps, with the truth beside them, to test on."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from qontrast.anatomy.labelled import LabelSubject, LabelTissue
from qontrast.artefacts.bias import draw_bias
from qontrast.artefacts.noise import draw_noise
from qontrast.basics.grid import Grid
from qontrast.basics.randomness import derive
from qontrast.basics.shapes import Labels, Volume
from qontrast.geometry.warp import Warp, still
from qontrast.physics.sequence import Sequence
from qontrast.views.labelled import classes_at, person
from qontrast.views.render import Place, resampled

SCANNED_BIAS = 0.02
"""Deviation of the log gain over a whole simulated scan."""


@dataclass(frozen=True)
class Scan:
    """A scan of a whole head.

    Args:
        image: ``[1, 1, x, y, z]``, as the scanner stores it (not normalised).
        classes: truth on the same grid, ``[x, y, z]``.
        grid: where it lies.
        person: age, atrophy and lesions; empty for a healthy adult.
    """

    image: Volume
    classes: Labels
    grid: Grid
    person: str = ""


def simulate_scan(
    subject: LabelSubject,
    sequence: Sequence,
    spacing: float,
    snr: float,
    seed: int,
    *,
    tissue: LabelTissue | None = None,
    truth: Callable[[LabelTissue, Place], Labels] | None = None,
) -> Scan:
    """A whole head's scan at ``spacing`` mm: mild bias, noise at ``snr``; no other artefact.

    Args:
        subject: the label map.
        sequence: the protocol.
        spacing: of the scan's voxels, mm.
        snr: of the noise.
        seed: of tissue, bias and noise.
        tissue: as drawn; None for one healthy person's.
        truth: from tissue and place to the truth; None for the tissue classes.
    """
    generator = derive(seed, subject.name, "scan", sequence.name)
    warp, grid = whole_head(subject.grid, spacing)
    place, tissue = Place(subject.grid, warp), tissue or person(subject, seed)
    signal, _ = resampled(tissue, sequence, place)
    biased = draw_bias(SCANNED_BIAS, generator)(signal)
    image = sequence.image(draw_noise(snr, generator)(biased))
    return Scan(image, (truth or classes_at)(tissue, place), grid, tissue.describe())


def whole_head(grid: Grid, spacing: float) -> tuple[Warp, Grid]:
    """The still crop that covers a whole grid with isotropic voxels of ``spacing`` mm, and the grid that it makes."""
    target = grid.resampled(spacing)
    centre = torch.tensor((np.array(grid.shape) - 1) / 2, dtype=torch.float32)
    return still(centre, target.shape, spacing, grid.spacing), target
