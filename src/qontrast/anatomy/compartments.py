"""A head in brief: what fills each coarse voxel, how far the ventricles are, and where MNI space lies.

Lesions are placed, and ageing is driven, by this sketch at about 2 mm; it is made once per head, when first asked for.
"""

from functools import cached_property

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from qontrast.anatomy.classes import FLUID, VENTRICLES
from qontrast.anatomy.label_table import LabelTable
from qontrast.anatomy.mni_space import register
from qontrast.basics.grid import Grid
from qontrast.basics.shapes import Box
from qontrast.geometry.sample import box_slices, occupied

COARSE_MM = 2.0
SPARED_MM = 4.0  # white matter next to the cortex has no hyperintensities (doi:10.1016/j.neuroimage.2003.12.027)
DEEP_GREY = ("thalamus", "caudate", "putamen", "pallidum")
GREY = ("cortical grey matter", "limbic grey matter", "cerebellar grey matter")
WHITE = ("white matter", "white-matter lesion")
BRAIN = (*DEEP_GREY, *GREY, *WHITE, "cerebellar white matter", "brain stem", "ventral diencephalon")


class Compartments:
    """The coarse sketch of a label map.

    Args:
        dense: index of each voxel's label in ``values``, ``[x, y, z]``.
        values: the labels that occur.
        grid: on which they lie.
        table: their tissues.
    """

    def __init__(self, dense: Tensor, values: Tensor, grid: Grid, table: LabelTable) -> None:
        self.grid, self.table, self._dense, self._values = grid, table, dense, values
        self.factor = tuple(max(1, round(COARSE_MM / s)) for s in grid.spacing)
        x, y, z = (f * s for f, s in zip(self.factor, grid.spacing, strict=True))
        self.spacing = (x, y, z)
        self.shape = tuple(-(-n // f) for n, f in zip(grid.shape, self.factor, strict=True))
        ratio = np.array(self.factor, dtype=np.float64)
        self.affine = grid.affine.copy()
        self.affine[:3, :3] = grid.affine[:3, :3] * ratio
        self.affine[:3, 3] += grid.affine[:3, :3] @ ((ratio - 1) / 2)

    def has(self, *tissues: str) -> Tensor:
        """Which of the labels that occur are one of ``tissues``, booleans ``[label]``."""
        return torch.tensor([self.table.tissues.get(v, "") in tissues for v in self._values.tolist()])

    @cached_property
    def is_ventricle(self) -> Tensor:
        """Which of the labels that occur are ventricles, booleans ``[label]``."""
        inner = torch.tensor([v in VENTRICLES for v in self._values.tolist()])
        return inner & self.has(*FLUID)

    def share(self, labels: Tensor) -> np.ndarray:
        """The share of each coarse voxel that is one of ``labels`` (booleans ``[label]``), ``[x, y, z]``."""
        return np.asarray(self.mean_of(labels.float(), 0.0).numpy())

    def mean_of(self, table: Tensor, outside: float) -> Tensor:
        """The mean over each coarse voxel of a number by label, ``[label]``; ``outside`` counts beyond the grid."""
        pad = [p for n, f in zip(self.grid.shape[::-1], self.factor[::-1], strict=True) for p in (0, -n % f)]
        fine = torch.nn.functional.pad(table[self._dense.long()][None, None], pad, value=outside)
        return torch.nn.functional.avg_pool3d(fine, self.factor)[0, 0]

    @cached_property
    def ventricles(self) -> np.ndarray:
        """Share of ventricle in each coarse voxel."""
        return self.share(self.is_ventricle)

    @cached_property
    def ventricular_fluid(self) -> np.ndarray:
        """The same without the choroid plexus, which does not grow as the ventricles do."""
        return self.share(self.is_ventricle & self.has("cerebrospinal fluid"))

    @cached_property
    def white(self) -> np.ndarray:
        """Share of cerebral white matter."""
        return self.share(self.has(*WHITE))

    @cached_property
    def grey(self) -> np.ndarray:
        """Share of cortex (cerebral and cerebellar) and limbic grey matter."""
        return self.share(self.has(*GREY))

    @cached_property
    def deep(self) -> np.ndarray:
        """Share of thalamus and basal ganglia."""
        return self.share(self.has(*DEEP_GREY))

    @cached_property
    def brain(self) -> np.ndarray:
        """Share of parenchyma."""
        return self.share(self.has(*BRAIN))

    @cached_property
    def outer_fluid(self) -> np.ndarray:
        """Share of fluid that is no ventricle: sulci, cisterns, and the shell around the brain."""
        return self.share(self.has(*FLUID) & ~self.is_ventricle)

    @cached_property
    def cavity(self) -> np.ndarray:
        """What the skull encloses: brain and fluid, without the holes that vessels make, booleans."""
        inside = (self.brain + self.outer_fluid + self.ventricles) > 0.5
        closed = ndimage.binary_closing(np.pad(inside, 4), iterations=3)[4:-4, 4:-4, 4:-4]
        return np.asarray(ndimage.binary_fill_holes(closed | inside))

    @cached_property
    def from_ventricles(self) -> np.ndarray:
        """Distance to the lateral and third ventricles, mm; 1000 where the head has none."""
        inner = torch.tensor([v in (4, 5, 14, 43, 44, 31, 63, 136, 137, 163, 164) for v in self._values.tolist()])
        where = self.share(inner & self.has(*FLUID)) > 0.5
        return self._distance(where)

    @cached_property
    def sites(self) -> dict[str, np.ndarray]:
        """Where lesions begin: coarse voxels ``[voxel, 3]`` by the name of the site; empty where the head has none."""
        stem = self.share(self.has("brain stem", "cerebellar white matter"))
        away = (self.white > 0.9) & (self.from_cortex > SPARED_MM)
        masks = {
            "brain": self.brain > 0.6,
            "periventricular": (self.white > 0.85) & (self.from_ventricles > 1) & (self.from_ventricles < 9),
            "juxtacortical": (self.white > 0.4) & (self.from_cortex < 3),
            "deep": away,
            "deep, off the ventricles": away & (self.from_ventricles > 6),
            "infratentorial": stem > 0.8,
            "perforators": (self.deep > 0.8) | ((self.white > 0.9) & (self.from_ventricles < 25)),
        }
        return {name: np.argwhere(mask).astype(np.int16) for name, mask in masks.items()}

    def away_from_ventricles(self, voxels: np.ndarray) -> np.ndarray:
        """Directions in which the distance to the ventricles grows, at coarse voxels; any length, ``[voxel, 3]``."""
        slope = np.zeros((len(voxels), 3))
        for axis, spacing in enumerate(self.spacing):
            ends = []
            for step in (-1, 1):
                at = voxels.astype(int)
                at[:, axis] = (at[:, axis] + step).clip(0, self.shape[axis] - 1)
                ends.append(self.from_ventricles[tuple(at.T)])
            slope[:, axis] = (ends[1] - ends[0]) / spacing
        return np.asarray(slope @ self.affine[:3, :3].T)

    @cached_property
    def periventricular(self) -> tuple[Tensor, Tensor, Tensor, Box] | None:
        """Where white matter may change about the ventricles; None for a head without ventricles or white matter.

        Distance to the ventricles (mm), how much thicker bands are at the horns (0.7 to 2), which voxels are allowed,
        ``[x, y, z]`` each, and the box of the coarse grid that they fill.
        """
        allowed = (self.white > 0.5) & (self.from_cortex > SPARED_MM)
        inside = self.from_ventricles == 0
        box = occupied(torch.from_numpy(allowed | inside))
        if not allowed.any() or not inside.any() or box is None:
            return None
        index = np.indices(self.shape, dtype=np.float32)
        world_y = np.tensordot(self.affine[1, :3], index, axes=1) + self.affine[1, 3]
        low, high = world_y[inside].min(), world_y[inside].max()
        caps = 0.7 + 1.3 * np.clip(np.abs(world_y - (low + high) / 2) / max(1.0, (high - low) / 2), 0, 1) ** 4
        parts = [
            torch.from_numpy(np.ascontiguousarray(a[box_slices(box)])) for a in (self.from_ventricles, caps, allowed)
        ]
        return parts[0], parts[1].float(), parts[2], box

    @cached_property
    def from_cortex(self) -> np.ndarray:
        """Distance to cortex, mm; 1000 where the head has none."""
        return self._distance(self.grey > 0.5)

    def _distance(self, where: np.ndarray) -> np.ndarray:
        if not where.any():
            return np.full(self.shape, 1000.0, dtype=np.float32)
        return np.asarray(ndimage.distance_transform_edt(~where, sampling=self.spacing), dtype=np.float32)

    @cached_property
    def to_mni(self) -> np.ndarray:
        """The affine (4x4) from this head's world to MNI space, both in mm."""
        grey = self.share(self.has(*GREY, *DEEP_GREY))
        white = self.share(self.has(*WHITE, "cerebellar white matter", "brain stem", "ventral diencephalon"))
        x, y, z = self.spacing
        return register(np.stack([grey, white]), self.affine, (x, y, z))
