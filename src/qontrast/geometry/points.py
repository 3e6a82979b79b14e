"""Feature maps read at single points of the image that they were made of."""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from qontrast.basics.shapes import full_precision

Points = Float[Tensor, "crop point 3"]
"""Voxel coordinates in each image of a batch."""


def read_points(
    features: Shaped[Tensor, "crop channel u v w"], points: Points, stride: int = 1
) -> Float[Tensor, "crop point channel"]:
    """Trilinear interpolation at points of the image, in single precision and with gradients to the features.

    Args:
        features: maps whose voxel i spans the image's voxels ``stride`` i to ``stride`` (i + 1) - 1 along each axis.
        points: voxel coordinates in the image. Beyond the outermost centres the border's value goes on.
        stride: of the features relative to the image.
    """
    edges = torch.tensor(features.shape[2:], dtype=points.dtype, device=features.device)
    place = (full_precision(points) + 0.5) / stride - 0.5
    scaled = 2 * place / (edges - 1).clamp(min=1) - 1
    grid = scaled.flip(-1)[:, None, None]  # PyTorch names the last axis first
    read = torch.nn.functional.grid_sample(full_precision(features), grid, padding_mode="border", align_corners=True)
    return read[:, :, 0, 0].transpose(1, 2)
