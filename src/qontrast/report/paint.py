"""Ink, paper and colours, and drawings as data URIs that a page can hold."""

import base64
import io
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Ink:
    """Colours of one drawing; its paper is transparent, so the page shows through.

    Args:
        text: words and marks that must stand out.
        faint: axes, ticks, guides.
        series: one colour per arm or run, distinguishable without red-green vision (Okabe and Ito 2008).
    """

    text: str
    faint: str
    series: tuple[str, ...]


LIGHT = Ink("#1b1f24", "#9aa3ad", ("#0072b2", "#d55e00", "#009e73", "#b0508f", "#b27d00", "#2f9fd8", "#555b63"))
DARK = Ink("#e8eaed", "#6c757f", ("#5ab4f0", "#ff8f45", "#35c99b", "#e79ac9", "#f0b93a", "#9fdcff", "#b8bfc7"))

OVERLAY = ("#56b4e9", "#e69f00", "#009e73", "#f0e442", "#cc79a7", "#d55e00", "#0072b2", "#9467bd")
"""Colours of classes laid over a grey image."""


@dataclass(frozen=True)
class Picture:
    """A figure of the page.

    Args:
        light: data URI of the drawing for light pages.
        dark: data URI for dark pages; the light one serves both where it is empty.
        alt: what the figure shows, for those who cannot see it.
        caption: plain words, one per line, under the figure.
        reading: how to read it.
    """

    light: str
    dark: str
    alt: str
    caption: tuple[str, ...] = ()
    reading: str = ""


def overlay_colour(label: int) -> str:
    """Colour of the class with this label, 1 and up; repeats from the ninth on."""
    return OVERLAY[(label - 1) % len(OVERLAY)]


def series_colour(ink: Ink, index: int) -> str:
    """Colour of the arm or run with this index; repeats from the eighth on."""
    return ink.series[index % len(ink.series)]


def literal(text: str) -> str:
    """Text that matplotlib draws as it stands, dollar signs included."""
    return text.replace("$", r"\$")


def dress(axes: Axes, ink: Ink) -> None:
    """Give axes the ink's colours, a bare frame and small ticks."""
    axes.set_facecolor("none")
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(ink.faint)
    axes.tick_params(colors=ink.text, labelsize=10, length=3, color=ink.faint)
    axes.xaxis.label.set(color=ink.text, size=10.5)
    axes.yaxis.label.set(color=ink.text, size=10.5)


def svg_uri(figure: Figure) -> str:
    """The figure as an SVG data URI with a transparent background; letters are drawn, so no font is needed."""
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    return _uri("image/svg+xml", stream.getvalue())


def figure_png_uri(figure: Figure) -> str:
    """The figure as a PNG data URI, on its own background, at 110 dots per inch."""
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_png(stream)
    return _uri("image/png", stream.getvalue())


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
