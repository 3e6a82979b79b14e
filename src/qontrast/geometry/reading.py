"""Trilinear interpolation at many points, prepared once and applied to as many images as there are.

PyTorch's own three-dimensional ``grid_sample`` works out every point's neighbours and weights anew for each call, one
point at a time; see :mod:`qontrast.geometry.cells` for what is done here. On a GPU the same code runs.
"""

import torch

from qontrast.basics.shapes import AnyVolume, Coordinates, Resampled
from qontrast.geometry.cells import Cells


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
        self.shape = shape
        self.view = tuple(coordinates.shape[:3])
        planes = [coordinates[..., axis].reshape(-1) for axis in range(3)]
        # Where every point has all eight neighbours the block need not be surrounded by zeros.
        self.inside = all(
            n > 1 and float(low) >= start and float(high) <= start + n - 1
            for (low, high), n, start in zip((torch.aminmax(p) for p in planes), shape, first, strict=True)
        )
        rim = 0 if self.inside else 1
        self._sizes = (shape[0] + 2 * rim, shape[1] + 2 * rim, shape[2] + 2 * rim)
        self._cells = Cells(planes, self._sizes, [start - rim for start in first])

    def __call__(self, block: AnyVolume) -> Resampled:
        """``block`` ``[batch, channel, x, y, z]``, real or complex, at the points: ``[batch, channel, u, v, w]``."""
        batch, channels, *shape = block.shape
        if tuple(shape) != self.shape:
            raise ValueError(f"a block of {tuple(shape)} voxels; this reading is of {self.shape}")
        if block.is_complex():
            return torch.complex(self(block.real), self(block.imag))
        images = self._surrounded(block).reshape(batch * channels, -1)
        if len(images) == 1:
            return self._cells.read(images[0]).reshape(1, 1, *self.view)
        return torch.stack([self._cells.read(image) for image in images]).reshape(batch, channels, *self.view)

    def _surrounded(self, block: AnyVolume) -> Resampled:
        return block if self.inside else torch.nn.functional.pad(block, (1, 1) * 3)

    def nearest(self, block: AnyVolume) -> Resampled:
        """The same, but the nearest voxel of each point instead of a blend: for labels."""
        batch, channels, *_ = block.shape
        images = self._surrounded(block).reshape(batch * channels, -1)
        return images.index_select(1, self._cells.nearest()).reshape(batch, channels, *self.view)
