"""Windows of a network's size over a head, so that they cover it and their features share one grid."""

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch

from qontrast.basics.grid import Grid
from qontrast.basics.shapes import Box, Resampled, Volume
from qontrast.nets.encoder import STRIDE


@dataclass(frozen=True)
class Tiling:
    """Where windows begin.

    Args:
        starts: first voxel of the windows along each axis; below zero where they reach beyond the image.
        crop: voxels along a window's edges.
    """

    starts: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    crop: int

    def windows(self) -> list[tuple[int, int, int]]:
        """The first voxel of each window."""
        return [(x, y, z) for x, y, z in product(*self.starts)]

    def cut(self, image: Volume, start: tuple[int, int, int]) -> Resampled:
        """The window ``[batch, channel, crop, crop, crop]`` that begins there; zero outside it, as in training."""
        window = torch.zeros(*image.shape[:2], *(self.crop,) * 3, dtype=image.dtype)
        ends = [min(n, a + self.crop) for a, n in zip(start, image.shape[2:], strict=True)]
        x, y, z = (slice(max(0, a), b) for a, b in zip(start, ends, strict=True))
        u, v, w = (slice(max(0, a) - a, b - a) for a, b in zip(start, ends, strict=True))
        window[..., u, v, w] = image[..., x, y, z]
        return window

    def feature_shape(self, stride: int) -> tuple[int, int, int]:
        """Of the map of features over all windows, one every ``stride`` voxels."""
        x, y, z = ((edge[-1] - edge[0] + self.crop) // stride for edge in self.starts)
        return x, y, z

    def feature_slices(self, start: tuple[int, int, int], stride: int) -> tuple[slice, slice, slice]:
        """Where the features of one window lie in that map."""
        first = [(a - edge[0]) // stride for a, edge in zip(start, self.starts, strict=True)]
        x, y, z = (slice(a, a + self.crop // stride) for a in first)
        return x, y, z

    def feature_grid(self, grid: Grid, stride: int) -> Grid:
        """The grid of that map, of an image on ``grid``: a feature lies in the middle of its ``stride``³ voxels."""
        affine = grid.affine.copy()
        affine[:3, :3] *= stride
        first = np.array([edge[0] for edge in self.starts]) + (stride - 1) / 2
        affine[:3, 3] += grid.affine[:3, :3] @ first
        return Grid(self.feature_shape(stride), affine)


def tile(box: Box, crop: int) -> Tiling:
    """The fewest evenly spread windows that cover a box, in the middle of it, whole strides apart."""

    def along(first: int, stop: int) -> tuple[int, ...]:
        length = stop - first
        covered = crop if length <= crop else STRIDE * math.ceil(length / STRIDE)
        count = math.ceil(covered / crop)
        origin = first - (covered - length) // 2
        steps = (covered - crop) // STRIDE
        return tuple(origin + STRIDE * round(i * steps / max(1, count - 1)) for i in range(count))

    return Tiling((along(*box[0]), along(*box[1]), along(*box[2])), crop)
