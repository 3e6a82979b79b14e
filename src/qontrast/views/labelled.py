"""Images with the truth beside them: crops to train on and whole scans to test on, simulated or real."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from qontrast.anatomy.labelled import LabelSubject, LabelTissue
from qontrast.anatomy.labelled_scans import LabelledScan
from qontrast.anatomy.priors import TISSUE_CLASSES
from qontrast.artefacts.bias import draw_bias
from qontrast.artefacts.noise import draw_noise
from qontrast.basics.grid import Grid
from qontrast.basics.randomness import chance, choice, derive, uniform
from qontrast.basics.shapes import Labels, Volume
from qontrast.geometry.sample import Box, average_blocks, box_slices, whole
from qontrast.geometry.warp import Warp, draw_warp, still
from qontrast.physics.clinical import protocol_of
from qontrast.physics.sequence import Sequence
from qontrast.physics.usefulness import draw_useful_protocol
from qontrast.views.acquisition import Simulated
from qontrast.views.normalise import normalise
from qontrast.views.pair import draw_centre
from qontrast.views.plan import ViewPlan
from qontrast.views.render import Place, resampled

ANYWHERE = 0.2
"""Share of the training crops that lie anywhere in the head: a sliding window meets neck and air too."""


JITTER = 0.35
"""Largest distance of a labelled voxel from the centre of its crop, as a share of the crop's edge."""


@dataclass(frozen=True)
class Scan:
    """A scan of a whole head.

    Args:
        image: ``[1, 1, x, y, z]``, as the scanner stores it (not normalised).
        classes: truth on the same grid, ``[x, y, z]``.
        grid: where it lies.
    """

    image: Volume
    classes: Labels
    grid: Grid


class Case(ABC):
    """One head to learn a segmentation from, or to test it on."""

    name: str
    subject: str
    classes: tuple[str, ...]
    """Names of the classes of its truth, background first."""

    @abstractmethod
    def crop(self, plan: ViewPlan, seed: int, step: int, slot: int) -> tuple[Volume, Labels]:
        """The training crop of this seed, step and slot: image ``[1, 1, x, y, z]``, classes ``[x, y, z]``."""


class SimulatedCase(Case):
    """A label map, scanned anew for every crop.

    Args:
        head: the label map.
        contrasts: sequences or named protocols that are drawn from.
        drawn: whether each crop has a random protocol and tissue, not the clinical protocol and one person's.
    """

    def __init__(self, head: LabelSubject, contrasts: tuple[str, ...], *, drawn: bool = False) -> None:
        self.name = self.subject = head.name
        self.classes = tuple(TISSUE_CLASSES)
        self.head, self.contrasts, self.drawn = head, contrasts, drawn

    def crop(self, plan: ViewPlan, seed: int, step: int, slot: int) -> tuple[Volume, Labels]:
        """See :meth:`Case.crop`."""
        head = self.head
        generator = derive(seed, head.name, step, slot)
        name = choice(self.contrasts, generator)
        sequence, tissue = protocol_of(name), person(head, seed)
        if self.drawn:
            field = choice(plan.fields, generator) if plan.fields else 3.0
            sequence, _ = draw_useful_protocol(sequence.name, field, generator)
            tissue = head.draw(generator, plan.pathology)
        warp = _place(plan, head.region, head.grid, generator)
        place = Place(head.grid, warp)
        scan = Simulated(sequence, tissue)
        signal = scan.render(place)
        spoiling = scan.draw_spoiling(plan, generator, field_known=signal[1] is not None)
        return scan.image(signal, spoiling), classes_at(tissue, place)


