"""A sheet of training crops: each as the network sees it, what it is to say of it, and what was drawn for it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from qontrast.report.paint import overlay_colour
from qontrast.report.sheet import Mark, SheetRow, draw_sheet
from qontrast.report.slices import AMPLIFIED, compared, lay_over, middle_slices, window

SIDES = "Brain upright, in neurological convention (the head's left at the left) unless a crop is flipped. "
LABELS = SIDES + "Slices through the middle of the crop, grey from its 1st to its 99th percentile."
NOISE = (
    f"{SIDES}Slices through the middle of the crop, both in the grey levels of the noisy one; what is to be added is "
    f"shown {AMPLIFIED} times as strong, grey where it is nothing."
)


@dataclass(frozen=True)
class CropRow:
    """One crop of the sheet.

    Args:
        heading: whose, and where in training.
        image: as the network sees it, ``[x, y, z]``; axes right, anterior, superior of the crop.
        truth: labels ``[x, y, z]``, 0 for background; or the clean image.
        caption: what was drawn; a semicolon and a space start a new line.
        mirrored: whether the crop's right is the head's left.
        note: on the truth.
    """

    heading: str
    image: np.ndarray
    truth: np.ndarray
    caption: str
    mirrored: bool = False
    note: str = ""


def label_sheet(title: str, rows: Sequence[CropRow], classes: Sequence[str]) -> Figure:
    """Draw crops with the classes laid over them; ``classes`` are named, background first, in their colours."""
    marks = [Mark(name, overlay_colour(label)) for label, name in enumerate(classes) if label > 0]
    return draw_sheet(
        title, ("as the network sees it", "and the truth", "truth"), [_labelled(r) for r in rows], LABELS, marks
    )


def noise_sheet(title: str, rows: Sequence[CropRow]) -> Figure:
    """Draw noisy crops with the clean ones beside them, and what is to be added."""
    return draw_sheet(title, ("as the network sees it", "without noise", "to add"), [_noisy(r) for r in rows], NOISE)


def _labelled(row: CropRow) -> SheetRow:
    planes, labels = middle_slices(window(row.image)), middle_slices(row.truth)
    over = [lay_over(np.repeat(p[..., None], 3, axis=2), t) for p, t in zip(planes, labels, strict=True)]
    alone = np.zeros((*labels[0].shape, 3))
    for label in np.unique(labels[0]):
        if label > 0:
            alone[labels[0] == label] = to_rgb(overlay_colour(int(label)))
    mirrored = (row.mirrored, row.mirrored)
    return SheetRow(row.heading, [*planes, *over, alone], _halves(row.caption), mirrored, row.note)


def _noisy(row: CropRow) -> SheetRow:
    noisy, clean, added = compared(middle_slices(row.image), middle_slices(row.truth))
    to_add = np.clip(0.5 + added[0], 0, 1)
    mirrored = (row.mirrored, row.mirrored)
    return SheetRow(row.heading, [*noisy, *clean, to_add], _halves(row.caption), mirrored, row.note)


def _halves(caption: str) -> tuple[str, str]:
    """Contrast and artefacts below the crop, the rest below the truth."""
    parts = caption.split("; ")
    return "; ".join(parts[:2]), "; ".join(["", *parts[2:]])
