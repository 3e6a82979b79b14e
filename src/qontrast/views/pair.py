"""Two views of one subject that ought to embed alike."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from qontrast.anatomy.subject import Head
from qontrast.basics.randomness import derive
from qontrast.basics.shapes import Box, Coordinates, Device, Volume
from qontrast.geometry.warp import Warp, draw_warp
from qontrast.physics.sequence import Sequence
from qontrast.views.acquisition import EMPTY, Acquisition, Signal, draw_acquisitions
from qontrast.views.plan import ViewPlan
from qontrast.views.render import Place
from qontrast.views.spoiling import Spoiling


@dataclass(frozen=True)
class View:
    """One view and everything that was drawn for it.

    Args:
        image: what the encoder sees, ``[1, 1, x, y, z]``.
        acquisition: its contrast.
        warp: where its voxels lie; ``warp.coordinates()`` gives each one's place in the subject.
        spoiling: its artefacts.
        signal: what the images were made of, before anything was spoilt.
        place: where its voxels lie in the head.
    """

    image: Volume
    acquisition: Acquisition
    warp: Warp
    spoiling: Spoiling
    signal: Signal
    place: Place

    @cached_property
    def clean(self) -> Volume:
        """The image without artefacts, the target of reconstruction: made when it is first asked for."""
        return self.acquisition.image(self.signal, None)

    @property
    def there(self) -> Tensor:
        """Where there is any signal, booleans ``[x, y, z]``: nowhere else can two views be compared."""
        magnitude = self.signal[0][0].abs().amax(dim=0)
        return magnitude > EMPTY * magnitude.max()

    @property
    def sequence(self) -> Sequence:
        """The protocol of a simulated view.

        Raises:
            TypeError: for a scan that was really made.
        """
        if self.acquisition.sequence is None:
            raise TypeError(f"{self.acquisition.describe()} has no simulated sequence")
        return self.acquisition.sequence

    def describe(self) -> str:
        """For a caption: contrast, artefacts, geometry and pathology, with semicolons between them."""
        return self.acquisition.caption(self.spoiling, self.warp)


@dataclass(frozen=True)
class ViewPair:
    """Two views of one subject. Voxels that have the same coordinates in the subject are the same tissue."""

    subject: str
    a: View
    b: View

    def match(self, stride: int = 1) -> Coordinates:
        """Where in view b the voxels of view a lie.

        Args:
            stride: of every so manyth voxel of a along each axis, beginning with the first.

        Returns:
            Voxel coordinates of b, ``[u, v, w, 3]``: those of a itself where both share a warp, else right to a
            hundredth of a voxel. What lies outside b has coordinates below 0 or above its last voxel's.
        """
        device = self.a.place.device
        if self.a.warp is self.b.warp:
            axes = [torch.arange(0, n, stride, dtype=torch.float32, device=device) for n in self.a.warp.shape]
            return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
        return self.b.warp.inverse(self.a.warp.coordinates(device=device)[::stride, ::stride, ::stride])


def make_pair(subject: Head, plan: ViewPlan, seed: int, step: int, turn: int = 0, device: Device = "cpu") -> ViewPair:
    """Make the pair that belongs to this seed, subject, step and turn, and to nothing else.

    Args:
        subject: a head whose tissue is known, or of which there are scans.
        plan: how.
        seed: the plan's.
        step: training step.
        turn: of this subject in this step: 0, and more only where a batch has it several times.
        device: where volumes are computed. What chance decides is drawn on the CPU and the same everywhere, noise
            included.

    Raises:
        MissingMapError: if the subject's maps suffice for none of the plan's sequences.
    """
    generator = derive(seed, subject.name, step, turn)
    acquisitions = draw_acquisitions(subject, plan, seed, step, turn, device)
    centre = draw_centre(subject.region, subject.grid.spacing, plan.crop * plan.spacing, generator)
    warp, other = draw_warps(plan, centre, subject.grid.spacing, generator)
    place, signal = Place(subject.grid, warp, device), None
    views: list[View] = []
    for acquisition, moved in zip(acquisitions, (warp, other), strict=True):
        if moved is not place.warp:
            place, signal = Place(subject.grid, moved, device), None
        if signal is None or acquisition is not acquisitions[0]:
            signal = acquisition.render(place)
        spoiling = acquisition.draw_spoiling(plan, generator, field_known=signal[1] is not None)
        image = acquisition.image(signal, spoiling)
        views.append(View(image, acquisition, moved, spoiling, signal, place))
    return ViewPair(subject.name, views[0], views[1])


def draw_warps(
    plan: ViewPlan, centre: Tensor, spacing: tuple[float, float, float], generator: torch.Generator
) -> tuple[Warp, Warp]:
    """Both views' warps; the same object twice where they share one."""
    shape, ranges = (plan.crop,) * 3, plan.geometry
    if ranges.shared:
        warp = draw_warp(ranges, centre, shape, plan.spacing, spacing, generator)
        return warp, warp
    reach = 2 * ranges.shift * plan.crop * plan.spacing / torch.tensor(spacing)
    first = draw_warp(ranges, _near(centre, reach, generator), shape, plan.spacing, spacing, generator)
    # A view and its mirror image could not be told left from right: the tissue that matches would be ambiguous.
    alike = replace(ranges, flip=float(torch.linalg.det(first.matrix) < 0))
    return first, draw_warp(alike, _near(centre, reach, generator), shape, plan.spacing, spacing, generator)


def _near(centre: Tensor, reach: Tensor, generator: torch.Generator) -> Tensor:
    """A place in the box of edges ``reach`` around ``centre``; nothing is drawn for a box of no size."""
    return centre + reach * (torch.rand(3, generator=generator) - 0.5) if bool(reach.any()) else centre


def draw_centre(region: Box, spacing: tuple[float, float, float], edge: float, generator: torch.Generator) -> Tensor:
    """A crop's centre (voxel coordinates ``[3]``): ``edge`` mm of crop lie at least three quarters in the region."""
    centre = []
    for (low, high), size in zip(region, spacing, strict=True):
        inset = min(0.5 * (high - low), 0.375 * edge / size)
        low_edge, high_edge = low + inset, high - inset
        centre.append(low_edge + (high_edge - low_edge) * float(torch.rand((), generator=generator)) - 0.5)
    return torch.tensor(centre)
