"""All that happens to an image along its three axes, in one matrix for each axis."""

from dataclasses import dataclass

import torch
from torch import Tensor

from qontrast.artefacts.kspace import Resolution
from qontrast.artefacts.lines import along
from qontrast.artefacts.slices import SliceStack
from qontrast.basics.shapes import AnyVolume


@dataclass(frozen=True)
class Encoding:
    """How a scan's voxels are encoded: k-space along some axes, slices along at most one.

    Args:
        parts: the operations, at most one along each axis.
    """

    parts: tuple[Resolution | SliceStack, ...] = ()

    def __call__(self, signal: AnyVolume) -> AnyVolume:
        for part in self.parts:
            signal = part(signal)
        return signal

    def noise(self, white: AnyVolume) -> AnyVolume:
        """White noise as it would be after acquisition at these voxels: still of standard deviation 1 in each of them.

        Lines that were not acquired hold no noise; each slice has its own, and it is interpolated with the slice.
        """
        for part in self.parts:
            white = along(white, _noise_matrix(part, white.shape[part.axis + 2]), part.axis)
        return white

    def describe(self) -> str:
        """For a caption."""
        return ", ".join(part.describe() for part in self.parts)


def _noise_matrix(part: Resolution | SliceStack, count: int) -> Tensor:
    """``[count, count]``; of a stack of slices the first columns are used, one draw for each slice."""
    if isinstance(part, SliceStack):
        slices = part.interpolation(count)[:, :count]
        return torch.nn.functional.pad(slices, (0, count - slices.shape[1]))
    matrix = part.matrix(count)
    return matrix / (matrix.abs().square().sum() / count).sqrt()
