"""Crops with the truth beside them to train on, simulated or real."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from qontrast.anatomy.classes import Scheme, class_names
from qontrast.anatomy.labelled import LabelSubject, LabelTissue
from qontrast.anatomy.labelled_scans import LabelledScan, LabelledScanSource
from qontrast.artefacts.bias import draw_bias
from qontrast.basics.grid import Grid
from qontrast.basics.randomness import chance, choice, derive, uniform
from qontrast.basics.shapes import Box, Device, Labels, Volume
from qontrast.geometry.sample import average_blocks, box_slices, whole
from qontrast.geometry.warp import Warp, draw_warp
from qontrast.physics.clinical import protocol_of
from qontrast.physics.sequence import Sequence
from qontrast.physics.usefulness import draw_useful_protocol
from qontrast.views.acquisition import Simulated
from qontrast.views.contrast import caption
from qontrast.views.normalise import normalise
from qontrast.views.pair import draw_centre
from qontrast.views.plan import ViewPlan
from qontrast.views.render import Place
from qontrast.views.stripping import draw_brain

JITTER = 0.35
"""Largest distance of a labelled voxel from the centre of its crop, as a share of the crop's edge."""


Truth = Labels | Float[Tensor, "class x y z"]


class Crop(NamedTuple):
    """What a network is shown of a case, and what it is to say of it.

    Args:
        image: ``[1, 1, x, y, z]``, normalised.
        truth: classes ``[x, y, z]``, or where the truth is soft their shares ``[class, x, y, z]``.
        warp: where its voxels lie.
        describe: gives a caption: contrast, artefacts, geometry and pathology, with semicolons between them.
    """

    image: Volume
    truth: Truth
    warp: Warp
    describe: Callable[[], str]


class Case(ABC):
    """One head to learn a segmentation from, or to test it on."""

    name: str
    subject: str
    classes: tuple[str, ...]
    """Names of the classes of its truth, background first."""

    soft: bool = False
    """Whether its truth is shares of the classes in each voxel."""

    @abstractmethod
    def crop(self, plan: ViewPlan, seed: int, step: int, turn: int, device: Device = "cpu") -> Crop:
        """The training crop of this seed, step and turn."""

    @abstractmethod
    def present(self) -> set[int]:
        """Which classes its truth can hold."""


class SimulatedCase(Case):
    """A label map, scanned anew for every crop.

    Args:
        head: the label map.
        contrasts: sequences or named protocols that are drawn from.
        drawn: whether each crop has a random protocol and tissue, not the clinical protocol and one person's.
        scheme: what is told apart.
    """

    def __init__(
        self, head: LabelSubject, contrasts: tuple[str, ...], *, drawn: bool = False, scheme: Scheme = "tissues"
    ) -> None:
        self.name = self.subject = head.name
        self.classes = class_names(scheme)
        self.head, self.contrasts, self.drawn, self.scheme = head, contrasts, drawn, scheme

    def crop(self, plan: ViewPlan, seed: int, step: int, turn: int, device: Device = "cpu") -> Crop:
        """See :meth:`Case.crop`."""
        head = self.head
        generator = derive(seed, head.name, step, turn)
        sequence = draw_sequence(self.contrasts, plan, generator, drawn=self.drawn)
        tissue = (head.draw(generator, plan.pathology) if self.drawn else person(head, seed)).on(device)
        place = draw_place(plan, head.region, head.grid, generator, device=device)
        scan = Simulated(sequence, tissue)
        signal = scan.render(place)
        spoiling = scan.draw_spoiling(plan, generator, field_known=signal[1] is not None)
        truth = classes_at(tissue, place, self.scheme)
        brain = None
        if chance(plan.stripped, generator):
            brain = draw_brain(classes_at(tissue, place, "structures"), plan.spacing, generator)

        def describe() -> str:
            return caption(scan.caption(spoiling, place.warp), "" if brain is None else "skull taken away")

        return Crop(scan.image(signal, spoiling, brain), truth, place.warp, describe)

    def present(self) -> set[int]:
        """See :meth:`Case.present`."""
        return set(self.head.class_of_each(self.scheme).tolist())


