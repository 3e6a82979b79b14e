"""Interpolation at many points, for as many images as there are."""

from functools import cached_property

import torch
from torch import Tensor

from qontrast.basics.compiled import by_loops
from qontrast.basics.shapes import AnyVolume, Coordinates, Resampled, full_precision
from qontrast.geometry import reading_tensors
from qontrast.geometry.reading_loops import read_affine, read_nearest, read_rows

BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Whole numbers of so many bytes: what is only copied may be anything."""


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
        self.view, self._coordinates = tuple(coordinates.shape[:3]), coordinates

    def __call__(self, block: AnyVolume) -> Resampled:
        """``block`` ``[batch, channel, x, y, z]``, real or complex, at the points: ``[batch, channel, u, v, w]``."""
        if block.is_complex():
            return torch.complex(self(block.real), self(block.imag))
        images = full_precision(self._images(block))
        if by_loops(images):
            planes = self._planes(images.dtype)
            out = images.new_empty(len(images), *planes[0].shape)
            read_rows(images.numpy(), *(plane.numpy() for plane in planes), self.first, out.numpy())
        else:
            out = reading_tensors.read(images, self._grid.to(images))
        return out.reshape(*block.shape[:2], *self.view)

    def _planes(self, dtype: torch.dtype) -> list[Tensor]:
        """The points' three coordinates, ``[row, point]`` each."""
        return [plane.reshape(-1, self.view[2]).to(dtype).contiguous() for plane in self._coordinates.unbind(-1)]

    @cached_property
    def _grid(self) -> Tensor:
        return reading_tensors.grid(self._coordinates, self.shape, self.first)

    def nearest(self, block: AnyVolume) -> Resampled:
        """The same, but the nearest voxel of each point instead of a blend: for labels."""
        images = self._images(block).view(BITS[block.element_size()])
        planes = self._planes(torch.float32)
        if by_loops(images):
            out = images.new_empty(len(images), *planes[0].shape)
            read_nearest(images.numpy(), *(plane.numpy() for plane in planes), self.first, out.numpy())
        else:
            out = reading_tensors.read_nearest(images, planes, self.first)
        return out.view(block.dtype).reshape(*block.shape[:2], *self.view)

    def _images(self, block: AnyVolume) -> Tensor:
        batch, channels, *shape = block.shape
        if tuple(shape) != self.shape:
            raise ValueError(f"a block of {tuple(shape)} voxels; this reading is of {self.shape}")
        return block.reshape(batch * channels, *shape).contiguous()


def askew(image: AnyVolume, matrix: Tensor, first: Tensor) -> AnyVolume:
    """An image, its borders repeated, at the voxels of a grid of its own shape that lies askew to it.

    Args:
        image: ``[batch, channel, x, y, z]``, real or complex.
        matrix: from the grid's voxels to the image's, ``[3, 3]``.
        first: where the grid's first voxel lies in the image, voxels ``[3]``.
    """
    if image.is_complex():
        return torch.complex(askew(image.real, matrix, first), askew(image.imag, matrix, first))
    x, y, z = image.shape[-3:]
    values = full_precision(image)
    there = bool(matrix.isfinite().all() and first.isfinite().all())  # what is nowhere has no cell that it lies in
    matrix, first = matrix.to(values), first.to(values)
    if by_loops(values) and min(x, y, z) > 1 and there:
        images = values.reshape(-1, x, y, z).contiguous()
        out = torch.empty_like(images)
        read_affine(images.numpy(), matrix.numpy(), first.numpy(), out.numpy())
        return out.view(image.shape)
    u, v, w = (torch.arange(n, dtype=values.dtype, device=values.device) for n in (x, y, z))
    planes = torch.empty(3, x, y, z, dtype=values.dtype, device=values.device)
    for plane, row, start, n in zip(planes, matrix, first, (x, y, z), strict=True):
        torch.add((row[0] * u[:, None] + row[1] * v + start)[:, :, None], row[2] * w, out=plane)
        plane.clamp_(0, n - 1)
    return Reading(planes.movedim(0, -1), (x, y, z))(values)
