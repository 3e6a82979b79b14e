"""Intensities to the scale that the networks see. Every crop is treated alike, in training and in prediction.

Statistics are taken over the very window that the network sees: a whole volume's would differ from a crop's, and a
network trained on one scores far worse on the other.
"""

import torch

from qontrast.basics.shapes import Volume

NORMALISATION = "each window: clipped to its percentiles 0.5 and 99.5, then mean 0 and standard deviation 1"
LOW, HIGH = 0.005, 0.995
STRIDE = 3  # every third voxel gives the percentiles of a 48³ window within 0.1 %


def normalise(image: Volume) -> Volume:
    """Clip each image of the batch to its 0.5th and 99.5th percentile, then to mean 0 and standard deviation 1.

    A constant image becomes zero.
    """
    flat = image.flatten(1)[:, ::STRIDE].float()
    ordered = flat.sort(dim=1).values
    count = ordered.shape[1] - 1
    low, high = ordered[:, round(LOW * count)], ordered[:, round(HIGH * count)]
    view = (-1, 1, 1, 1, 1)
    clipped = torch.minimum(torch.maximum(image, low.reshape(view)), high.reshape(view))
    deviation, mean = torch.std_mean(clipped, dim=(1, 2, 3, 4), keepdim=True, correction=0)
    largest = clipped.abs().amax(dim=(1, 2, 3, 4), keepdim=True)
    return torch.where(deviation > 1e-6 * largest, (clipped - mean) / deviation.clamp(min=1e-30), 0.0)
