"""Intensities to the scale that the networks see. Every crop is treated alike, in training and in prediction.

Statistics are taken over the very window that the network sees: a whole volume's would differ from a crop's, and a
network trained on one scores far worse on the other.
"""

import numpy as np
import torch
from torch import Tensor

from qontrast.basics.shapes import Volume

NORMALISATION = "each window: clipped to its percentiles 0.5 and 99.5, then mean 0 and standard deviation 1"
LOW, HIGH = 0.005, 0.995
SLAB = 1 << 17  # voxels at a time: they then stay in the second-level cache
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
    out = torch.empty_like(image, memory_format=torch.contiguous_format)
    taken = [_normalise(one.reshape(-1), wanted.view(-1)) for one, wanted in zip(image, out, strict=True)]
    mean, deviation = torch.tensor(taken, dtype=torch.float64).to(image).T.reshape(2, -1, 1, 1, 1, 1)
    return out, mean, deviation


def _normalise(flat: Tensor, out: Tensor) -> tuple[float, float]:
    low, high = _percentiles(flat)
    middle = 0.5 * (low + high)  # taken off first, so that squares do not lose their digits
    sums = []
    for start in range(0, len(flat), SLAB):
        part = torch.clamp(flat[start : start + SLAB], low, high, out=out[start : start + SLAB]).sub_(middle)
        sums.append(torch.stack((part.sum(), torch.dot(part, part))))
    mean, square = (torch.stack(sums).double().sum(dim=0) / len(flat)).tolist()
    deviation = max(0.0, square - mean**2) ** 0.5
    if not (deviation > 1e-6 * max(abs(low), abs(high)) and deviation > 1e-30):
        out.zero_()
        return middle + mean, 0.0
    torch.add(torch.tensor(-mean / deviation).to(out), out, alpha=1 / deviation, out=out)
    return middle + mean, deviation


def _percentiles(flat: Tensor) -> tuple[float, float]:
    """The two percentiles of an image's voxels, from evenly spread ones."""
    # An odd step visits all rows and columns, whose lengths are even.
    step = max(3, len(flat) // RANKED) | 1
    chosen = flat[::step].cpu().float().contiguous().numpy()
    low, high = round(LOW * (len(chosen) - 1)), round(HIGH * (len(chosen) - 1))
    # Two partitions take less time than one at two places.
    return float(np.partition(chosen, low)[low]), float(np.partition(chosen, high)[high])
