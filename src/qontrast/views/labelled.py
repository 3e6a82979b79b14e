"""Images with the truth beside them, simulated from label maps: crops to train on, whole scans to test on."""

from dataclasses import dataclass

import numpy as np
import torch

from qontrast.anatomy.labelled import LabelSubject
from qontrast.anatomy.subject import Tissue
from qontrast.artefacts.bias import draw_bias
from qontrast.artefacts.noise import draw_noise
from qontrast.basics.grid import Grid
from qontrast.basics.randomness import derive
from qontrast.basics.shapes import Coordinates, Labels, Volume
from qontrast.geometry.sample import average_blocks, sample, touched
from qontrast.geometry.warp import Warp, draw_warp, still
from qontrast.physics.sequence import Sequence
from qontrast.views.pair import draw_centre
from qontrast.views.plan import ViewPlan
from qontrast.views.render import draw_spoiling, oversampling, resampled_signals, spoil


@dataclass(frozen=True)
class Scan:
    """A simulated scan of a whole head.

    Args:
        image: ``[1, 1, x, y, z]``, as the scanner stores it (not normalised).
        classes: truth on the same grid, ``[x, y, z]``.
        grid: where it lies.
    """

    image: Volume
    classes: Labels
    grid: Grid


def labelled_crop(
    subject: LabelSubject, sequence: Sequence, plan: ViewPlan, seed: int, step: int, slot: int
) -> tuple[Volume, Labels]:
    """A training crop and its classes: image ``[1, 1, x, y, z]`` normalised, classes ``[x, y, z]``."""
    generator = derive(seed, subject.name, step, slot)
    shape = (plan.crop,) * 3
    centre = draw_centre(subject.region, subject.grid.spacing, plan.crop * plan.spacing, generator)
    warp = draw_warp(plan.geometry, centre, shape, plan.spacing, subject.grid.spacing, generator)
    tissue = person(subject, seed)
    factor = oversampling(subject.grid, plan.spacing)
    coordinates = warp.coordinates(factor)
    signal = resampled_signals(subject, tissue, sequence, coordinates, factor)
    spoiling = draw_spoiling(plan.artefacts, plan.crop, generator)
    return spoil(sequence, signal, spoiling), classes_at(subject, coordinates, factor)


def simulate_scan(subject: LabelSubject, sequence: Sequence, spacing: float, snr: float, seed: int) -> Scan:
    """The scan of a whole head at ``spacing`` mm: one person's tissue, mild bias, noise at ``snr``; no other artefact."""
    generator = derive(seed, subject.name, "scan", sequence.name)
    warp, grid = whole_head(subject.grid, spacing)
    factor = oversampling(subject.grid, spacing)
    coordinates = warp.coordinates(factor)
    signal = resampled_signals(subject, person(subject, seed), sequence, coordinates, factor)
    biased = draw_bias(0.1, generator)(signal)
    image = sequence.image(draw_noise(snr, generator)(biased))
    return Scan(image, classes_at(subject, coordinates, factor), grid)


def whole_head(grid: Grid, spacing: float) -> tuple[Warp, Grid]:
    """The still crop that covers a whole grid with isotropic voxels of ``spacing`` mm, and the grid that it makes."""
    target = grid.resampled(spacing)
    centre = torch.tensor((np.array(grid.shape) - 1) / 2, dtype=torch.float32)
    return still(centre, target.shape, spacing, grid.spacing), target


def classes_at(subject: LabelSubject, coordinates: Coordinates, factor: int) -> Labels:
    """The class that fills most of each voxel, ``[x, y, z]``."""
    box = touched(coordinates, subject.grid.shape)
    classes = subject.classes(box)
    count = int(classes.max()) + 1
    fine = sample(classes[None, None].float(), box, coordinates, nearest=True).long()
    if factor == 1:
        return fine[0, 0]
    shares = torch.cat([average_blocks((fine == c).float(), factor) for c in range(count)], dim=1)
    return shares.argmax(dim=1)[0]


def person(subject: LabelSubject, seed: int) -> Tissue:
    """The tissue that this person has in every scan: drawn by the seed and the name alone."""
    return subject.draw(derive(seed, subject.name, "person"))