class ScannedCase(Case):
    """A real scan with its truth.

    Args:
        scan: both.
    """

    def __init__(self, scan: LabelledScan) -> None:
        self.name, self.subject, self.classes, self.scan = scan.name, scan.subject, scan.names, scan
        self._image = torch.from_numpy(np.ascontiguousarray(scan.image))[None, None]
        self._truth = torch.from_numpy(np.ascontiguousarray(scan.classes))
        self._labelled = torch.nonzero(self._truth > 0)

    def crop(self, plan: ViewPlan, seed: int, step: int, slot: int) -> tuple[Volume, Labels]:
        """See :meth:`Case.crop`; the scan is moved, and a mild bias field and noise are added."""
        generator = derive(seed, self.name, step, slot)
        grid = self.scan.grid
        warp = draw_warp(
            plan.geometry, self._centre(plan, generator), (plan.crop,) * 3, plan.spacing, grid.spacing, generator
        )
        place = Place(grid, warp)
        x, y, z = box_slices(place.box)
        image = place.read(self._image[:, :, x, y, z])
        image = draw_bias(plan.artefacts.bias * uniform((0.0, 1.0), generator), generator)(image)
        noise = 0.05 * uniform((0.0, 1.0), generator) * float(image.std())
        image = image + noise * torch.randn(image.shape, generator=generator)
        truth = _majority(self._truth[x, y, z], len(self.classes), place)
        return normalise(image), truth

    def _centre(self, plan: ViewPlan, generator: torch.Generator) -> Tensor:
        """A labelled voxel, moved: a small lesion must not always lie in the crop's centre."""
        grid, edge = self.scan.grid, plan.crop * plan.spacing
        if chance(ANYWHERE, generator) or len(self._labelled) == 0:
            return draw_centre(whole(grid.shape), grid.spacing, edge, generator)
        voxel = self._labelled[int(torch.randint(len(self._labelled), (), generator=generator))].float()
        jitter = JITTER * edge * (2 * torch.rand(3, generator=generator) - 1)
        return voxel + jitter / torch.tensor(grid.spacing)


@dataclass(frozen=True)
class CropMaker:
    """Crops as a loader wants them: ``image`` ``[1, x, y, z]`` and ``classes`` ``[1, x, y, z]``."""

    cases: list[Case]
    plan: ViewPlan
    seed: int

    def __call__(self, which: int, step: int, slot: int) -> dict[str, torch.Tensor]:
        image, classes = self.cases[which].crop(self.plan, self.seed, step, slot)
        return {"image": image[0], "classes": classes[None]}


def simulate_scan(subject: LabelSubject, sequence: Sequence, spacing: float, snr: float, seed: int) -> Scan:
    """A whole head's scan at ``spacing`` mm: one person's tissue, mild bias, noise at ``snr``; no other artefact."""
    generator = derive(seed, subject.name, "scan", sequence.name)
    warp, grid = whole_head(subject.grid, spacing)
    place, tissue = Place(subject.grid, warp), person(subject, seed)
    signal, _ = resampled(tissue, sequence, place)
    biased = draw_bias(0.02, generator)(signal)
    image = sequence.image(draw_noise(snr, generator)(biased))
    return Scan(image, classes_at(tissue, place), grid)


def whole_head(grid: Grid, spacing: float) -> tuple[Warp, Grid]:
    """The still crop that covers a whole grid with isotropic voxels of ``spacing`` mm, and the grid that it makes."""
    target = grid.resampled(spacing)
    centre = torch.tensor((np.array(grid.shape) - 1) / 2, dtype=torch.float32)
    return still(centre, target.shape, spacing, grid.spacing), target


def classes_at(tissue: LabelTissue, place: Place) -> Labels:
    """The class of the drawn head that fills most of each voxel, ``[x, y, z]``."""
    return _majority(tissue.classes(place.box), len(TISSUE_CLASSES), place)


def person(subject: LabelSubject, seed: int) -> LabelTissue:
    """The tissue that this person has in every whole scan: drawn by the seed and the name alone."""
    return subject.draw(derive(seed, subject.name, "person"))


def _place(plan: ViewPlan, region: Box, grid: Grid, generator: torch.Generator) -> Warp:
    """Where a training crop lies: mostly in the region, now and then anywhere."""
    where = whole(grid.shape) if chance(ANYWHERE, generator) else region
    centre = draw_centre(where, grid.spacing, plan.crop * plan.spacing, generator)
    return draw_warp(plan.geometry, centre, (plan.crop,) * 3, plan.spacing, grid.spacing, generator)


def _majority(classes: Labels, count: int, place: Place) -> Int[Tensor, "crop_x crop_y crop_z"]:
    fine = place.reading.nearest(classes[None, None].to(torch.uint8))
    if place.factor == 1:
        return fine[0, 0].long()
    shares = torch.cat([average_blocks((fine == c).float(), place.factor) for c in range(count)], dim=1)
    return shares.argmax(dim=1)[0]
