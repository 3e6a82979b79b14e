"""White-matter hyperintensities around the ventricles: caps and bands of an asked volume."""

import numpy as np
import torch

from qontrast.anatomy.compartments import Compartments
from qontrast.anatomy.lesion_shapes import Level
from qontrast.basics.spline import upsample_spline
from qontrast.geometry.sample import occupied

SPARED_MM = 4.0  # white matter next to the cortex stays free (doi:10.1016/j.neuroimage.2003.12.027)
AGE_OF_NORM, NORM_ML, DOUBLING_YEARS = 62.0, 4.9, 9.0
"""4.9 ml at 60 to 64 years (doi:10.1016/j.neuroimage.2003.12.027); how fast it grows is our reading of the exponential
centile curves of doi:10.1016/j.neurobiolaging.2024.11.006."""


def burden_at(age: float) -> float:
    """The mean volume (ml) of white-matter hyperintensities at an age (years)."""
    return float(min(60.0, NORM_ML * 2 ** ((age - AGE_OF_NORM) / DOUBLING_YEARS)))


def bands(head: Compartments, millilitres: float, generator: torch.Generator) -> list[Level]:
    """Bands along the lateral ventricles and caps on their horns, ``millilitres`` of cerebral white matter in all.

    The thickness varies smoothly along the ventricle and is larger at its anterior and posterior ends; the border lies
    where the white matter nearest to the ventricle, so measured, has the wanted volume.
    """
    allowed = (head.white > 0.5) & (head.from_cortex > SPARED_MM)
    if not allowed.any() or head.from_ventricles.min() > 999:
        return []
    world_y = np.indices(head.shape, dtype=np.float32).transpose(1, 2, 3, 0) @ head.affine[1, :3] + head.affine[1, 3]
    along = world_y[head.from_ventricles == 0]
    middle, half = (along.min() + along.max()) / 2, max(1.0, (along.max() - along.min()) / 2)
    caps = 0.7 + 1.3 * np.clip(np.abs(world_y - middle) / half, 0, 1.2) ** 4
    knots = [4 + int(n * s / 22.0) for n, s in zip(head.shape, head.spacing, strict=True)]
    x, y, z = head.shape
    noise = upsample_spline(torch.randn(1, *knots, generator=generator) / 0.33, (x, y, z))[0].numpy()
    thin = head.from_ventricles / (caps * np.exp(0.45 * noise))
    ranked = np.sort(thin[allowed])
    wanted = int(1000 * millilitres / np.prod(head.spacing))
    if not wanted:
        return []
    border = float(ranked[min(wanted, len(ranked) - 1)])
    level = np.clip(0.5 + (border - thin) / (2 * max(2.5, 0.6 * border)), 0, 1) * allowed.clip(0, 1)
    # Fluid counts as the level beside it, so that interpolation at the wall does not fall off.
    level = np.where(head.from_ventricles == 0, 1.0, level).astype(np.float32)
    factor = np.array(head.factor, dtype=np.float64)
    matrix = torch.from_numpy(np.diag(1 / factor)).float()
    shift = torch.from_numpy(-(factor - 1) / 2 / factor).float()
    reached = occupied(torch.from_numpy(allowed & (level > 0)))
    if reached is None:
        return []
    edges = [
        (max(0, f * (a - 1)), min(n, f * (b + 1)))
        for (a, b), f, n in zip(reached, head.factor, head.grid.shape, strict=True)
    ]
    return [Level(torch.from_numpy(level)[None, None], matrix, shift, (edges[0], edges[1], edges[2]))]
