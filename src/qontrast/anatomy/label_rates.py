"""A person's tissue parameters by label: drawn about the priors, and varied smoothly over the head."""

import numpy as np
import torch
from torch import Tensor

from qontrast.anatomy.priors import PRIORS, Prior
from qontrast.basics.errors import InputError
from qontrast.physics.tissue import MAP_NAMES

SHARED = 0.6  # correlation of a person's deviations between R1, R2, R2* and MTsat: myelin and iron drive them together

TEXTURE = {"pd": -0.012, "r1": 0.035, "r2": 0.025, "r2star": 0.05, "mt": 0.045}
"""Standard deviation of each map's smooth relative variation within structures, and its sign against the others."""
TRANSMIT_SPREAD = {0.5: 0.02, 2.0: 0.05, 4.0: 0.10, 99.0: 0.20}
"""Standard deviation of the B1+ field's control values up to so many tesla (larger where the wavelength is short)."""


def transmit_spread(field_strength: float) -> float:
    """Standard deviation of the transmit field, relative to nominal, at so many tesla."""
    return next(spread for limit, spread in TRANSMIT_SPREAD.items() if field_strength <= limit)


def vary(maps: dict[str, Tensor], texture: Tensor) -> dict[str, Tensor]:
    """Maps with the smooth relative variation ``texture`` (standard deviations), of a shape that broadcasts."""
    return {n: values * torch.add(1.0, texture, alpha=TEXTURE[n]).clamp_(min=0.5) for n, values in maps.items()}


def dense_labels(labels: np.ndarray, origin: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The labels that occur, the map as indices into them, and how many voxels each has."""
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high > 1_000_000:
        raise InputError(origin, f"labels from {low} to {high}", "labels from 0 to 1000000", "Is this a label map?")
    counts = np.bincount(labels.ravel())
    values = np.flatnonzero(counts)
    lookup = np.zeros(high + 1, dtype=np.uint8 if len(values) < 256 else np.int32)
    lookup[values] = np.arange(len(values))
    return values.astype(np.int64), lookup[labels], counts[values]


def draw_rates(means: list[Prior], generator: torch.Generator | None) -> dict[str, Tensor]:
    """Rates by label: shared and own deviations, log-normal, so that no rate can turn negative."""
    spread = torch.tensor([p.spread for p in means])
    base = {
        "pd": torch.tensor([p.pd for p in means]),
        "r1": torch.tensor([1.0 / p.t1 for p in means]),
        "r2": torch.tensor([1000.0 / p.t2 for p in means]),
        "r2star": torch.tensor([1000.0 / min(p.t2star, p.t2) for p in means]),
        "mt": torch.tensor([p.mt / 100.0 for p in means]),
    }
    if generator is None:
        return base
    person = torch.randn((), generator=generator)
    structure = torch.randn(len(means), generator=generator)
    common = SHARED**0.5 * person + (1 - SHARED) ** 0.5 * structure
    drawn = {}
    for name in MAP_NAMES:
        own = torch.randn(len(means), generator=generator)
        deviation = SHARED**0.5 * common + (1 - SHARED) ** 0.5 * own
        share = spread / 3 if name == "pd" else spread
        sign = -1.0 if name == "pd" else 1.0
        drawn[name] = base[name] * torch.exp(sign * share * deviation)
    drawn["r2star"] = torch.maximum(drawn["r2star"], drawn["r2"])
    drawn["pd"] = drawn["pd"].clamp(max=1.05)
    return drawn


def fluid_of_cavities(spread: float) -> Prior:
    """What fills the cavity that a lesion left: fluid with a little protein, T1 and T2 below those of ventricles.

    Args:
        spread: 0 for plain fluid, 1 for the most protein.
    """
    fluid = PRIORS["cerebrospinal fluid"]
    return Prior(fluid.t1 * (1 - 0.25 * spread), fluid.t2 * (1 - 0.6 * spread), 400.0, 0.99, 0.05, 0.0)
