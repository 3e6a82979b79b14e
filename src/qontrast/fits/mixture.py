"""Class probabilities by a scan's own intensities: a network's answer as the prior of a mixture of Gaussians."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

ROUNDS = 5
SMOOTH_MM = 12.0
"""Standard deviation of what a class's local mean is averaged over."""
COARSE = 4
"""Voxels along the edge of the blocks that local means are kept in."""
LEAST_MM3 = 1000.0
"""A class of less is too small to say how bright it is."""
LEAST_PRIOR = 1e-6
FAINT = 1e-3
"""Weight, in voxels, at which a class's local mean is half its mean in the whole scan."""


def by_intensity(
    image: Float[Tensor, "x y z"],
    probabilities: Float[Tensor, "classes x y z"],
    spacing: float,
    *,
    outlier: float = 1e-2,
) -> Float[Tensor, "classes x y z"]:
    """Probabilities that agree with how bright each class is in this very scan.

    Where a network blurs a border that the scan shows, the scan decides; where the scan cannot tell two classes apart
    (their Gaussians overlap), the network does. Expectation maximisation of a mixture of one Gaussian for each class,
    whose prior at a voxel is the network's probability (Ashburner and Friston 2005,
    doi:10.1016/j.neuroimage.2005.02.018; with means learned anew for each scan, whatever its contrast: Puonti et al.
    2016, doi:10.1016/j.neuroimage.2016.09.011). The means vary slowly over the head, which takes up receive fields
    (Pappas 1992, doi:10.1109/78.127962). A voxel that no Gaussian explains is left to the network, and where that is
    sure, it stays: a lesion as bright as grey matter is still white matter to a network that gives it 0.99.

    Args:
        image: the scan, in any unit.
        probabilities: of each class, the background first, which stays as it is.
        spacing: voxel size, mm.
        outlier: likelihood of an intensity that a class does not explain, relative to the class that explains it best:
            no scan outweighs odds of the network of more than its inverse.
    """
    inside = probabilities[0] < 0.5
    values, prior = image[inside], probabilities[1:, inside].clamp_min(LEAST_PRIOR)
    if values.numel() < LEAST_MM3 / spacing**3 or not values.std() > 0:
        return probabilities
    values = (values - values.mean()) / values.std()
    prior /= prior.sum(dim=0)
    scan = torch.zeros_like(image)
    scan[inside] = values
    found = prior
    for _ in range(ROUNDS):
        found = prior * _likelihoods(scan, inside, found, spacing, outlier)
        found /= found.sum(dim=0)
    out = probabilities.clone()
    out[1:, inside] = found * (1 - probabilities[0, inside])
    return out


def _likelihoods(
    scan: Float[Tensor, "x y z"],
    inside: Tensor,
    weights: Float[Tensor, "classes voxel"],
    spacing: float,
    outlier: float,
) -> Float[Tensor, "classes voxel"]:
    """How likely each voxel's intensity is in each class, relative to the likeliest."""
    values = scan[inside]
    logarithms = torch.empty_like(weights)
    for log, weight in zip(logarithms, weights, strict=True):
        total = weight.sum()
        if total * spacing**3 < LEAST_MM3:
            mean, variance = values.mean(), values.var()
        else:
            mean = _local_mean(scan, inside, weight, spacing)
            variance = (weight * (values - mean).square()).sum() / total
        variance = variance.clamp_min(1e-6)  # of an image without noise
        log.copy_(-0.5 * (values - mean).square() / variance - 0.5 * variance.log())
    return (logarithms - logarithms.amax(dim=0)).exp() + outlier


def _local_mean(scan: Tensor, inside: Tensor, weight: Float[Tensor, " voxel"], spacing: float) -> Tensor:
    """The mean intensity of a class about each voxel inside."""
    placed = torch.zeros_like(scan)
    placed[inside] = weight
    coarse = torch.stack([placed, placed * scan])[:, None]
    coarse = functional.avg_pool3d(coarse, COARSE, ceil_mode=True, count_include_pad=False)
    share, bright = _smooth(coarse, SMOOTH_MM / (COARSE * spacing))
    everywhere = (weight * scan[inside]).sum() / weight.sum()
    mean = (bright + FAINT * everywhere) / (share + FAINT)
    fine = functional.interpolate(mean[None], scale_factor=COARSE, mode="trilinear", align_corners=False)[0, 0]
    x, y, z = scan.shape
    return fine[:x, :y, :z][inside]


def _smooth(volumes: Float[Tensor, "batch 1 x y z"], sigma: float) -> Float[Tensor, "batch 1 x y z"]:
    """Volumes under a Gaussian, axis by axis; nothing lies beyond the edge."""
    radius = max(1, round(3 * sigma))
    taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
    taps = (taps / taps.sum()).to(volumes)
    for axis in (2, 3, 4):
        shape, padding = [1] * 5, [0] * 3
        shape[axis], padding[axis - 2] = len(taps), radius
        volumes = functional.conv3d(volumes, taps.reshape(shape), padding=tuple(padding))
    return volumes
