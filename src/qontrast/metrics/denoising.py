"""How well a denoised image agrees with the clean one: PSNR and SSIM, both inside one mask and of one stated peak."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from qontrast.basics.errors import InputError

PERFECT_DB = 100.0
"""PSNR of an image that equals the clean one: a ledger holds no infinity."""
PEAK_QUANTILE = 0.999
WINDOW, SIGMA = 11, 1.5
"""Voxels along the edge of SSIM's Gaussian window, and its standard deviation in voxels (Wang et al. 2004)."""
K1, K2 = 0.01, 0.03

Image = Float[Tensor, "x y z"]
Mask = Bool[Tensor, "x y z"]


@dataclass(frozen=True)
class ImageScore:
    """Agreement of one image with the clean one.

    Args:
        psnr_db: peak signal-to-noise ratio, decibels; at most ``PERFECT_DB``.
        ssim: mean structural similarity, -1 to 1.
    """

    psnr_db: float
    ssim: float


def peak_of(clean: Image, mask: Mask) -> float:
    """The range that PSNR and SSIM refer to: the 99.9th percentile of the clean image inside the mask.

    Not the maximum, which a single vessel may set. Of an image with values below zero (MP2RAGE's UNI) the 0.1th
    percentile is taken off, so that it is a range.

    Raises:
        InputError: if the mask is empty, or the clean image has no range inside of it.
    """
    inside = clean[mask]
    if inside.numel() == 0:
        raise InputError("mask", "no voxel", "the head", "Score inside a mask that holds something.")
    ordered = inside.double().sort().values
    low, high = (float(_quantile(ordered, q)) for q in (1 - PEAK_QUANTILE, PEAK_QUANTILE))
    peak = high - min(0.0, low)
    if not peak > 0:
        raise InputError("clean image", f"a range of {peak:g} inside the mask", "a range above 0", "Is it empty?")
    return peak


def score_denoised(image: Float[Tensor, "_ _ _"], clean: Image, mask: Bool[Tensor, "_ _ _"], peak: float) -> ImageScore:
    """PSNR and SSIM of an image inside a mask.

    PSNR is ``10 log10(peak^2 / mean((image - clean)^2))`` over the voxels of the mask. SSIM is that of Wang et al. 2004
    (doi:10.1109/TIP.2003.819861) in three dimensions, with a Gaussian window of 11 voxels and 1.5 voxels' deviation,
    K1 = 0.01, K2 = 0.03 and the range ``peak``; its map is averaged over the voxels of the mask, and at the faces of
    the image the window sees it continued by its mirror image. An image that equals the clean one has ``PERFECT_DB``
    and 1.

    Args:
        image: ``[x, y, z]``.
        clean: of the same shape.
        mask: where to score.
        peak: see :func:`peak_of`.

    Raises:
        InputError: if the shapes differ, the mask is empty, or an edge is shorter than half of the window.
    """
    for name, other in (("image", image), ("mask", mask)):
        if other.shape != clean.shape:
            raise InputError(name, f"shape {tuple(other.shape)}", f"the clean image's {tuple(clean.shape)}")
    if not mask.any():
        raise InputError("mask", "no voxel", "the head", "Score inside a mask that holds something.")
    image, clean = image.cpu().double(), clean.cpu().double()
    error = float(((image - clean)[mask] ** 2).mean())
    psnr = PERFECT_DB if error == 0 else min(PERFECT_DB, 10 * math.log10(peak**2 / error))
    return ImageScore(psnr, float(ssim_map(image, clean, peak)[mask].mean()))


def ssim_map(image: Image, clean: Image, peak: float) -> Image:
    """The structural similarity about each voxel, ``[x, y, z]``; see :func:`score_denoised`."""
    if min(clean.shape) <= WINDOW // 2:
        raise InputError("image", f"shape {tuple(clean.shape)}", f"more than {WINDOW // 2} voxels along each edge")
    c1, c2 = (K1 * peak) ** 2, (K2 * peak) ** 2
    mean_a, mean_b = _smoothed(image), _smoothed(clean)
    variance_a = _smoothed(image * image) - mean_a**2
    variance_b = _smoothed(clean * clean) - mean_b**2
    covariance = _smoothed(image * clean) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return luminance * (2 * covariance + c2) / (variance_a + variance_b + c2)


def _smoothed(image: Image) -> Image:
    """The mean under the Gaussian window, an axis at a time."""
    half = WINDOW // 2
    weights = torch.exp(-0.5 * (torch.arange(-half, half + 1, dtype=image.dtype) / SIGMA) ** 2)
    kernel = (weights / weights.sum())[None, None]
    for axis in range(3):
        lines = image.movedim(axis, -1)
        rows = torch.nn.functional.pad(lines.reshape(-1, 1, lines.shape[-1]), (half, half), mode="reflect")
        image = torch.nn.functional.conv1d(rows, kernel).reshape(lines.shape).movedim(-1, axis)
    return image


def _quantile(ordered: Tensor, q: float) -> Tensor:
    """Linear between the two nearest of the sorted values, as numpy's default is."""
    place = q * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
