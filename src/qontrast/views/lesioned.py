"""Label maps with lesions in them: crops to learn to find lesions on, and whole scans to test it on."""

from functools import partial

import torch
from torch import Tensor

from qontrast.anatomy.labelled import LabelSubject, LabelTissue
from qontrast.anatomy.lesions import CODES
from qontrast.anatomy.pathology import PathologyRanges
from qontrast.basics.randomness import chance, derive
from qontrast.basics.shapes import Box, Device, Labels
from qontrast.physics.sequence import Sequence
from qontrast.views.acquisition import Simulated
from qontrast.views.labelled import Case, Crop, draw_place, draw_sequence, majority, near
from qontrast.views.plan import ViewPlan
from qontrast.views.render import Place
from qontrast.views.whole_scan import Scan, simulate_scan

CLASSES = ("background", "lesion")
SHIFTED = 12
"""Voxels by which atrophy may move a lesion out of its box."""


class LesionedCase(Case):
    """A label map, given other lesions and scanned anew for every crop.

    The truth is the lesions of the kinds that the plan draws. What age does to white matter is background unless small
    vessel disease is among them.

    Args:
        head: the label map.
        contrasts: sequences that are drawn from.
        drawn: whether each crop has a random protocol, not the clinical one.
        centred: share of the crops whose centre lies near a voxel of a lesion, where there is one; the others lie as
            those of :class:`~qontrast.views.labelled.SimulatedCase`.
    """

    def __init__(
        self, head: LabelSubject, contrasts: tuple[str, ...], *, drawn: bool = False, centred: float = 1 / 3
    ) -> None:
        self.name = self.subject = head.name
        self.classes = CLASSES
        self.head, self.contrasts, self.drawn, self.centred = head, contrasts, drawn, centred

    def crop(self, plan: ViewPlan, seed: int, step: int, turn: int, device: Device = "cpu") -> Crop:
        """See :meth:`Case.crop`."""
        head = self.head
        generator = derive(seed, head.name, step, turn)
        sequence = draw_sequence(self.contrasts, plan, generator, drawn=self.drawn)
        tissue = head.draw(derive(seed, head.name, step, turn, "patient"), plan.pathology).on(device)
        centre = self._centre(tissue, plan, generator) if chance(self.centred, generator) else None
        place = draw_place(plan, head.region, head.grid, generator, centre, device)
        scan = Simulated(sequence, tissue)
        signal = scan.render(place)
        spoiling = scan.draw_spoiling(plan, generator, field_known=signal[1] is not None)
        truth = lesions_at(tissue, place, plan.pathology.kinds)
        return Crop(scan.image(signal, spoiling), truth, place.warp, partial(scan.caption, spoiling, place.warp))

    def present(self) -> set[int]:
        """See :meth:`Case.present`; a head without brain has no lesion."""
        return {0, 1} if len(self.head.compartments.sites["brain"]) else {0}

    def _centre(self, tissue: LabelTissue, plan: ViewPlan, generator: torch.Generator) -> Tensor | None:
        box = lesion_box(tissue, plan.pathology.kinds)
        if box is None:
            return None
        voxels = torch.nonzero(marked(tissue, box, plan.pathology.kinds))
        if len(voxels) == 0:
            return None
        chosen = voxels[int(torch.randint(len(voxels), (), generator=generator))].tolist()
        voxel = [float(v + low) for v, (low, _) in zip(chosen, box, strict=True)]
        return near(voxel, plan.crop * plan.spacing, self.head.grid.spacing, generator)


def lesion_box(tissue: LabelTissue, kinds: tuple[str, ...]) -> Box | None:
    """A box of the head's grid that holds all lesions of some kinds; None where there are none."""
    lesions = tissue.pathology.lesions if tissue.pathology is not None else ()
    boxes = [level.box for lesion in lesions if lesion.kind in kinds for level in lesion.levels]
    if not boxes:
        return None
    edges = []
    for axis, n in enumerate(tissue.subject.grid.shape):
        low, high = min(b[axis][0] for b in boxes), max(b[axis][1] for b in boxes)
        edges.append((max(0, low - SHIFTED), min(n, high + SHIFTED)))
    return (edges[0], edges[1], edges[2]) if all(a < b for a, b in edges) else None


def marked(tissue: LabelTissue, box: Box, kinds: tuple[str, ...]) -> Tensor:
    """Which voxels of ``box`` hold a lesion of some kinds, booleans ``[x, y, z]``."""
    return torch.isin(tissue.lesion(box), torch.tensor([CODES[kind] for kind in kinds], device=tissue.device))


def lesions_at(tissue: LabelTissue, place: Place, kinds: tuple[str, ...]) -> Labels:
    """1 where lesions of some kinds fill most of a voxel of a view, ``[x, y, z]``; else 0."""
    return majority(marked(tissue, place.box, kinds).long(), len(CLASSES), place)


def simulate_patient(
    subject: LabelSubject, sequence: Sequence, spacing: float, snr: float, seed: int, ranges: PathologyRanges
) -> Scan:
    """A whole head's scan with the lesions, or the health, of one person; see :func:`simulate_scan`.

    What this person has depends on the seed and the name alone: in each contrast it is the same.
    """
    tissue = subject.draw(derive(seed, subject.name, "patient"), ranges)
    return simulate_scan(
        subject, sequence, spacing, snr, seed, tissue=tissue, truth=lambda t, p: lesions_at(t, p, ranges.kinds)
    )
