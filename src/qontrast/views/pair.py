"""Two views of one subject that ought to embed alike."""

from dataclasses import dataclass

import torch
from torch import Tensor

from qontrast.anatomy.subject import Subject
from qontrast.basics.randomness import derive
from qontrast.basics.shapes import Volume
from qontrast.geometry.sample import Box
from qontrast.geometry.warp import Warp, draw_warp
from qontrast.physics.sequence import Sequence
from qontrast.views.contrast import describe, draw_contrasts
from qontrast.views.plan import ViewPlan
from qontrast.views.render import clean, oversampling, resampled, spoil
from qontrast.views.spoiling import Spoiling, draw_spoiling


@dataclass(frozen=True)
class View:
    """One view and everything that was drawn for it.

    Args:
        image: what the encoder sees, ``[1, 1, x, y, z]``.
        clean: the same without artefacts, the target of reconstruction.
        sequence: its contrast.
        warp: where its voxels lie; ``warp.coordinates()`` gives each one's place in the subject.
        spoiling: its artefacts.
        pathology: age and lesions of its head, in words; empty in health or where maps were measured.
    """

    image: Volume
    clean: Volume
    sequence: Sequence
    warp: Warp
    spoiling: Spoiling
    pathology: str = ""

    def describe(self) -> str:
        """For a caption: contrast, artefacts, geometry and pathology, with semicolons between them."""
        parts = (describe(self.sequence), self.spoiling.describe(), self.warp.describe(), self.pathology)
        return "; ".join(part for part in parts if part)


@dataclass(frozen=True)
class ViewPair:
    """Two views of one subject. Voxels that have the same coordinates in the subject are the same tissue."""

    subject: str
    a: View
    b: View


def make_pair(subject: Subject, plan: ViewPlan, seed: int, step: int, slot: int = 0) -> ViewPair:
    """Make the pair that belongs to this seed, subject, step and slot, and to nothing else.

    Args:
        subject: whose tissue is scanned.
        plan: how.
        seed: the plan's.
        step: training step.
        slot: place in the batch.

    Raises:
        MissingMapError: if the subject's maps suffice for none of the plan's sequences.
    """
    generator = derive(seed, subject.name, step, slot)
    tissue = subject.draw(generator, plan.pathology)
    # The contrasts have a generator of their own: at one seed all else is the same in every arm, but for artefacts that
    # only some sequences suffer from.
    sequences = draw_contrasts(plan, subject, derive(seed, subject.name, step, slot, "contrast"))
    shape = (plan.crop,) * 3
    centre = draw_centre(subject.region, subject.grid.spacing, plan.crop * plan.spacing, generator)
    warp = draw_warp(plan.geometry, centre, shape, plan.spacing, subject.grid.spacing, generator)
    other = warp
    if not plan.geometry.shared:
        other = draw_warp(plan.geometry, centre, shape, plan.spacing, subject.grid.spacing, generator)
    factor = oversampling(subject.grid, plan.spacing)
    coordinates = warp.coordinates(factor)
    views: list[View] = []
    rendered: tuple[Volume, Volume | None] | None = None
    for sequence, moved in zip(sequences, (warp, other), strict=True):
        if moved is not warp:
            coordinates = moved.coordinates(factor)
        if rendered is None or moved is not warp or sequence is not sequences[0]:
            rendered = resampled(subject, tissue, sequence, coordinates, factor)
        signal, b0 = rendered
        spoiling = draw_spoiling(
            plan.artefacts, sequence, shape, (plan.spacing,) * 3, generator, field_known=b0 is not None
        )
        image, ideal = spoil(sequence, signal, spoiling, b0), clean(sequence, signal)
        views.append(View(image, ideal, sequence, moved, spoiling, tissue.describe()))
    return ViewPair(subject.name, views[0], views[1])


@dataclass(frozen=True)
class PairMaker:
    """Pairs as a loader wants them: tensors ``[1, x, y, z]`` named ``a``, ``b``, ``clean_a``, ``clean_b``.

    Args:
        subjects: whose tissue is scanned.
        plan: how.
        seed: the plan's.
    """

    subjects: list[Subject]
    plan: ViewPlan
    seed: int

    def __call__(self, which: int, step: int, slot: int) -> dict[str, Tensor]:
        pair = make_pair(self.subjects[which], self.plan, self.seed, step, slot)
        return {
            "a": pair.a.image[0],
            "b": pair.b.image[0],
            "clean_a": pair.a.clean[0],
            "clean_b": pair.b.clean[0],
        }


def draw_centre(region: Box, spacing: tuple[float, float, float], edge: float, generator: torch.Generator) -> Tensor:
    """A crop's centre (voxel coordinates ``[3]``): ``edge`` mm of crop lie at least three quarters in the region."""
    centre = []
    for (low, high), size in zip(region, spacing, strict=True):
        inset = min(0.5 * (high - low), 0.375 * edge / size)
        low_edge, high_edge = low + inset, high - inset
        centre.append(low_edge + (high_edge - low_edge) * float(torch.rand((), generator=generator)) - 0.5)
    return torch.tensor(centre)
