"""Where a lesion is: levels between 0 and 1 on small grids of their own, 0.5 at the border, read anywhere in a head."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage
from torch import Tensor

from qontrast.basics.errors import InputError
from qontrast.basics.shapes import Box
from qontrast.basics.spline import upsample_spline
from qontrast.scans.nifti import read_image

BLOB_REACH = 1.7  # half width of a blob's own grid, in radii
BLOB_STEP = 2 * BLOB_REACH / 19  # from sample to sample
BLOB_KNOT = 2 * BLOB_REACH / 3  # from knot to knot of its raggedness
KEPT_MASKS = 64  # smoothed masks in memory, about half a MB each
LARGE_VOXELS = 10_000  # larger masks are smoothed at half their resolution
THICK_SLICES_MM = 2.2
"""Smoothing across slices, standard deviation: about half of the 4 to 6 mm slices that masks are drawn on."""


@dataclass(frozen=True)
class Placed:
    """A lesion's level on its own grid; zero beyond its voxels.

    Args:
        matrix, shift: from voxel coordinates of the head to those of its own grid, ``[3, 3]`` and ``[3]``.
        box: the head's voxels that it can reach.
        strength: share of the lesion's full change of tissue that is reached inside, 0 to 1.
    """

    matrix: Tensor
    shift: Tensor
    box: Box
    strength: float


@dataclass(frozen=True)
class Drawn(Placed):
    """A level that is there as an array ``[a, b, c]``."""

    array: Tensor


@dataclass(frozen=True)
class Blob(Placed):
    """A ball of radius 1 with a ragged border, on a grid around it.

    Args:
        edge: samples along the grid, ``BLOB_STEP`` apart.
        control: control values of the raggedness, ``[1, k, k, k]``: log of the radius.
        ramp: over how many radii the level falls from 1 to 0.
    """

    edge: int
    control: Tensor
    ramp: float


Level = Drawn | Blob


def blob_values(blobs: Sequence[Blob]) -> Float[Tensor, "blob a b c"]:
    """Levels of blobs on their own grids of one size, 0 to 1, 0.5 at the border, 0 on the grid's faces.

    They are made when they are read, for most crops meet few.
    """
    edge = blobs[0].edge
    noise = upsample_spline(torch.cat([each.control for each in blobs]), (edge,) * 3)
    ramp = torch.tensor([each.ramp for each in blobs])[:, None, None, None]
    level = noise.exp_().mul_(_unit_radius(edge)).neg_().add_(1).div_(ramp).add_(0.5).clamp_(0, 1)
    for axis in (1, 2, 3):
        level.select(axis, 0).zero_()
        level.select(axis, edge - 1).zero_()
    return level


@cache
def _unit_radius(edge: int) -> Tensor:
    line = BLOB_STEP * (torch.arange(edge) - (edge - 1) / 2)
    x, y, z = torch.meshgrid(line, line, line, indexing="ij")
    return torch.sqrt(x**2 + y**2 + z**2)


def blobs(
    centres: np.ndarray,
    axes: np.ndarray,
    strengths: Sequence[float] | np.ndarray,
    affine: np.ndarray,
    shape: tuple[int, int, int],
    generator: torch.Generator,
    *,
    ragged: float = 0.2,
    ramp: float = 0.6,
    reach: float = BLOB_REACH,
) -> list[Level]:
    """Ellipsoids with ragged borders.

    Args:
        centres: world mm, ``[blob, 3]``.
        axes: semi-axes as columns, world mm, ``[blob, 3, 3]``.
        strengths: of each; see :class:`Placed`.
        affine: the head's, voxel to world.
        shape: the head's.
        generator: of the raggedness.
        ragged: standard deviation of the radius over directions, a share of it.
        ramp: over how many radii the level falls from 1 to 0.
        reach: half width of a blob's grid, radii. What is ragged enough to reach farther fades on the grid's last step.
    """
    edge, knots = round(2 * reach / BLOB_STEP) + 1, 3 + round(2 * reach / BLOB_KNOT)
    controls = ragged / 0.33 * torch.randn(len(centres), 1, knots, knots, knots, generator=generator)
    # Blob units to voxels of its grid, after world to blob units, after the head's voxels to world.
    to_unit = np.linalg.inv(axes)
    matrices = to_unit @ affine[:3, :3] / BLOB_STEP
    shifts = (to_unit @ (affine[:3, 3] - centres)[..., None])[..., 0] / BLOB_STEP + (edge - 1) / 2
    places = _places((edge,) * 3, matrices, shifts, shape)
    return [Blob(*p, float(s), edge, c, ramp) for p, s, c in zip(places, strengths, controls, strict=True)]


def traced(path: Path, to_head: np.ndarray, shape: tuple[int, int, int], *, mirror: bool, smoothing: float) -> Level:
    """A mask from a file.

    Args:
        path: mask in MNI space.
        to_head: from MNI mm to voxels of the head, ``[4, 4]``.
        shape: the head's.
        mirror: swap left and right.
        smoothing: standard deviation of the smoothing within slices, mm; across them it is at least half a thick
            slice. The border goes where the smoothed mask keeps the volume of the mask.
    """
    values, affine = _smoothed(Path(path), smoothing)
    flip = np.diag([-1.0 if mirror else 1.0, 1.0, 1.0, 1.0])
    back = np.linalg.inv(to_head @ flip @ affine)
    (place,) = _places(tuple(values.shape), back[None, :3, :3], back[None, :3, 3], shape)
    return Drawn(*place, 1.0, values)


def _places(
    size: tuple[int, ...], matrices: np.ndarray, shifts: np.ndarray, shape: tuple[int, int, int]
) -> list[tuple[Tensor, Tensor, Box]]:
    """Each matrix and shift as tensors, and the box of the head's voxels that its grid of ``size`` can reach."""
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * (np.array(size) - 1.0)
    reached = (corners - shifts[:, None]) @ np.linalg.inv(matrices).transpose(0, 2, 1)
    low = np.maximum(np.floor(reached.min(axis=1)), 0).astype(int)
    high = np.maximum(np.minimum(np.ceil(reached.max(axis=1)) + 1, shape).astype(int), low)
    boxes = [((a, d), (b, e), (c, f)) for (a, b, c), (d, e, f) in zip(low.tolist(), high.tolist(), strict=True)]
    return list(zip(torch.from_numpy(matrices).float(), torch.from_numpy(shifts).float(), boxes, strict=True))


