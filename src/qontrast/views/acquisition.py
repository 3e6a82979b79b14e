"""What a view shows: a sequence simulated on a head's tissue, or one of the scans that were really made of it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from qontrast.anatomy.observed import ObservedHead, ObservedScan
from qontrast.anatomy.subject import Head, Subject, Tissue
from qontrast.basics.randomness import derive
from qontrast.basics.shapes import AnyVolume, Device, Volume
from qontrast.geometry.sample import average_blocks, reading, touched
from qontrast.geometry.warp import Warp
from qontrast.physics.sequence import Sequence
from qontrast.views.contrast import caption, describe, draw_contrasts
from qontrast.views.normalise import normalise
from qontrast.views.plan import ViewPlan
from qontrast.views.render import Place, resampled
from qontrast.views.spoiling import Spoiling, draw_added, draw_spoiling, scanned

EMPTY = 1e-3
"""Share of the strongest signal below which there is none: air is zero in simulations and in masked scans."""

Signal = tuple[AnyVolume, Volume | None]
"""What a place gives before anything is spoilt, and the off-resonance there (Hz) where it is known."""


class Acquisition(ABC):
    """One contrast of one head, ready to be rendered at any place.

    Args:
        sequence: the protocol of a simulated contrast; None for a scan that was really made.
    """

    sequence: Sequence | None

    @abstractmethod
    def render(self, place: Place) -> Signal:
        """The signal at a view's voxels, ``[1, components, x, y, z]``."""

    @abstractmethod
    def draw_spoiling(self, plan: ViewPlan, generator: torch.Generator, *, field_known: bool) -> Spoiling:
        """Draw the artefacts of a view of this contrast."""

    def image(self, signal: Signal, spoiling: Spoiling | None, brain: Bool[Tensor, "x y z"] | None = None) -> Volume:
        """The image ``[1, 1, x, y, z]`` as the network sees it: spoilt or (None) clean, and normalised.

        Of a head whose skull was stripped nothing is left where there is no ``brain``, not even noise.
        """
        values, b0 = signal
        if spoiling is None:
            image = values if self.sequence is None else self.sequence.image(values)
        else:
            image = scanned(self.sequence, values, spoiling, b0)
            image = image if spoiling.erasure is None else spoiling.erasure(image)
        return normalise(image if brain is None else torch.where(brain, image, 0.0))

    @abstractmethod
    def describe(self) -> str:
        """For a caption: the contrast."""

    def person(self) -> str:
        """For a caption: what was drawn of the person; empty where nothing was."""
        return ""

    def caption(self, spoiling: Spoiling, warp: Warp) -> str:
        """Of a view: contrast, artefacts, geometry and pathology, with semicolons between them."""
        return caption(self.describe(), spoiling.describe(), warp.describe(), self.person())


@dataclass(frozen=True)
class Simulated(Acquisition):
    """A sequence on a head's tissue.

    Args:
        sequence: the protocol.
        tissue: as drawn; the same for both views of a pair.
    """

    sequence: Sequence
    tissue: Tissue

    def render(self, place: Place) -> Signal:
        """See :class:`Acquisition`, as all of these."""
        return resampled(self.tissue, self.sequence, place)

    def draw_spoiling(self, plan: ViewPlan, generator: torch.Generator, *, field_known: bool) -> Spoiling:
        """As often and as strong as the sequence suffers from them."""
        shape, voxel = (plan.crop,) * 3, (plan.spacing,) * 3
        return draw_spoiling(plan.artefacts, self.sequence, shape, voxel, generator, field_known=field_known)

    def describe(self) -> str:
        """The protocol."""
        return describe(self.sequence)

    def person(self) -> str:
        """Age and lesions."""
        return self.tissue.describe()


@dataclass(frozen=True)
class Observed(Acquisition):
    """A scan that was really made. Its own noise and artefacts are in it; a little of both is added.

    Args:
        scan: the image.
    """

    scan: ObservedScan
    sequence: None = None

    def render(self, place: Place) -> Signal:
        """Read on the scan's own grid: one interpolation, whatever the grids of the head's other scans are."""
        moved = place.warp.coordinates(place.factor, torch.from_numpy(self.scan.to_head), place.device)
        box = touched(moved, self.scan.grid.shape)
        block = self.scan.block(box).to(place.device)
        return average_blocks(reading(box, moved)(block), place.factor), None

    def draw_spoiling(self, plan: ViewPlan, generator: torch.Generator, *, field_known: bool) -> Spoiling:
        """Bias, noise and erasure: the rest is in the scan already."""
        return draw_added(plan.artefacts, (plan.crop,) * 3, generator)

    def describe(self) -> str:
        """Which scan."""
        return f"{self.scan.contrast} (observed)"


def draw_acquisitions(
    head: Head, plan: ViewPlan, seed: int, step: int, turn: int, device: Device = "cpu"
) -> tuple[Acquisition, Acquisition]:
    """The two contrasts of a pair; the same object twice where both views show the same.

    Args:
        head: known by its tissue or by scans.
        plan: its arm and sequences.
        seed: the plan's.
        step: training step.
        turn: of this subject in this step.
        device: where they are to be rendered.

    Raises:
        MissingMapError: if a subject's maps suffice for none of the plan's sequences.
    """
    # The contrasts have a generator of their own: at one seed all else is the same in every arm, but for artefacts that
    # only some sequences suffer from.
    own = derive(seed, head.name, step, turn, "contrast")
    if isinstance(head, ObservedHead):
        scans = [head.scans[name] for name in _two(sorted(head.scans), plan.arm, own)]
        first = Observed(scans[0])
        return first, (first if scans[1] is scans[0] else Observed(scans[1]))
    assert isinstance(head, Subject)
    tissue = head.draw(derive(seed, head.name, step, turn, "tissue"), plan.pathology).on(device)
    one, other = draw_contrasts(plan, head, own)
    first_of = Simulated(one, tissue)
    return first_of, (first_of if other is one else Simulated(other, tissue))


def _two(names: list[str], arm: str, generator: torch.Generator) -> tuple[str, str]:
    """Which of a session's scans the views show: the T1-weighted twice, one twice, or two."""
    if arm == "base":
        first = next((n for n in names if n.startswith("T1w")), names[0])
        return first, first
    order = torch.randperm(len(names), generator=generator).tolist()
    return names[order[0]], names[order[0 if arm == "seqaug" else 1]]
