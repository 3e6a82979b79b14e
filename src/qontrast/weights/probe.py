"""A scan for checking weights, made of integers alone, so that every machine makes the same bytes.

Recipe ``qontrast-probe-1``: 44 x 48 x 40 voxels with the indices i, j, k. With the squared radius

    q = 9 (2i - 45)² + 8 (2j - 45)² + 11 (2k - 37)²

a voxel is 0 where q >= 15200, else 300, 900 where q < 10800, 600 where q < 5600, and 200 where
(2i - 35)² + (2j - 53)² + 2 (2k - 41)² < 220. Inside, a coarse texture is added:
40 ((i // 6 + 2 (j // 5) + 3 (k // 4)) mod 5).
The head is not symmetric about any axis. The voxels measure 2.5 x 3 x 2.75 mm, their axes run to posterior, to the
left and to superior, and world millimetres are zero in voxel (22, 24, 20). Preparing it therefore takes all steps:
orientation, spacing, crop, normalisation.
"""

import hashlib

import numpy as np

from qontrast.basics.errors import InputError
from qontrast.basics.grid import Grid

RECIPE = "qontrast-probe-1"
SHAPE = (44, 48, 40)


def probe_scan() -> tuple[np.ndarray, Grid]:
    """The voxels, int16 ``[44, 48, 40]``, and where they lie."""
    i, j, k = np.indices(SHAPE, dtype=np.int64)
    radius = 9 * (2 * i - 45) ** 2 + 8 * (2 * j - 45) ** 2 + 11 * (2 * k - 37) ** 2
    image = np.select([radius < 5600, radius < 10800, radius < 15200], [600, 900, 300], 0)
    pocket = (2 * i - 35) ** 2 + (2 * j - 53) ** 2 + 2 * (2 * k - 41) ** 2
    image[pocket < 220] = 200
    image += np.where(image > 0, 40 * ((i // 6 + 2 * (j // 5) + 3 * (k // 4)) % 5), 0)
    affine = np.array([[0.0, -3.0, 0.0, 72.0], [-2.5, 0.0, 0.0, 55.0], [0.0, 0.0, 2.75, -55.0], [0.0, 0.0, 0.0, 1.0]])
    return image.astype(np.int16), Grid(SHAPE, affine)


def probe_sha256() -> str:
    """SHA-256 of the voxels as 16-bit little-endian integers in C order."""
    return hashlib.sha256(probe_scan()[0].astype("<i2").tobytes()).hexdigest()


def check_recipe(recipe: str, sha256: str, where: str) -> None:
    """Refuse a probe that this version makes otherwise.

    Raises:
        InputError: for an unknown recipe, or one whose voxels have another digest here.
    """
    if recipe != RECIPE:
        raise InputError(where, f"a probe of recipe {recipe!r}", repr(RECIPE), "Update qontrast to check it.")
    if sha256 != probe_sha256():
        raise InputError(
            where, f"a probe of SHA-256 {sha256[:16]}...", f"{probe_sha256()[:16]}...", "Pack the weights again."
        )
