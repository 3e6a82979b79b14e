"""Intensities to the scale that the networks see. Every crop is treated alike, in training and in prediction.

Statistics are taken over the very window that the network sees: a whole volume's would differ from a crop's, and a
network trained on one scores far worse on the other.
"""

import numpy as np
import torch
from torch import Tensor

from qontrast.basics.compiled import by_loops
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
    if not by_loops(image):
        return _by_tensors(image)
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


def _by_tensors(image: Volume) -> tuple[Volume, Tensor, Tensor]:
    """The same for all images at once, in double precision: for a GPU, which waits for nothing then."""
    flat = image.flatten(1)
    ordered = flat[:, :: _step(flat.shape[1])].float().sort(dim=1).values
    low, high = (ordered[:, place, None] for place in _places(ordered.shape[1]))
    clipped = torch.minimum(torch.maximum(flat, low.to(flat)), high.to(flat)).double()
    mean, deviation = clipped.mean(dim=1, keepdim=True), clipped.std(dim=1, keepdim=True, correction=0)
    varied = (deviation > 1e-6 * torch.maximum(low.abs(), high.abs())) & (deviation > 1e-30)
    out = torch.where(varied, (clipped - mean) / deviation, 0.0).to(image).reshape(image.shape)
    deviation = torch.where(varied, deviation, 0.0)
    return out, mean.to(image).reshape(-1, 1, 1, 1, 1), deviation.to(image).reshape(-1, 1, 1, 1, 1)


def _step(count: int) -> int:
    """Every so manyth voxel is ranked: an odd number, which visits all rows and columns, whose lengths are even."""
    return max(3, count // RANKED) | 1


def _places(count: int) -> tuple[int, int]:
    """Where the two percentiles lie among so many voxels in order."""
    return round(LOW * (count - 1)), round(HIGH * (count - 1))


def _percentiles(flat: Tensor) -> tuple[float, float]:
    """The two percentiles of an image's voxels, from evenly spread ones."""
    chosen = flat[:: _step(len(flat))].float().contiguous().numpy()
    low, high = _places(len(chosen))
    return _smallest(chosen, low), -_smallest(-chosen, len(chosen) - 1 - high)


def _smallest(values: np.ndarray, place: int) -> float:
    """The value at a place near the beginning of the values in order.

    Values that are surely further on are left out first: a sample tells below what the wanted one lies.
    """
    sample = np.sort(values[::16])
    few = values[values <= sample[min(2 * place // 16 + 8, len(sample) - 1)]]
    few = few if len(few) > place else values
    return float(np.partition(few, place)[place])
