"""Names of tensor shapes, checked while tests run (jaxtyping with beartype) and free otherwise."""

import torch
from jaxtyping import Complex, Float, Int, Shaped
from torch import Tensor

Volume = Float[Tensor, "batch channel x y z"]
"""Real images: batch, channel, then three spatial axes (right, anterior, superior)."""

ComplexVolume = Complex[Tensor, "batch channel x y z"]
"""Complex images before the magnitude is taken."""

AnyVolume = Shaped[Tensor, "batch component x y z"]
"""Real or complex images with one channel per signed image that a scanner acquires."""

Resampled = Shaped[Tensor, "batch channel u v w"]
"""What is read of a volume, real or complex, at other coordinates: its own number of voxels."""

Labels = Int[Tensor, "x y z"]
"""One label map."""

Coordinates = Float[Tensor, "u v w 3"]
"""Where each voxel of a view lies in its subject: voxel indices of the subject's own grid."""

Embeddings = Float[Tensor, "batch feature"]
"""One vector per image."""

PointFeatures = Float[Tensor, "crop point feature"]
"""Features of points of each crop."""

Bank = Float[Tensor, "crops some feature"]
"""Features of a few points of every crop of the whole batch."""

PerBatch = Float[Tensor, " batch"]
"""One number per subject of a batch."""


Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""First voxel and one past the last, along each axis."""

Device = torch.device | str
"""Where tensors are."""


def full_precision(values: Tensor) -> Tensor:
    """In single precision, or in double where it is that already."""
    return values if values.dtype == torch.float64 else values.float()
