"""What limits resolution: truncated k-space (Gibbs ringing) and thick slices."""

from dataclasses import dataclass

import torch

from qontrast.basics.errors import InputError
from qontrast.basics.randomness import choice
from qontrast.basics.shapes import Volume

AXES = ("right", "anterior", "superior")


@dataclass(frozen=True)
class Gibbs:
    """Keep only the central share of k-space along one axis: ringing at edges, on the same grid.

    Args:
        axis: 0, 1 or 2 (right, anterior, superior).
        kept: share of k-space lines that was acquired, above 0 and up to 1.
    """

    axis: int
    kept: float

    def __post_init__(self) -> None:
        if not 0 < self.kept <= 1:
            raise InputError("Gibbs", f"a kept share of {self.kept:g}", "a number above 0 and up to 1")

    def lines(self, count: int) -> int:
        """How many of ``count`` lines are kept: all, or an odd number, so that k-space stays symmetric."""
        return min(count, 2 * int(self.kept * count / 2) + 1)

    def __call__(self, signal: Volume) -> Volume:
        dim = self.axis + 2
        count = signal.shape[dim]
        highest = self.lines(count) // 2
        spectrum = torch.fft.rfft(signal, dim=dim)
        index = torch.arange(spectrum.shape[dim], device=signal.device)
        keep = (index <= highest).reshape([-1 if d == dim else 1 for d in range(signal.ndim)])
        return torch.fft.irfft(spectrum * keep, n=count, dim=dim)

    def describe(self) -> str:
        """For a caption."""
        return f"Gibbs {AXES[self.axis]} {self.kept:.0%}"


@dataclass(frozen=True)
class ThickSlices:
    """Average over slabs of ``thickness`` voxels along one axis, then linear interpolation back to the grid.

    Args:
        axis: 0, 1 or 2 (right, anterior, superior), the slice direction.
        thickness: slice thickness in voxels, at least 1.
    """

    axis: int
    thickness: float

    def __post_init__(self) -> None:
        if not self.thickness >= 1:
            raise InputError("thick slices", f"{self.thickness:g} voxels", "at least 1 voxel")

    def __call__(self, signal: Volume) -> Volume:
        dim = self.axis + 2
        count = signal.shape[dim]
        slices = max(1, round(count / self.thickness))
        flat = signal.movedim(dim, -1)
        shape = flat.shape
        flat = flat.reshape(-1, 1, count)
        thick = torch.nn.functional.interpolate(_moving_mean(flat, count / slices), size=slices, mode="linear")
        back = torch.nn.functional.interpolate(thick, size=count, mode="linear")
        return back.reshape(shape).movedim(-1, dim).contiguous()

    def describe(self) -> str:
        """For a caption."""
        return f"slices {AXES[self.axis]} x{self.thickness:.1f}"


def _moving_mean(lines: torch.Tensor, width: float) -> torch.Tensor:
    """Mean over a window of ``width`` samples (at least 1, fractional ends weighted) along the last axis."""
    half = (width - 1) / 2
    reach = max(0, int(-(-half // 1)))
    offsets = torch.arange(-reach, reach + 1, dtype=lines.dtype, device=lines.device)
    weights = (width / 2 + 0.5 - offsets.abs()).clamp(0, 1)
    padded = torch.nn.functional.pad(lines, (reach, reach), mode="replicate")
    return torch.nn.functional.conv1d(padded, (weights / weights.sum()).reshape(1, 1, -1))


def draw_gibbs(kept: tuple[float, float], generator: torch.Generator) -> Gibbs:
    """A random axis and share of k-space."""
    low, high = kept
    return Gibbs(choice((0, 1, 2), generator), low + (high - low) * float(torch.rand((), generator=generator)))


def draw_thick_slices(thickness: tuple[float, float], generator: torch.Generator) -> ThickSlices:
    """A random slice direction and thickness (voxels)."""
    low, high = thickness
    return ThickSlices(choice((0, 1, 2), generator), low + (high - low) * float(torch.rand((), generator=generator)))
