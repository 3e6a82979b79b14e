"""White-matter hyperintensities around the ventricles: caps and bands of an asked volume."""

import numpy as np
import torch

from qontrast.anatomy.compartments import Compartments
from qontrast.anatomy.lesion_shapes import Drawn, Level
from qontrast.basics.spline import upsample_spline

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
    terrain = head.periventricular
    if terrain is None or millilitres <= 0:
        return []
    distance, caps, allowed, box = terrain
    x, y, z = allowed.shape
    knots = [4 + int(n * s / 22.0) for n, s in zip(allowed.shape, head.spacing, strict=True)]
    noise = upsample_spline(0.45 / 0.33 * torch.randn(1, *knots, generator=generator), (x, y, z))[0]
    thin = distance * torch.exp(-noise) / caps
    ranked = thin[allowed]
    wanted = int(1000 * millilitres / (head.spacing[0] * head.spacing[1] * head.spacing[2]))
    border = float(ranked.kthvalue(min(max(1, wanted), len(ranked))).values)
    level = (0.5 + (border - thin) / (2 * max(2.5, 0.6 * border))).clamp_(0, 1)
    # Fluid counts as the level beside it, so that interpolation at the wall does not fall off.
    level = torch.where(allowed | (distance == 0), level, 0.0)
    factor = np.array(head.factor, dtype=np.float64)
    corner = np.array([a for a, _ in box])
    matrix, shift = np.diag(1 / factor), -(factor - 1) / 2 / factor - corner
    edges = [(f * a, min(n, f * b)) for (a, b), f, n in zip(box, head.factor, head.grid.shape, strict=True)]
    reach = (edges[0], edges[1], edges[2])
    return [Drawn(torch.from_numpy(matrix).float(), torch.from_numpy(shift).float(), reach, 1.0, level)]
