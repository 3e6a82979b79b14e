"""One head at one place: the geometry is worked out once, and each protocol costs its signal alone."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from qontrast.anatomy.labelled import LabelSubject, LabelTissue
from qontrast.anatomy.priors import TISSUE_CLASSES
from qontrast.anatomy.subject import Subject, Tissue
from qontrast.artefacts.noise import ComplexNoise
from qontrast.basics.errors import InputError
from qontrast.basics.grid import Grid
from qontrast.basics.randomness import derive_seed
from qontrast.basics.shapes import AnyVolume, Box, Labels, Volume
from qontrast.geometry.sample import average_blocks, box_slices, occupied, whole
from qontrast.physics.sequence import Sequence
from qontrast.views.labelled import classes_at, person
from qontrast.views.render import Place, oversampling
from qontrast.views.spoiling import noise_alone, scanned
from qontrast.views.whole_scan import whole_head

MARGIN_MM = 12.0  # of air around the head, where the maps have it


@dataclass
class Scene:
    """A head ready to be scanned with any number of protocols.

    Args:
        name: of the head.
        tissue: one person's.
        place: where the image's voxels lie; None where each of them is a block of the head's own voxels.
        box: the part of the head's grid that is scanned.
        factor: edge of such a block, in the head's voxels.
        grid: of the image.
        truth: classes (see ``TISSUE_CLASSES``) on that grid, ``[x, y, z]``; None for measured maps.
        seed: of the noise: one realisation for all protocols.
    """

    name: str
    tissue: Tissue
    place: Place | None
    box: Box
    factor: int
    grid: Grid
    truth: Labels | None
    seed: int

    def signal(self, protocol: Sequence) -> AnyVolume:
        """The signed signals ``[1, components, x, y, z]``, averaged over each voxel, without noise."""
        if self.place is None:  # a mean over blocks costs a tenth of reading at as many points
            return average_blocks(self.tissue.scan(protocol, self.box)[0], self.factor)
        signal, _ = self.tissue.scan(protocol, self.box, self.place.needed)
        return self.place.read(signal)

    def image(self, protocol: Sequence, snr: float | None, reference: Sequence | None = None) -> Volume:
        """The scanner's image ``[1, 1, x, y, z]``, not normalised.

        Args:
            protocol: what to scan with.
            snr: of this protocol, or of the reference if there is one; None for no noise.
            reference: whose noise this protocol has too: its SNR then grows and falls with its signal.
        """
        signal = self.signal(protocol)
        noise = ComplexNoise(math.inf if snr is None else snr, self.seed)
        if snr is not None and reference is not None:
            wanted, own = (float(noise.sigma(s).mean()) for s in (self.signal(reference), signal))
            if wanted > 0 and own > 0:
                noise = replace(noise, snr=snr * own / wanted)
        return scanned(protocol, signal, noise_alone(noise))


def open_scene(subject: Subject, spacing: float, seed: int) -> Scene:
    """Draw the head's tissue, and lay voxels of ``spacing`` mm over what is not air.

    Raises:
        InputError: if there is nothing but air.
    """
    tissue = person(subject, seed) if isinstance(subject, LabelSubject) else subject.draw(None)
    factor = oversampling(subject.grid, spacing)
    box, whole_blocks = _in_blocks(_head(subject, tissue), subject.grid, spacing, factor)
    shape = (box[0][1] - box[0][0], box[1][1] - box[1][0], box[2][1] - box[2][0])
    start = np.array([a for a, _ in box], dtype=np.float64)
    affine = subject.grid.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ start
    warp, grid = whole_head(Grid(shape, affine), spacing)
    place = Place(subject.grid, replace(warp, centre=warp.centre + torch.from_numpy(start).float()))
    truth = classes_at(tissue, place) if isinstance(tissue, LabelTissue) else None
    noise = derive_seed(seed, subject.name, "sweep noise")
    if whole_blocks:
        return Scene(subject.name, tissue, None, box, factor, grid, truth, noise)
    return Scene(subject.name, tissue, place, place.box, factor, grid, truth, noise)


def truth_classes() -> tuple[str, ...]:
    """Names of the classes of a label map's truth."""
    return tuple(TISSUE_CLASSES)


def _head(subject: Subject, tissue: Tissue) -> Box:
    """The box of all that has protons."""
    if isinstance(subject, LabelSubject):
        solid = torch.tensor([subject.table.priors[int(v)].pd > 0 for v in subject.values])
        there = solid[subject.dense[box_slices(whole(subject.grid.shape))].long()]
    else:
        there = tissue.block(whole(subject.grid.shape)).pd[0, 0] > 0
    box = occupied(there)
    if box is None:
        raise InputError(subject.name, "nothing but air", "a head or a brain", "Is this the right file?")
    return box


def _widened(box: Box, grid: Grid) -> Box:
    wide = []
    for (a, b), n, size in zip(box, grid.shape, grid.spacing, strict=True):
        margin = round(MARGIN_MM / size)
        wide.append((max(0, a - margin), min(n, b + margin)))
    return wide[0], wide[1], wide[2]


def _in_blocks(box: Box, grid: Grid, spacing: float, factor: int) -> tuple[Box, bool]:
    """The box with a margin, in whole blocks of ``factor``³ voxels, and whether an image's voxel is such a block."""
    wide = _widened(box, grid)
    if not np.allclose(grid.spacing, spacing / factor, atol=1e-3):
        return wide, False
    grown = []
    for (a, b), (low, high), n in zip(box, wide, grid.shape, strict=True):
        length = min(-(-(high - low) // factor), n // factor) * factor
        start = min(max(low, b - length), n - length)
        if start > a or start + length < b:  # the head fills the grid, which is no multiple of the block
            return wide, False
        grown.append((start, start + length))
    return (grown[0], grown[1], grown[2]), True
