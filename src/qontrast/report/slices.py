"""Pictures of brains: mid-slices of view pairs, and slices with labels laid over them."""

from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from qontrast.report.paint import Picture, figure_png_uri, overlay_colour
from qontrast.report.runs import Pairs, Segmentations

MOST = 12
"""Pairs, or slices, that one run shows; the page says when there are more."""

PLANES = ("axial", "coronal", "sagittal")
AMPLIFIED = 4
"""How many times as strong a change is shown as the images that it lies between."""
_PAPER, _PEN = "#000000", "#c9ced4"
_PANEL, _GAP, _HEAD, _SIDE = 1.9, 0.05, 0.26, 0.26  # inches


def draw_pairs(run: str, pairs: Pairs) -> list[Picture]:
    """One picture per pair: the two views in columns, the three planes in rows."""
    count = min(len(pairs.views), MOST)
    return [_draw_pair(f"{run}, pair {n + 1}", pairs.views[n], pairs.captions[n]) for n in range(count)]


def draw_segmentations(run: str, found: Segmentations, most: int = MOST) -> list[Picture]:
    """One picture per slice, at most ``most``: the image, the truth laid over it, the prediction laid over it."""
    pictures = []
    for n in range(min(len(found.image), most)):
        grey = np.repeat(window(found.image[n])[..., None], 3, axis=2)
        panels = [grey, lay_over(grey, found.truth[n]), lay_over(grey, found.prediction[n])]
        named = sorted(set(np.unique(found.truth[n])) | set(np.unique(found.prediction[n])))
        shown = ", ".join(found.classes[label] for label in named if label > 0) or "no class"
        pictures.append(
            Picture(
                light=_draw_panels([panels], ("image", "truth", "prediction"), ("",)),
                dark="",
                alt=f"Run {run}, {found.captions[n]}: one slice as image, with the true labels and with the predicted "
                f"labels laid over it; classes seen: {shown}.",
                caption=(found.captions[n],),
                reading=_disagreement(found.truth[n], found.prediction[n]),
            )
        )
    return pictures


def middle_slices(view: np.ndarray) -> list[np.ndarray]:
    """Axial, coronal and sagittal mid-slice of ``[x, y, z]``, each indexed ``[horizontal, vertical up]``."""
    x, y, z = (size // 2 for size in view.shape)
    return [view[:, :, z], view[:, y, :], view[x, :, :]]


def window(image: np.ndarray) -> np.ndarray:
    """The image scaled so that its 1st percentile is 0 and its 99th is 1, clipped; a constant image becomes 0."""
    low, high = np.percentile(image, (1, 99))
    if not high > low:
        low, high = image.min(), image.max()
    if not high > low:
        return np.zeros(image.shape, dtype=np.float32)
    return np.clip((image - low) / (high - low), 0, 1).astype(np.float32)


def compared(
    before: list[np.ndarray], after: list[np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """Planes of an image and of what became of it in one scale, that of the first's 1st to 99th percentile, clipped;
    and what was added, ``AMPLIFIED`` times as strong, 0 where it is nothing."""
    low, high = np.percentile(np.concatenate([plane.ravel() for plane in before]), (1, 99))
    scale = max(float(high - low), 1e-30)
    one, other = ([np.clip((plane - low) / scale, 0, 1) for plane in planes] for planes in (before, after))
    return one, other, [AMPLIFIED * (a - b) / scale for b, a in zip(before, after, strict=True)]


def lay_over(grey: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Labels ``[h, v]`` over a grey picture ``[h, v, 3]``: tinted inside, full colour along borders."""
    padded = np.pad(labels, 1, mode="edge")
    near = (padded[2:, 1:-1], padded[:-2, 1:-1], padded[1:-1, 2:], padded[1:-1, :-2])
    border = np.any([other != labels for other in near], axis=0)
    tinted = grey.copy()
    for label in np.unique(labels):
        if label > 0:
            here = labels == label
            strength = np.where(border, 0.9, 0.4)[here][:, None]
            tinted[here] = (1 - strength) * grey[here] + strength * np.array(to_rgb(overlay_colour(int(label))))
    return tinted


def _draw_pair(title: str, views: np.ndarray, captions: tuple[str, str]) -> Picture:
    columns = [[_squared(plane, max(view.shape)) for plane in middle_slices(window(view))] for view in views]
    rows = [list(planes) for planes in zip(*columns, strict=True)]
    return Picture(
        light=_draw_panels(rows, ("view A", "view B"), PLANES),
        dark="",
        alt=f"Run {title}: axial, coronal and sagittal mid-slices of view A ({captions[0]}) beside those of view B "
        f"({captions[1]}).",
        caption=(f"A: {captions[0]}", f"B: {captions[1]}"),
        reading="Compare row by row: outlines should agree, brightness need not.",
    )


def _disagreement(truth: np.ndarray, prediction: np.ndarray) -> str:
    labelled = (truth > 0) | (prediction > 0)
    if not labelled.any():
        return "Neither the truth nor the prediction has a class in this slice."
    differ = int((truth != prediction).sum())
    share = 100 * differ / int(labelled.sum())
    return f"Truth and prediction differ in {differ} of {int(labelled.sum())} labelled pixels ({share:.0f} %)."


def _squared(plane: np.ndarray, size: int) -> np.ndarray:
    """The plane in the middle of a black square."""
    square = np.zeros((size, size), dtype=np.float32)
    left, low = (size - plane.shape[0]) // 2, (size - plane.shape[1]) // 2
    square[left : left + plane.shape[0], low : low + plane.shape[1]] = plane
    return square


def _draw_panels(rows: list[list[np.ndarray]], tops: tuple[str, ...], sides: tuple[str, ...]) -> str:
    """Pictures ``[horizontal, vertical up]`` in rows and columns on dark paper, as a PNG data URI."""
    side = _SIDE if any(sides) else _GAP
    tall = _PANEL * rows[0][0].shape[1] / rows[0][0].shape[0]
    width = side + len(tops) * (_PANEL + _GAP)
    height = _HEAD + len(rows) * (tall + _GAP)
    figure = Figure(figsize=(width, height), dpi=110, facecolor=_PAPER)
    for r, row in enumerate(rows):
        top = height - _HEAD - r * (tall + _GAP)
        figure.text(side / 2 / width, (top - tall / 2) / height, sides[r], rotation=90, **_LETTERS)
        for c, panel in enumerate(row):
            left = side + c * (_PANEL + _GAP)
            axes = figure.add_axes((left / width, (top - tall) / height, _PANEL / width, tall / height))
            axes.set_axis_off()
            smooth = "bilinear" if panel.ndim == 2 else "nearest"
            axes.imshow(
                panel.swapaxes(0, 1), origin="lower", cmap="gray", vmin=0, vmax=1, interpolation=smooth, aspect="auto"
            )
    for c, name in enumerate(tops):
        middle = side + c * (_PANEL + _GAP) + _PANEL / 2
        figure.text(middle / width, 1 - _HEAD / 2 / height, name, **_LETTERS)
    return figure_png_uri(figure)


_LETTERS: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 9, "color": _PEN}
