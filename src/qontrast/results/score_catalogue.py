"""The scores that a ledger may hold: their names, units, which way is better, and how to read them."""

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """A score.

    Args:
        name: with its unit, as a heading.
        better: which way.
        decimals: shown in tables.
        bounds: values that no mean can leave.
        reading: what it is, in one sentence.
    """

    name: str
    better: Literal["higher", "lower"]
    decimals: int
    bounds: tuple[float, float]
    reading: str


METRICS = {
    "dice": Metric("Dice", "higher", 3, (0.0, 1.0), "Dice is the overlap with the truth: 1 is perfect, 0 is none."),
    "hd95_mm": Metric(
        "HD95 (mm)",
        "lower",
        2,
        (0.0, math.inf),
        "HD95 is how far apart the outlines of prediction and truth lie, leaving out the farthest 5 %, in mm.",
    ),
    "lesion_f1": Metric(
        "Lesion-wise F1", "higher", 3, (0.0, 1.0), "Lesion-wise F1 counts whole lesions, found, missed and invented."
    ),
    "psnr_db": Metric(
        "PSNR (dB)",
        "higher",
        2,
        (-math.inf, math.inf),
        "PSNR is the peak over the remaining error, in decibels: 6 dB more is half the error.",
    ),
    "ssim": Metric("SSIM", "higher", 3, (-1.0, 1.0), "SSIM is how alike local structure is: 1 is the same image."),
    "absolute_error_years": Metric(
        "MAE (years)", "lower", 2, (0.0, math.inf), "MAE is how many years the predicted age is off."
    ),
    "correct": Metric("Accuracy", "higher", 3, (0.0, 1.0), "Accuracy is the share of subjects that were told right."),
}
"""Every metric by its key in a ledger, in the order of tables."""

EMPTY_COUNTED = ("dice", "hd95_mm")
"""Metrics of predictions that may be empty; the number of those stands beside them."""
