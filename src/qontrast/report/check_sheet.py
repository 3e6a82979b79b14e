"""One picture to check a result by eye: three planes of a scan, and what was made of it beside them."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from qontrast.report.paint import literal, overlay_colour
from qontrast.report.slices import AMPLIFIED, compared, lay_over, window

PANEL, GAP = 2.6, 0.06  # inches
LEGEND_ROW = 0.2
COLUMNS = 3  # of the legend
PAPER, PEN = "#000000", "#c9ced4"
Spacing = tuple[float, float, float]


def segmentation_sheet(image: np.ndarray, labels: np.ndarray, spacing: Spacing, legend: Sequence[str]) -> bytes:
    """A PNG: the planes through the middle of what was segmented, as they are and with the labels over them.

    Args:
        image: ``[x, y, z]``, axes right, anterior, superior.
        labels: on the same grid.
        spacing: of the voxels, mm.
        legend: what to write beside the colour of each label, background first.
    """
    middle = _middle(labels > 0)
    planes = _planes(image, middle), _planes(labels, middle)
    greys = [np.repeat(plane[..., None], 3, axis=2) for plane in _windowed(planes[0])]
    over = [lay_over(grey, plane) for grey, plane in zip(greys, planes[1], strict=True)]
    entries = [(overlay_colour(index), words) for index, words in enumerate(legend) if index > 0]
    return _sheet([greys, over], spacing, entries)


def denoising_sheet(image: np.ndarray, denoised: np.ndarray, spacing: Spacing) -> bytes:
    """A PNG: the middle planes of an image, of the denoised one in the same grey levels, and what was taken away."""
    middle = _middle(np.abs(denoised) > 0.1 * np.abs(denoised).max())
    before, after, added = compared(_planes(image, middle), _planes(denoised, middle))
    away = [np.clip(0.5 - plane, 0, 1) for plane in added]
    return _sheet([before, after, away], spacing, titles=("scan", "denoised", f"taken away, x {AMPLIFIED}"))


def _middle(inside: np.ndarray) -> tuple[int, int, int]:
    places = []
    for axis, count in enumerate(inside.shape):
        found = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis)))
        places.append(int(found[len(found) // 2]) if len(found) else count // 2)
    x, y, z = places
    return x, y, z


def _planes(volume: np.ndarray, middle: tuple[int, int, int]) -> list[np.ndarray]:
    """Axial, coronal and sagittal, ``[horizontal, vertical up]``."""
    x, y, z = middle
    return [volume[:, :, z], volume[:, y, :], volume[x, :, :]]


def _windowed(planes: list[np.ndarray]) -> list[np.ndarray]:
    together = window(np.concatenate([plane.ravel() for plane in planes])[:, None])[:, 0]
    parts = np.split(together, np.cumsum([plane.size for plane in planes])[:-1])
    return [part.reshape(plane.shape) for part, plane in zip(parts, planes, strict=True)]


def _sheet(
    rows: list[list[np.ndarray]],
    spacing: Spacing,
    entries: Sequence[tuple[str, str]] = (),
    titles: Sequence[str] = (),
) -> bytes:
    x, y, z = spacing
    steps = [(x, y), (x, z), (y, z)]
    sizes = [(p.shape[0] * h, p.shape[1] * v) for p, (h, v) in zip(rows[0], steps, strict=True)]
    scale = PANEL / max(max(size) for size in sizes)
    widths, tall = [scale * w for w, _ in sizes], scale * max(h for _, h in sizes)
    below = LEGEND_ROW * -(-len(entries) // COLUMNS) + GAP
    width, height = sum(widths) + 2 * GAP, len(rows) * (tall + GAP) + below
    figure = Figure(figsize=(width, height), dpi=110, facecolor=PAPER)
    for number, row in enumerate(rows):
        left, bottom = 0.0, height - (number + 1) * (tall + GAP)
        for plane, size, own in zip(row, sizes, widths, strict=True):
            axes = figure.add_axes((left / width, bottom / height, own / width, scale * size[1] / height))
            axes.set_axis_off()
            axes.imshow(plane.swapaxes(0, 1), origin="lower", cmap="gray", vmin=0, vmax=1, aspect="auto")
            left += own + GAP
    for number, title in enumerate(titles):
        figure.text(0.01, 1 - (number * (tall + GAP) + GAP) / height, title, va="top", color=PEN, fontsize=8)
    if entries:
        handles = [Patch(color=colour, label=literal(words)) for colour, words in entries]
        columns = min(COLUMNS, len(handles))
        figure.legend(handles=handles, loc="lower center", ncols=columns, frameon=False, labelcolor=PEN, fontsize=8)
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_png(stream)
    return stream.getvalue()
