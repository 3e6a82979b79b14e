"""Relaxation at another static field.

T1 of tissue grows with field: T1 = a (gamma B0)^0.38 for white matter and ^0.376 for grey matter, while that of
cerebrospinal fluid hardly changes (Rooney et al. 2007, doi:10.1002/mrm.21122). R2* grows nearly linearly (Peters et al.
2007, doi:10.1016/j.mri.2007.02.014): its part beyond R2 comes from susceptibility and is proportional to the field.
T2 changes little below 3 T (Bottomley et al. 1984, doi:10.1118/1.595535) and is kept.
"""

from dataclasses import replace

import torch
from torch import Tensor

from qontrast.basics.errors import InputError
from qontrast.physics.tissue import TissueMaps

T1_EXPONENT = 0.38
FIELD_RANGE = (0.05, 11.7)  # tesla: from portable scanners to the strongest human magnet


def at_field(tissue: TissueMaps, field_strength: float) -> TissueMaps:
    """The same tissue in a field of ``field_strength`` tesla.

    Fluid, known by its low R1 (below about 0.4 1/s), keeps its R1; the change is smooth in between.

    Raises:
        InputError: if the field is outside 0.05 to 11.7 T.
    """
    low, high = FIELD_RANGE
    if not low <= field_strength <= high:
        raise InputError("field strength", f"{field_strength:g} T", f"{low} to {high} T", "Fields are in tesla.")
    if field_strength == tissue.field_strength:
        return tissue
    ratio = field_strength / tissue.field_strength
    r1 = tissue.r1 * ratio ** (-T1_EXPONENT * tissue_share(tissue.r1))
    r2star = tissue.r2star
    if r2star is not None:
        r2 = tissue.r2 if tissue.r2 is not None else estimate_r2(r2star)
        # A fit that gave R2* below R2 has no susceptibility to scale: it is left as it is.
        r2star = torch.where(r2star > r2, r2 + (r2star - r2) * ratio, r2star)
    b0 = None if tissue.b0 is None else tissue.b0 * ratio
    return replace(tissue, r1=r1, r2star=r2star, b0=b0, field_strength=float(field_strength))


def tissue_share(r1: Tensor) -> Tensor:
    """Near 1 in tissue and near 0 in fluid, smooth in R1 (1/s)."""
    return torch.sigmoid((r1 - 0.4) / 0.04)


def estimate_r2(r2star: Tensor) -> Tensor:
    """R2 where only R2* was measured: 0.7 of it, the ratio of white matter at 3 T (13.5 against 20 1/s).

    T2 of 69 to 79 ms (Stanisz et al. 2005, doi:10.1002/mrm.20605) against T2* of 45 to 53 ms (Peters et al. 2007,
    doi:10.1016/j.mri.2007.02.014). An estimate: whoever uses it has to say so.
    """
    return 0.7 * r2star
