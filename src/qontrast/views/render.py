"""One view: a contrast of a head at the place of its voxels."""

from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from qontrast.anatomy.subject import Tissue
from qontrast.artefacts.prevalence import prevalence
from qontrast.basics.compiled import by_loops
from qontrast.basics.grid import Grid
from qontrast.basics.shapes import AnyVolume, Device, Resampled, Volume
from qontrast.geometry.reach import Reach, within_reach
from qontrast.geometry.sample import average_blocks, reading, sample, touched
from qontrast.geometry.warp import Warp
from qontrast.physics.sequence import Sequence, first

SHORT_ECHO = 5e-3  # s: gradient echoes up to here lose next to nothing to the static field
MOST_POINTS = 4  # along an edge: 64 points a voxel average well enough, and memory grows with the cube


def oversampling(grid: Grid, spacing: float) -> int:
    """Points along each edge of a voxel of ``spacing`` mm, so that the grid's own resolution is not skipped over."""
    return max(1, min(MOST_POINTS, round(spacing / min(grid.spacing))))


class Place:
    """Where a view's voxels lie in a head: worked out once, for all contrasts that are made there.

    Args:
        grid: of the head.
        warp: of the view.
        device: where the view is made.
    """

    def __init__(self, grid: Grid, warp: Warp, device: Device = "cpu") -> None:
        self.warp, self.device = warp, torch.device(device)
        self.factor = oversampling(grid, warp.spacing)
        self.coordinates = warp.coordinates(self.factor, device=device)
        self.box = touched(self.coordinates, grid.shape)
        self.reading = reading(self.box, self.coordinates)

    @cached_property
    def _needed(self) -> Reach:
        axes = torch.linalg.inv(self.warp.matrix / self.warp.subject_spacing[:, None])
        return within_reach(self.coordinates, axes, self.box)

    def needed(self) -> Reach:
        """Which voxels of the box may be read: all that are, and a few more."""
        return self._needed

    def inside(self, voxels: Int[Tensor, "point 3"]) -> Float[Tensor, "point some 3"]:
        """Where in the head the points lie that some of the view's voxels are averaged over."""
        steps = torch.arange(self.factor, device=voxels.device)
        x, y, z = (voxels[:, None] * self.factor + torch.cartesian_prod(*[steps] * 3).reshape(-1, 3)).unbind(dim=2)
        return self.coordinates[x, y, z]

    def read(self, block: AnyVolume) -> Resampled:
        """A block of the box at the view's voxels, averaged over the points of each."""
        return average_blocks(self.reading(block), self.factor)

    def read_smooth(self, block: Volume) -> Resampled:
        """The same for what hardly varies within a voxel: one point for each."""
        if self.factor == 1:
            return self.reading(block)
        centres = average_blocks(self.coordinates.movedim(-1, 0)[None], self.factor)[0].movedim(0, -1)
        return sample(block, self.box, centres)


def resampled(tissue: Tissue, sequence: Sequence, place: Place) -> tuple[AnyVolume, Volume | None]:
    """Signals and off-resonance at a place, not spoilt.

    The contrast is simulated on the subject's own grid; then the signals (not the tissue) are moved, and averaged over
    all points of a voxel.

    Returns:
        The signed signals ``[1, components, x, y, z]``, and the off-resonance ``[1, 1, x, y, z]`` in Hz where the
        tissue has it and the sequence is a gradient echo of some length.
    """
    dephased = prevalence(sequence.name).gradient_echo and first(sequence.echo_time) > SHORT_ECHO  # type: ignore[attr-defined]
    needed = place.needed if by_loops(place.coordinates) else None  # a GPU makes all of the box
    signal, b0 = tissue.scan(sequence, place.box, needed, with_b0=dephased)
    return place.read(signal), place.read_smooth(b0) if dephased and b0 is not None else None