class ScannedCase(Case):
    """A real scan with its truth.

    Args:
        scan: both, or their files: scans that are opened and not kept make memory independent of how many there are.
        centred: share of the crops whose centre lies near a voxel of the foreground, the others lie anywhere; None for
            what the plan says.
    """

    def __init__(self, scan: LabelledScan | LabelledScanSource, *, centred: float | None = None) -> None:
        self.name, self.subject, self.scan, self.centred = scan.name, scan.subject, scan, centred
        opened = scan.open()
        self.classes, self.soft = opened.names, opened.shares is not None
        self._present = set(np.unique(opened.classes).tolist())

    def crop(self, plan: ViewPlan, seed: int, step: int, turn: int, device: Device = "cpu") -> Crop:
        """See :meth:`Case.crop`; the scan is moved, and a mild bias field and noise are added."""
        generator = derive(seed, self.name, step, turn)
        scan = self.scan.open()
        centre = self._centre(scan, plan, generator)
        place = draw_place(plan, whole(scan.grid.shape), scan.grid, generator, centre, device)
        block = box_slices(place.box)

        def read(values: np.ndarray) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(values)).to(device)

        image = place.read(read(scan.image[block])[None, None])
        bias = draw_bias(plan.artefacts.bias * uniform((0.0, 1.0), generator), generator)
        image, noise = bias(image), 0.05 * uniform((0.0, 1.0), generator)
        image = image + noise * float(image.std()) * torch.randn(image.shape, generator=generator).to(image)
        truth: Truth
        if scan.shares is None:
            truth = majority(read(scan.classes[block]), len(self.classes), place)
        else:
            shares = place.read(read(scan.shares[(slice(None), *block)].astype(np.float32))[None])[0]
            truth = torch.cat((1 - shares.sum(dim=0, keepdim=True), shares)).clamp(min=0)

        def describe() -> str:
            added = f"{bias.describe()}, noise of {noise:.1%} of its deviation"
            return caption(f"{scan.contrast} (observed)", added, place.warp.describe())

        return Crop(normalise(image), truth, place.warp, describe)

    def present(self) -> set[int]:
        """See :meth:`Case.present`."""
        return self._present

    def _centre(self, scan: LabelledScan, plan: ViewPlan, generator: torch.Generator) -> Tensor:
        """A labelled voxel, moved: a small lesion must not always lie in the crop's centre."""
        edge = plan.crop * plan.spacing
        centred = 1 - plan.anywhere if self.centred is None else self.centred
        if not chance(centred, generator) or len(scan.labelled) == 0:
            return draw_centre(whole(scan.grid.shape), scan.grid.spacing, edge, generator)
        which = int(scan.labelled[int(torch.randint(len(scan.labelled), (), generator=generator))])
        voxel = [int(i) for i in np.unravel_index(which, scan.grid.shape)]
        return near(voxel, edge, scan.grid.spacing, generator)


def near(
    voxel: Iterable[float], edge: float, spacing: tuple[float, float, float], generator: torch.Generator
) -> Float[Tensor, "3"]:
    """The centre of a crop of ``edge`` mm that shows a voxel, not always in its middle."""
    jitter = JITTER * edge * (2 * torch.rand(3, generator=generator) - 1)
    return torch.tensor([float(v) for v in voxel]) + jitter / torch.tensor(spacing)


@dataclass(frozen=True)
class CropMaker:
    """Crops as a loader wants them: ``image`` ``[1, x, y, z]`` and ``truth``.

    The truth is classes ``[1, x, y, z]``; shares ``[class, x, y, z]`` of all cases if that of any is soft.
    """

    cases: list[Case]
    plan: ViewPlan
    seed: int
    device: Device = "cpu"

    def __call__(self, which: int, step: int, turn: int) -> dict[str, torch.Tensor]:
        case, (image, truth, *_) = self.cases[which], self.crop(which, step, turn)
        if case.soft:
            return {"image": image[0], "truth": truth}
        if any(c.soft for c in self.cases):
            hard = torch.nn.functional.one_hot(truth, len(case.classes))
            return {"image": image[0], "truth": hard.movedim(-1, 0).float()}
        return {"image": image[0], "truth": truth[None]}

    def crop(self, which: int, step: int, turn: int) -> Crop:
        """The crop of a case, a step and a turn, with what was drawn for it."""
        return self.cases[which].crop(self.plan, self.seed, step, turn, self.device)


def classes_at(tissue: LabelTissue, place: Place, scheme: Scheme = "tissues") -> Labels:
    """The class of the drawn head that fills most of each voxel, ``[x, y, z]``."""
    return majority(tissue.classes(place.box, scheme), len(class_names(scheme)), place)


def draw_sequence(contrasts: tuple[str, ...], plan: ViewPlan, generator: torch.Generator, *, drawn: bool) -> Sequence:
    """One of the contrasts in its clinical protocol, or in one that is drawn, at one of the plan's fields."""
    name = choice(contrasts, generator)
    if not drawn:
        return protocol_of(name)
    field = choice(plan.fields, generator) if plan.fields else 3.0
    return draw_useful_protocol(protocol_of(name).name, field, generator)[0]


def person(subject: LabelSubject, seed: int) -> LabelTissue:
    """The tissue that this person has in every whole scan: drawn by the seed and the name alone."""
    return subject.draw(derive(seed, subject.name, "person"))


def draw_place(
    plan: ViewPlan,
    region: Box,
    grid: Grid,
    generator: torch.Generator,
    centre: Tensor | None = None,
    device: Device = "cpu",
) -> Place:
    """Where a training crop lies: about ``centre``; without one mostly in the region, now and then anywhere."""
    if centre is None:
        where = whole(grid.shape) if chance(plan.anywhere, generator) else region
        centre = draw_centre(where, grid.spacing, plan.crop * plan.spacing, generator)
    shape = (plan.crop,) * 3
    return Place(grid, draw_warp(plan.geometry, centre, shape, plan.spacing, grid.spacing, generator), device)


def majority(classes: Labels, count: int, place: Place) -> Int[Tensor, "crop_x crop_y crop_z"]:
    """Classes of a place's box at its voxels: in each the one that fills most of it."""
    fine = place.reading.nearest(classes[None, None].to(torch.uint8))
    if place.factor == 1:
        return fine[0, 0].long()
    shares = torch.cat([average_blocks((fine == c).float(), place.factor) for c in range(count)], dim=1)
    return shares.argmax(dim=1)[0]
