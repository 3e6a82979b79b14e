"""Two-dimensional imaging: thick slices with gaps, resliced to the grid."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from qontrast.artefacts.lines import AXES, along
from qontrast.basics.errors import InputError
from qontrast.basics.shapes import AnyVolume


@dataclass(frozen=True)
class SliceStack:
    """Average over slices with gaps between them, then interpolate linearly between their centres.

    A slice's profile is a trapezoid: as wide as ``thickness`` at half of its height, its flanks ``flank`` of that wide
    (selective pulses are no boxes: Bernstein et al. 2004, Handbook of MRI Pulse Sequences, 3.2 and 8.1). What lies in
    a gap is never seen but by the flanks.

    Args:
        axis: 0, 1 or 2 (right, anterior, superior): across the slices.
        thickness: full width at half maximum of the profile, mm.
        gap: between the edges (at half maximum) of neighbouring slices, mm.
        voxel: voxel size of the grid along the axis, mm.
        offset: how far the slices are shifted along the axis, as a share of their distance.
        flank: width of each flank as a share of the thickness.
    """

    axis: int
    thickness: float
    gap: float
    voxel: float
    offset: float = 0.0
    flank: float = 0.2

    def __post_init__(self) -> None:
        if not (self.thickness >= self.voxel > 0 and math.isfinite(self.thickness)):
            raise InputError(
                "thick slices",
                f"{self.thickness:g} mm on a grid of {self.voxel:g} mm",
                "slices no thinner than the grid's voxels",
            )
        if not 0 <= self.gap < math.inf:
            raise InputError("thick slices", f"a gap of {self.gap:g} mm", "0 mm or more")
        if not 0 <= self.flank <= 1:
            raise InputError("thick slices", f"flanks of {self.flank:g}", "a share of the thickness from 0 to 1")

    def centres(self, count: int) -> Tensor:
        """Where the slices' centres lie, in mm from the grid's first face: all whose centre lies on the grid."""
        distance, length = self.thickness + self.gap, count * self.voxel
        start = 0.5 * length + self.offset * distance
        first, last = math.ceil(-start / distance), math.floor((length - start) / distance)
        inside = [start + i * distance for i in range(first, last + 1) if 0 < start + i * distance < length]
        return torch.tensor(inside or [0.5 * length], dtype=torch.float64)

    def averaging(self, count: int) -> Tensor:
        """Weights ``[slices, count]`` of the grid's voxels in each slice; each row sums to 1."""
        faces = self.voxel * torch.arange(count + 1, dtype=torch.float64)
        # The integral of a trapezoid is a sum of four squared ramps.
        width = max(self.flank * self.thickness, 1e-6 * self.thickness)
        inner, outer = 0.5 * (self.thickness - width), 0.5 * (self.thickness + width)
        z = faces[None] - self.centres(count)[:, None]
        corners = ((outer, 1.0), (inner, -1.0), (-inner, -1.0), (-outer, 1.0))
        integral = sum((sign * (z + corner).clamp(min=0) ** 2 for corner, sign in corners), torch.zeros(()))
        weights = integral.diff(dim=1).clamp(min=0)
        return weights / weights.sum(dim=1, keepdim=True)

    def interpolation(self, count: int) -> Tensor:
        """Weights ``[count, slices]`` of the slices in each voxel of the grid; each row sums to 1."""
        centres = self.centres(count)
        voxels = self.voxel * (torch.arange(count, dtype=torch.float64) + 0.5)
        place = ((voxels - centres[0]) / (self.thickness + self.gap)).clamp(0, len(centres) - 1)
        return (1 - (place[:, None] - torch.arange(len(centres), dtype=torch.float64)[None]).abs()).clamp(min=0)

    def matrix(self, count: int) -> Tensor:
        """The operation as a matrix ``[count, count]``."""
        return self.interpolation(count) @ self.averaging(count)

    def __call__(self, signal: AnyVolume) -> AnyVolume:
        return along(signal, self.matrix(signal.shape[self.axis + 2]), self.axis)

    def describe(self) -> str:
        """For a caption."""
        return f"slices {AXES[self.axis]} {self.thickness:.1f} mm, gap {self.gap:.1f} mm"
