"""How well a denoised image agrees with the clean one: PSNR and SSIM, both inside one mask and of one stated peak."""

import math
from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F
from jaxtyping import Bool, Float
from monai.metrics.regression import compute_ssim_and_cs
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
    low, high = np.quantile(inside.double().cpu().numpy(), [1 - PEAK_QUANTILE, PEAK_QUANTILE])
    peak = float(high - min(0.0, low))
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
    return ImageScore(psnr, float(ssim_map(image, clean, peak)[mask].double().mean()))


def ssim_map(image: Image, clean: Image, peak: float) -> Image:
    """The structural similarity about each voxel, ``[x, y, z]``; see :func:`score_denoised`.

    MONAI reckons it in single precision: where the image is far brighter than it varies, a voxel was up to 6e-3 off
    and the mean of 64³ voxels up to 5e-4, else some 1e-5.
    """
    half = WINDOW // 2
    if min(clean.shape) <= half:
        raise InputError("image", f"shape {tuple(clean.shape)}", f"more than {half} voxels along each edge")
    padded = (F.pad(values[None, None], (half,) * 6, mode="reflect") for values in (image, clean))
    return compute_ssim_and_cs(*padded, 3, (WINDOW,) * 3, (SIGMA,) * 3, data_range=peak, k1=K1, k2=K2)[0][0, 0]
