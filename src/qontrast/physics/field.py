"""Relaxation at another static field.

T1 of tissue grows with a power of the field, that of cerebrospinal fluid hardly (Rooney et al. 2007,
doi:10.1002/mrm.21122: 0.382 for white and 0.376 for grey matter from 0.2 to 7 T). At low field white matter comes
closer to grey than that: 0.275 and 0.327 s at 50 mT (O'Reilly and Webb 2022, doi:10.1002/mrm.29009), so that white
matter's exponent falls to 0.30 there. R2 grows linearly: 0.65 + 0.117 B0 of its value at 3 T fits 1.5, 3 and 7 T in
white and in grey matter (R2 of 9.7 + 1.64 B0 and 9.0 + 1.76 B0 1/s; from the GESSE times of Cox and Gowland 2010,
doi:10.1002/mrm.22406); T2 of fluid is kept. R2* beyond R2 comes from susceptibility and is proportional to the field
(Peters et al. 2007, doi:10.1016/j.mri.2007.02.014).
"""

import math
from dataclasses import replace

import torch
from torch import Tensor

from qontrast.basics.errors import InputError
from qontrast.physics.tissue import TissueMaps

T1_EXPONENT = 0.365  # of grey matter
WHITE_EXPONENTS = ((0.064, 0.30), (1.5, 0.37))
"""Field (T) and exponent of white matter: even in the field's logarithm between the two, constant beyond them."""
R2_AT_ZERO, R2_PER_TESLA = 0.65, 0.117  # of R2 at 3 T
FIELD_RANGE = (0.05, 11.7)  # tesla: from portable scanners to the strongest human magnet
REFERENCE_FIELD = 3.0  # tesla: at which tissues are told apart by their R1


def at_field(tissue: TissueMaps, field_strength: float) -> TissueMaps:
    """The same tissue in a field of ``field_strength`` tesla.

    Fluid, known by its low R1 (below about 0.4 1/s), keeps its R1 and R2; the change is smooth in between, as it is
    from grey matter's exponent to white matter's (R1 of about 0.93 1/s at 3 T).

    Raises:
        InputError: if the field is outside 0.05 to 11.7 T.
    """
    low, high = FIELD_RANGE
    if not low <= field_strength <= high:
        raise InputError("field strength", f"{field_strength:g} T", f"{low} to {high} T", "Fields are in tesla.")
    now = tissue.field_strength
    if field_strength == now:
        return tissue
    ratio, share = field_strength / now, tissue_share(tissue.r1)
    # Exponents are those between 3 T and a field: from another field, the way there is divided out.
    bounds = torch.sigmoid((tissue.r1 * (now / REFERENCE_FIELD) ** T1_EXPONENT - 0.93) / 0.08)
    grey, white = (-log_change(field_strength, kind) + log_change(now, kind) for kind in ("grey", "white"))
    r1 = tissue.r1 * torch.exp(share * (grey + (white - grey) * bounds))
    r2, r2star = transverse_at_field(tissue, field_strength)
    b0 = None if tissue.b0 is None else tissue.b0 * ratio
    return replace(tissue, r1=r1, r2=r2, r2star=r2star, b0=b0, field_strength=float(field_strength))


def transverse_at_field(tissue: TissueMaps, field_strength: float) -> tuple[Tensor | None, Tensor | None]:
    """R2 and R2* (1/s) of the same tissue in another field; see :func:`at_field`."""
    r2, r2star, now = tissue.r2, tissue.r2star, tissue.field_strength
    if field_strength == now or (r2 is None and r2star is None):
        return r2, r2star
    old_r2 = estimate_r2(r2star) if r2 is None and r2star is not None else r2
    assert old_r2 is not None
    faster = r2_factor(field_strength) / r2_factor(now)
    r2_then = tissue_share(tissue.r1).mul_(faster - 1.0).add_(1.0).mul_(old_r2)
    if r2star is not None:
        beyond = r2star - old_r2
        # A fit that gave R2* below R2 has no susceptibility to scale: it follows R2.
        scaled = beyond.clamp(min=0.0).mul_(field_strength / now - 1.0)
        r2star = scaled.add_(beyond).add_(r2_then).clamp_(min=0.0)
    return None if r2 is None else r2_then, r2star


def log_change(field_strength: float, kind: str) -> float:
    """Natural logarithm of T1 at a field over T1 at 3 T, of ``grey`` or ``white`` matter."""
    away = math.log(field_strength / REFERENCE_FIELD)
    if kind == "grey":
        return T1_EXPONENT * away
    (low, least), (high, most) = WHITE_EXPONENTS
    place = math.log(field_strength / low) / math.log(high / low)
    return (least + (most - least) * min(1.0, max(0.0, place))) * away


def r2_factor(field_strength: float) -> float:
    """R2 of tissue at a field over that at 3 T; see the module for the source."""
    return R2_AT_ZERO + R2_PER_TESLA * field_strength


def tissue_share(r1: Tensor) -> Tensor:
    """Near 1 in tissue and near 0 in fluid, smooth in R1 (1/s)."""
    return torch.sigmoid((r1 - 0.4) / 0.04)


def estimate_r2(r2star: Tensor) -> Tensor:
    """R2 where only R2* was measured: 0.7 of it, the ratio of white matter at 3 T (13.5 against 20 1/s).

    T2 of 69 to 79 ms (Stanisz et al. 2005, doi:10.1002/mrm.20605) against T2* of 45 to 53 ms (Peters et al. 2007,
    doi:10.1016/j.mri.2007.02.014). An estimate: whoever uses it has to say so.
    """
    return 0.7 * r2star
