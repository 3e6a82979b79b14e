"""Erasure: boxes of the image are replaced by its mean, so that what is missing has to be inferred."""

from dataclasses import dataclass

import torch

from qontrast.basics.shapes import Volume

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Erasure:
    """Replace the voxels of each box by the image's mean.

    Args:
        boxes: for each box the first voxel and one past the last, along each axis.
    """

    boxes: tuple[Box, ...]

    def __call__(self, image: Volume) -> Volume:
        out = image.clone()
        fill = image.mean(dim=(2, 3, 4), keepdim=True)
        for (x0, x1), (y0, y1), (z0, z1) in self.boxes:
            out[:, :, x0:x1, y0:y1, z0:z1] = fill
        return out

    def describe(self) -> str:
        """For a caption."""
        return f"{len(self.boxes)} erased"


def draw_erasure(
    shape: tuple[int, int, int], boxes: int, size: tuple[float, float], generator: torch.Generator
) -> Erasure:
    """Draw ``boxes`` boxes whose edges are a share between ``size`` of the image's edges."""

    def edge(count: int) -> tuple[int, int]:
        low, high = size
        length = max(1, round(count * (low + (high - low) * float(torch.rand((), generator=generator)))))
        start = int(torch.randint(max(1, count - length + 1), (), generator=generator))
        return start, start + length

    x, y, z = shape
    return Erasure(tuple((edge(x), edge(y), edge(z)) for _ in range(boxes)))
