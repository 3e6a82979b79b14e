"""What age does to tissue values and to volumes, relative to the adults of about 30 years that the priors describe.

Iron of deep grey matter: non-haem iron in mg per 100 g of fresh weight, Hallgren and Sourander 1958
(doi:10.1111/j.1471-4159.1958.tb12607.x). R2* grows in proportion to iron (Langkammer et al. 2010,
doi:10.1148/radiol.10100495), so the part of a nucleus's R2* beyond that of iron-free tissue is scaled with it, and R2
likewise; in the thalamus R2* no longer grows after the thirties (Treit et al. 2021, doi:10.1002/hbm.25569).
White matter: R1 follows a parabola that peaks in mid-life, and development and decline mirror each other (Yeatman et
al. 2014, doi:10.1038/ncomms5932). MTsat of white matter falls with age, R2* of cortex and deep grey rises (Callaghan et
al. 2014, doi:10.1016/j.neurobiolaging.2014.02.008).
Ventricles: growth accelerates with age (Scahill et al. 2003, doi:10.1001/archneur.60.7.989), from about 1 % a year in
mid-life to 3 to 6 % in the old (5.6 % at 79 years: doi:10.1111/j.1552-6569.2001.tb00068.x).
"""

import math

import torch
from torch import Tensor

REFERENCE = 30.0  # years: whom the priors describe
YEARS = (18.0, 100.0)  # for which the laws hold
IRON: dict[str, tuple[float, float, float]] = {
    "pallidum": (21.41, 0.09, 0.37),
    "putamen": (14.62, 0.04, 0.46),
    "caudate": (9.66, 0.05, 0.33),
    "cortical grey matter": (3.88, 0.04, 0.41),
}
"""a, b, c of a (1 - exp(-b age)) + c, mg / 100 g (Hallgren and Sourander 1958); cortex: their frontal cortex."""
IRON_FREE_R2STAR, IRON_FREE_R2 = 14.0, 9.0  # 1/s at 3 T: what tissue without iron has
R1_PEAK, R1_SHARE = 42.0, 5.0e-5  # years; relative fall per squared year from the peak (8 % at 82)
MT_LOSS = 0.0018  # of white matter, a year after 40


def iron(tissue: str, age: float) -> float:
    """Non-haem iron of a tissue of ``IRON``, mg / 100 g."""
    a, b, c = IRON[tissue]
    return a * (1 - math.exp(-b * age)) + c


def aged(rates: dict[str, Tensor], tissues: list[str], age: float) -> dict[str, Tensor]:
    """Rates by label (``[label]`` each, 3 T) at an age in years.

    Args:
        rates: of adults of 30 years.
        tissues: of each label.
        age: held within 18 to 100 years.
    """
    age = min(max(age, YEARS[0]), YEARS[1])
    out = {name: values.clone() for name, values in rates.items()}
    white = torch.tensor([t in ("white matter", "cerebellar white matter") for t in tissues])
    parabola = (1 - R1_SHARE * (age - R1_PEAK) ** 2) / (1 - R1_SHARE * (REFERENCE - R1_PEAK) ** 2)
    out["r1"] = torch.where(white, out["r1"] * parabola, out["r1"])
    out["mt"] = torch.where(white, out["mt"] * (1 - MT_LOSS * max(0.0, age - 40)), out["mt"])
    for tissue in IRON:
        ratio = iron(tissue, age) / iron(tissue, REFERENCE)
        here = torch.tensor([t == tissue for t in tissues])
        for name, free in (("r2star", IRON_FREE_R2STAR), ("r2", IRON_FREE_R2)):
            excess = (out[name] - free).clamp(min=0)
            out[name] = torch.where(here, out[name] + (ratio - 1) * excess, out[name])
    out["r2star"] = torch.maximum(out["r2star"], out["r2"])
    return out


def ventricular_growth(age: float) -> float:
    """Mean volume of the ventricles relative to that at 30: 1.2 % a year to 60, 3 % after; not below 1."""
    return math.exp(0.012 * max(0.0, min(age, 60) - REFERENCE) + 0.03 * max(0.0, age - 60))


def sulcal_growth(age: float) -> float:
    """Mean volume of the fluid around the brain relative to that at 30: 0.3 % a year to 60, 0.6 % after.

    The brain loses 0.2 % a year from 35 and more than 0.5 % from 60 (Hedman et al. 2012, doi:10.1002/hbm.21334); the
    fluid that takes its place is about 350 ml in the label maps at hand, a third of the brain.
    """
    return math.exp(0.003 * max(0.0, min(age, 60) - REFERENCE) + 0.006 * max(0.0, age - 60))
