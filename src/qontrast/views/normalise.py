"""Intensities to the scale that the networks see. Every crop is treated alike, in training and in prediction.

Statistics are taken over the very window that the network sees: a whole volume's would differ from a crop's, and a
network trained on one scores far worse on the other.
"""

import torch
from torch import Tensor

from qontrast.basics.shapes import Volume

NORMALISATION = "each window: clipped to its percentiles 0.5 and 99.5, then mean 0 and standard deviation 1"
LOW, HIGH = 0.005, 0.995
RANKED = 1 << 16  # voxels that give the percentiles: of an even distribution within 0.1 % of its range


def normalise(image: Volume) -> Volume:
    """Clip each image of the batch to its 0.5th and 99.5th percentile, then to mean 0 and standard deviation 1.

    A constant image becomes zero.
    """
    return standardise(image)[0]


def standardise(image: Volume) -> tuple[Volume, Tensor, Tensor]:
    """See :func:`normalise`; with what leads back to the image's own intensities.

    Returns:
        The normalised image, and the mean and the standard deviation ``[batch, 1, 1, 1, 1]`` that were taken out: a
        difference of 1 between normalised intensities is one of ``deviation`` in the image. The deviation of a
        constant image is 0.
    """
    low, high = _percentiles(image)
    clipped = torch.minimum(torch.maximum(image, low), high)
    mean = clipped.mean(dim=(1, 2, 3, 4), keepdim=True)
    clipped -= mean
    count = clipped[0].numel()
    deviation = torch.linalg.vector_norm(clipped, dim=(1, 2, 3, 4), keepdim=True) / count**0.5
    largest = torch.maximum(low.abs(), high.abs())
    deviation = torch.where(deviation > 1e-6 * largest, deviation, 0.0)
    return torch.where(deviation > 0, 1.0 / deviation.clamp(min=1e-30), 0.0) * clipped, mean, deviation


def _percentiles(image: Volume) -> tuple[Tensor, Tensor]:
    """The two percentiles of each image, ``[batch, 1, 1, 1, 1]``, from evenly spread voxels."""
    flat = image.flatten(1)
    # An odd step visits all rows and columns, whose lengths are even.
    step = max(3, flat.shape[1] // RANKED) | 1
    chosen = flat[:, ::step].float().contiguous()
    count = chosen.shape[1]
    low = chosen.topk(round(LOW * (count - 1)) + 1, largest=False).values[:, -1]
    high = chosen.topk(count - round(HIGH * (count - 1))).values[:, -1]
    return low.reshape(-1, 1, 1, 1, 1), high.reshape(-1, 1, 1, 1, 1)
