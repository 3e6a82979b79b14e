"""A whole scan as networks take it: its head found, its voxels at their spacing."""

import math

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.ndimage import uniform_filter
from torch import Tensor

from qontrast.basics.errors import InputError
from qontrast.basics.grid import Grid
from qontrast.basics.shapes import Box, Volume
from qontrast.geometry.sample import average_blocks, occupied, sample, whole
from qontrast.scans.nifti import Image
from qontrast.views.render import oversampling
from qontrast.views.whole_scan import whole_head

FINEST_MM, COARSEST_MM = 0.05, 20.0
SMALLEST_HEAD_MM = 40.0
SAME = 1e-3
"""Voxels whose sizes differ by less are the same, mm."""
SORTED = 1 << 20  # voxels that give the threshold between head and air
ROUNDS = 20
BROKEN = 100.0
"""Times the intensity that nine tenths of a scan lie below: what is brighter was made by no tissue."""


def at_spacing(image: Volume, grid: Grid, spacing: float) -> tuple[Float[Tensor, "batch channel u v w"], Grid]:
    """An image ``[1, 1, x, y, z]`` with isotropic voxels of ``spacing`` mm about the same centre, and its grid.

    Smaller voxels are averaged, larger ones interpolated; an image that has the spacing, but for a header's rounding,
    is returned as it is: a grid of one voxel more about the same centre would lie half a voxel off, and blur it.
    """
    if np.allclose(grid.spacing, spacing, atol=SAME):
        return image, grid
    warp, target = whole_head(grid, spacing)
    factor = oversampling(grid, spacing)
    points, last = warp.coordinates(factor), torch.tensor(grid.shape, dtype=torch.float32) - 1
    # Half of the outermost voxels lies beyond their centres: there they go on, and nothing fades to zero.
    torch.minimum(points.clamp_(min=0), last, out=points)
    return average_blocks(sample(image, whole(grid.shape), points), factor), target


def head_box(image: Volume, margin: float) -> Box:
    """The box of what is brighter than the image's mean, once smoothed over four voxels, with a margin in voxels."""
    shape = (image.shape[2], image.shape[3], image.shape[4])
    blocks = [min(4, n) for n in shape]
    coarse = torch.nn.functional.avg_pool3d(image.abs(), blocks, ceil_mode=True, count_include_pad=False)[0, 0]
    if (bright := coarse[coarse > 0]).numel():  # one voxel of a broken number is no head
        coarse = coarse.clamp(max=BROKEN * float(bright.kthvalue(math.ceil(0.9 * bright.numel())).values))
    box = occupied(coarse > coarse.mean())
    if box is None:
        return whole(shape)
    wide = [(max(0, int(4 * a - margin)), min(n, int(4 * b + margin))) for (a, b), n in zip(box, shape, strict=True)]
    return wide[0], wide[1], wide[2]


def local_mean(image: Volume, size: int, *, zeros: bool = False) -> Volume:
    """The mean over ``size``³ voxels about each; beyond the image lie its outermost voxels again, or zeros."""
    around = "constant" if zeros else "nearest"
    return torch.from_numpy(uniform_filter(image.numpy(), (1, 1, size, size, size), mode=around))


def foreground(image: Volume) -> Bool[Tensor, "x y z"]:
    """What is brighter than halfway between the mean of what is brighter and the mean of the rest.

    Smoothed over five voxels before. Unlike the image's mean, this hardly moves with how much air there is around the
    head. Ridler and Calvard 1978 (doi:10.1109/TSMC.1978.4310039).
    """
    smooth = local_mean(image.abs(), 5, zeros=True)[0, 0]
    some = smooth.flatten()[:: max(1, smooth.numel() // SORTED)]
    threshold = some.mean()
    for _ in range(ROUNDS):
        above = some > threshold
        if not above.any() or above.all():
            break
        threshold = (some[above].mean() + some[~above].mean()) / 2
    return smooth > threshold


def check_voxels(scan: Image) -> None:
    """Refuse what is no image in millimetres.

    Raises:
        InputError: for voxels that no scanner makes (metres or micrometres in the header), or one value everywhere.
    """
    if not all(FINEST_MM <= s <= COARSEST_MM for s in scan.grid.spacing):
        unit = "metres" if max(scan.grid.spacing) < FINEST_MM else "micrometres"
        raise InputError(
            scan.path,
            f"voxels of {_sizes(scan.grid)} mm",
            f"{FINEST_MM:g} to {COARSEST_MM:g} mm along each axis",
            f"Is the affine in {unit}? Write it in millimetres.",
        )
    first = scan.data.flat[0]
    if not np.any(scan.data != first):
        raise InputError(scan.path, f"{first:g} in every voxel", "an image of a head", "The image is empty.")


def check_head(scan: Image) -> None:
    """Refuse what is no scan of a head in millimetres.

    Raises:
        InputError: for nothing as large as a head, or see :func:`check_voxels`.
    """
    check_voxels(scan)
    box = occupied(foreground(torch.from_numpy(scan.data)[None, None])) or whole(scan.grid.shape)
    lengths = [(b - a) * s for (a, b), s in zip(box, scan.grid.spacing, strict=True)]
    if min(lengths) < SMALLEST_HEAD_MM:
        found = " x ".join(f"{length:.0f}" for length in lengths)
        raise InputError(
            scan.path,
            f"something of {found} mm in voxels of {_sizes(scan.grid)} mm",
            f"a head: {SMALLEST_HEAD_MM:g} mm or more along each axis",
            "Is it a whole head, and is the affine in millimetres?",
        )


def _sizes(grid: Grid) -> str:
    return " x ".join(f"{s:g}" for s in grid.spacing)
