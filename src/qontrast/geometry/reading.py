"""Trilinear interpolation at many points, for as many images as there are.

On a processor a compiled loop reads single precision (:mod:`qontrast.geometry.trilinear`); everything else, and a GPU,
has the cells of PyTorch's own functions (:mod:`qontrast.geometry.cells`).
"""

from functools import cached_property

import torch
from torch import Tensor

from qontrast.basics.shapes import AnyVolume, Coordinates, Resampled
from qontrast.geometry.cells import Cells
from qontrast.geometry.trilinear import read_rows


class Reading:
    """Where each of many points lies between the voxels of a block.

    Args:
        coordinates: ``[u, v, w, 3]`` voxel coordinates.
        shape: of the block. Points outside read zeros, as if the block were surrounded by them.
        first: coordinates of the block's first voxel.
    """

    def __init__(
        self, coordinates: Coordinates, shape: tuple[int, int, int], first: tuple[int, int, int] = (0, 0, 0)
    ) -> None:
        self.shape, self.first = shape, first
        self.view = tuple(coordinates.shape[:3])
        self._planes = [coordinates[..., axis].reshape(-1, coordinates.shape[2]) for axis in range(3)]

    def __call__(self, block: AnyVolume) -> Resampled:
        """``block`` ``[batch, channel, x, y, z]``, real or complex, at the points: ``[batch, channel, u, v, w]``."""
        batch, channels, *shape = block.shape
        if tuple(shape) != self.shape:
            raise ValueError(f"a block of {tuple(shape)} voxels; this reading is of {self.shape}")
        if block.is_complex():
            return torch.complex(self(block.real), self(block.imag))
        if all(t.dtype == torch.float32 and t.device.type == "cpu" for t in (block, *self._planes)):
            images = block.reshape(batch * channels, *shape).contiguous()
            out = torch.empty(len(images), *self._planes[0].shape)
            read_rows(images.numpy(), *(p.contiguous().numpy() for p in self._planes), self.first, out.numpy())
        else:
            out = torch.stack([self._cells.read(image) for image in self._surrounded(block)])
        return out.reshape(batch, channels, *self.view)

    def nearest(self, block: AnyVolume) -> Resampled:
        """The same, but the nearest voxel of each point instead of a blend: for labels."""
        batch, channels, *_ = block.shape
        return self._surrounded(block).index_select(1, self._cells.nearest()).reshape(batch, channels, *self.view)

    @cached_property
    def _rim(self) -> int:
        """Whether zeros have to surround the block: 0 where every point has all eight neighbours."""
        edges = zip((torch.aminmax(p) for p in self._planes), self.shape, self.first, strict=True)
        inside = all(n > 1 and float(low) >= start and float(high) <= start + n - 1 for (low, high), n, start in edges)
        return 0 if inside else 1

    @cached_property
    def _cells(self) -> Cells:
        sizes, starts = [n + 2 * self._rim for n in self.shape], [start - self._rim for start in self.first]
        return Cells([p.reshape(-1) for p in self._planes], sizes, starts)

    def _surrounded(self, block: AnyVolume) -> Tensor:
        """``[image, voxel]``."""
        surrounded = torch.nn.functional.pad(block, (1, 1) * 3) if self._rim else block
        return surrounded.reshape(block.shape[0] * block.shape[1], -1)
