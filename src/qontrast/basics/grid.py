"""The grid of an image: how many voxels, and where they lie in the world."""

from dataclasses import dataclass

import numpy as np

SPARE = 0.01
"""Share of a voxel that a resampled grid may leave uncovered: headers round their affines."""


@dataclass(frozen=True)
class Grid:
    """Voxel counts and the voxel-to-world affine (millimetres, RAS+).

    Args:
        shape: number of voxels along each axis.
        affine: 4x4 array, voxel index to world millimetres.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size along each axis, in millimetres."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    def matches(self, other: "Grid", tolerance: float = 1e-3) -> bool:
        """Whether both have the same shape and the same affine within ``tolerance`` millimetres."""
        return self.shape == other.shape and np.allclose(self.affine, other.affine, atol=tolerance)

    def resampled(self, spacing: float) -> "Grid":
        """The grid about the same centre with isotropic voxels of ``spacing`` mm, covering the box to :data:`SPARE`."""
        ratio = np.array([spacing / s for s in self.spacing])
        shape = np.maximum(2, np.ceil(np.array(self.shape) / ratio - SPARE)).astype(int)
        affine = self.affine.copy()
        affine[:3, :3] = self.affine[:3, :3] * ratio
        centre = self.affine[:3, :3] @ ((np.array(self.shape) - 1) / 2) + self.affine[:3, 3]
        affine[:3, 3] = centre - affine[:3, :3] @ ((shape - 1) / 2)
        return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)

    def __str__(self) -> str:
        size = " x ".join(f"{s:.3g}" for s in self.spacing)
        return f"{self.shape[0]} x {self.shape[1]} x {self.shape[2]} voxels of {size} mm"
