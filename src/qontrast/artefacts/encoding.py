"""All that happens to an image along its three axes, in one matrix for each axis."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from torch import Tensor

from qontrast.artefacts.kspace import Resolution
from qontrast.artefacts.lines import along, cosines
from qontrast.artefacts.slices import SliceStack
from qontrast.basics.errors import InputError
from qontrast.basics.shapes import AnyVolume, Resampled, Volume

White = Callable[[Sequence[int]], Volume]


@dataclass(frozen=True)
class Encoding:
    """How a scan's voxels are encoded: k-space along some axes, slices along at most one.

    What is acquired is less than the image, and its noise arises there: so an image is taken to slices, then to the
    acquired waves of k-space, and from both together to the grid.

    Args:
        parts: the operations, at most one along each axis.

    Raises:
        InputError: for two along one axis, or two stacks of slices.
    """

    parts: tuple[Resolution | SliceStack, ...] = ()

    def __post_init__(self) -> None:
        axes = [part.axis for part in self.parts]
        if len(set(axes)) < len(axes):
            raise InputError("encoding", f"operations along the axes {axes}", "at most one along each axis")
        if sum(isinstance(part, SliceStack) for part in self.parts) > 1:
            raise InputError("encoding", "several stacks of slices", "at most one", "A scan is sliced along one axis.")

    def __call__(self, signal: AnyVolume) -> AnyVolume:
        return self.reconstructed(self.sampled(self.sliced(signal)), signal.shape)

    def sliced(self, signal: AnyVolume) -> Resampled:
        """The mean of each slice, or the image itself: of slices there are fewer than voxels."""
        for part in self.parts:
            if isinstance(part, SliceStack):
                signal = along(signal, part.averaging(signal.shape[part.axis + 2]), part.axis)
        return signal

    def sampled(self, slices: AnyVolume) -> Resampled:
        """The amplitudes of the waves that are acquired, of slices."""
        waves = [part for part in self.parts if isinstance(part, Resolution)]
        for part in sorted(waves, key=lambda each: each.kept):  # what leaves least comes first: others have less to do
            count = slices.shape[part.axis + 2]
            slices = along(slices, _waves(part, count)[0], part.axis)
        return slices

    def reconstructed(self, samples: AnyVolume, shape: Sequence[int], *, but: int | None = None) -> Resampled:
        """From what was acquired to the grid: an image of ``shape`` ``[batch, component, x, y, z]``.

        Along the axis ``but`` it stays what was acquired; :meth:`factor` takes it on.
        """
        left = [part for part in self.parts if part.axis != but]
        factors = [(part.axis, _from_samples(part, shape[part.axis + 2])) for part in left]
        # The axis that grows most comes last, so that the others have less to do.
        for axis, factor in sorted(factors, key=lambda pair: pair[1].shape[1] / len(pair[1]), reverse=True):
            samples = along(samples, factor, axis)
        return samples

    def factor(self, axis: int, count: int) -> Tensor | None:
        """From what was acquired along an axis to its ``count`` voxels, ``[count, sample]``; None where they are it."""
        return next((_from_samples(part, count) for part in self.parts if part.axis == axis), None)

    def grain(self, shape: Sequence[int]) -> float:
        """How strong noise is in each sample, if it is of standard deviation 1 in each acquired voxel of the image."""
        grain = 1.0
        for part in self.parts:
            if isinstance(part, Resolution):
                count = shape[part.axis + 2]
                grain /= float((_waves(part, count)[1].square().sum() / count).sqrt())
        return grain

    def noise(self, white: White, shape: Sequence[int]) -> Resampled:
        """Noise after acquisition at these voxels: still of standard deviation 1 in each of them.

        Lines that were not acquired hold no noise, so none is drawn for them; each slice has its own, and it is
        interpolated with the slice.

        Args:
            white: draws white noise of a shape.
            shape: ``[batch, component, x, y, z]`` of the noise.
        """
        drawn = list(shape)
        for part in self.parts:
            count = shape[part.axis + 2]
            drawn[part.axis + 2] = len(part.centres(count) if isinstance(part, SliceStack) else _waves(part, count)[1])
        return self.reconstructed(white(drawn) * self.grain(shape), shape)

    def describe(self) -> str:
        """For a caption."""
        return ", ".join(part.describe() for part in self.parts)


def _from_samples(part: Resolution | SliceStack, count: int) -> Tensor:
    """From what was acquired along an axis to the grid, ``[count, sample]``: of each slice or wave."""
    if isinstance(part, SliceStack):
        return part.interpolation(count)
    waves, left = _waves(part, count)
    return (waves * left[:, None]).T


@lru_cache(maxsize=8)  # a view asks for those of its axes several times
def _waves(part: Resolution, count: int) -> tuple[Tensor, Tensor]:
    """The waves that are acquired along an axis, ``[wave, count]``, and how much of each is left, ``[wave]``."""
    transfer = part.transfer(count)[:count]
    kept = transfer > 0
    return cosines(count)[kept], transfer[kept]