@lru_cache(maxsize=KEPT_MASKS)
def _smoothed(path: Path, smoothing: float) -> tuple[Tensor, np.ndarray]:
    """The level of a mask on a padded grid, and the affine of that grid."""
    image = read_image(path, canonical=True)
    mask = image.data > 0.5
    if not mask.any():
        raise InputError(path, "an empty mask", "a lesion", "Move it out of the folder of lesions.")
    factor = 2 if np.count_nonzero(mask) > LARGE_VOXELS and min(image.grid.spacing) < 1.5 else 1
    spacing = np.array(image.grid.spacing) * factor
    pad = 1 + int(np.ceil(3 * max(smoothing, THICK_SLICES_MM) / spacing.min()))
    even = np.pad(mask, [(factor * pad, factor * pad + -n % factor) for n in mask.shape])
    coarse = torch.nn.functional.avg_pool3d(torch.from_numpy(even.astype(np.float32))[None], factor)[0].numpy()
    sigma = np.array([smoothing, smoothing, max(smoothing, THICK_SLICES_MM)]) / spacing
    smooth = ndimage.gaussian_filter(coarse, sigma, truncate=3.0)
    count = max(1, round(float(coarse.sum())))
    border = float(np.partition(smooth.ravel(), -count)[-count])
    # Piecewise linear: 0 stays 0, the border becomes 0.5, the highest value 1.
    top = max(float(smooth.max()), border + 1e-3)
    level = np.where(smooth < border, 0.5 * smooth / border, 0.5 + 0.5 * (smooth - border) / (top - border))
    affine = image.grid.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ np.full(3, (factor - 1) / 2 - factor * pad)
    affine[:3, :3] *= factor
    return torch.from_numpy(level.astype(np.float32)), affine
