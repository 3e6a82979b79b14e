"""A sheet of view pairs: both views in three planes, how they fit together, and what was drawn for each below it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from qontrast.report.sheet import SheetRow, draw_sheet
from qontrast.report.slices import middle_slices, window

SQUARES = 6  # along an edge of the last panel
CONVENTION = (
    "Brain upright, in neurological convention (the head's left at the left) unless a view is flipped: letters say "
    "which side is which. Last column: axial slices of A and B in the squares of a checkerboard; outlines should "
    "continue from square to square. Grey from the 1st to the 99th percentile of each view. Captions: a length with a "
    "direction alone is the voxel that was acquired along it; warped, the deviation of the elastic displacements."
)


@dataclass(frozen=True)
class PairRow:
    """One pair of the sheet.

    Args:
        heading: whose, and where in training.
        views: ``[2, x, y, z]``, any scale; axes right, anterior, superior of the views.
        captions: what was drawn for each; a semicolon and a space start a new line.
        mirrored: whether each view's right is the head's left.
        note: on how the two lie on each other.
        places: which voxel of the second view (flat) is the tissue of each one of the first's axial mid-slice,
            ``[x, y]``, -1 for none; None where both views lie alike.
    """

    heading: str
    views: np.ndarray
    captions: tuple[str, str]
    mirrored: tuple[bool, bool] = (False, False)
    note: str = ""
    places: np.ndarray | None = None


def pair_sheet(title: str, rows: Sequence[PairRow]) -> Figure:
    """Draw the sheet: ``title``, seven panels and wrapped captions for each row, the convention."""
    return draw_sheet(title, ("view A", "view B", "A and B"), [_drawn(row) for row in rows], CONVENTION)


def checkerboard(one: np.ndarray, other: np.ndarray, squares: int = SQUARES) -> np.ndarray:
    """Two pictures ``[h, v]`` in turn, in about ``squares`` squares along an edge; the first at the lower left."""
    edge = max(1, round(max(one.shape) / squares))
    h, v = np.indices(one.shape) // edge
    return np.where((h + v) % 2 == 0, one, other)


def _drawn(row: PairRow) -> SheetRow:
    views = [window(view) for view in row.views]
    one, other = (middle_slices(view) for view in views)
    there = other[0] if row.places is None else np.where(row.places < 0, 0.0, views[1].reshape(-1)[row.places])
    first, second = (f"{name}: {text}" for name, text in zip("AB", row.captions, strict=True))
    panels = [*one, *other, checkerboard(one[0], there)]
    return SheetRow(row.heading, panels, (first, second), row.mirrored, row.note)
