"""All that happens to an image along its three axes, in one matrix for each axis."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from qontrast.artefacts.kspace import Resolution
from qontrast.artefacts.lines import along, cosines
from qontrast.artefacts.slices import SliceStack
from qontrast.basics.shapes import AnyVolume, Volume

White = Callable[[Sequence[int]], Volume]


@dataclass(frozen=True)
class Encoding:
    """How a scan's voxels are encoded: k-space along some axes, slices along at most one.

    Args:
        parts: the operations, at most one along each axis.
    """

    parts: tuple[Resolution | SliceStack, ...] = ()

    def __call__(self, signal: AnyVolume) -> AnyVolume:
        # Of slices there are fewer than voxels: what happens along other axes happens to them.
        stacks = [part for part in self.parts if isinstance(part, SliceStack)]
        counts = [signal.shape[stack.axis + 2] for stack in stacks]
        encoded = signal
        for stack, count in zip(stacks, counts, strict=True):
            encoded = along(encoded, stack.averaging(count), stack.axis)
        for part in self.parts:
            if isinstance(part, Resolution):
                encoded = part(encoded)
        for stack, count in zip(stacks, counts, strict=True):
            encoded = along(encoded, stack.interpolation(count), stack.axis)
        return encoded

    def noise(self, white: White, shape: Sequence[int]) -> Volume:
        """Noise after acquisition at these voxels: still of standard deviation 1 in each of them.

        Lines that were not acquired hold no noise, so none is drawn for them; each slice has its own, and it is
        interpolated with the slice.

        Args:
            white: draws white noise of a shape.
            shape: ``[batch, component, x, y, z]`` of the noise.
        """
        factors = [(part.axis, _noise_factor(part, shape[part.axis + 2])) for part in self.parts]
        drawn = list(shape)
        for axis, factor in factors:
            drawn[axis + 2] = factor.shape[1]
        noise = white(drawn)
        # The axis that grows most comes last, so that the others have less to do.
        for axis, factor in sorted(factors, key=lambda pair: pair[1].shape[1], reverse=True):
            noise = along(noise, factor, axis)
        return noise

    def describe(self) -> str:
        """For a caption."""
        return ", ".join(part.describe() for part in self.parts)


def _noise_factor(part: Resolution | SliceStack, count: int) -> Tensor:
    """From independent draws to noise along an axis, ``[count, draw]``: one draw for each slice or acquired wave."""
    if isinstance(part, SliceStack):
        return part.interpolation(count)
    transfer = part.transfer(count)[:count]
    kept = transfer > 0
    return (cosines(count) * transfer[:, None])[kept].T / (transfer.square().sum() / count).sqrt()
