"""Drawings of a sweep: a plane of protocols as a surface seen from above, and each sequence's scores as a strip."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from qontrast.report.paint import DARK, LIGHT, Ink, Picture, dress, literal, svg_uri

COLOURS = "viridis"
SCORED, FAILED, IMPOSSIBLE, USELESS = "scored", "failed", "impossible", "useless"
_PER_LINE = 3  # names below a plane
_LEVELS = 6


@dataclass(frozen=True)
class Metric:
    """What the colour says.

    Args:
        name: ``Dice`` or ``embedding drift``.
        high_is_good: whether more is better.
        low, high: of all values of the sweep, so that colours mean the same in every figure.
    """

    name: str
    high_is_good: bool
    low: float
    high: float

    @property
    def colours(self) -> str:
        """Bright is good."""
        return COLOURS if self.high_is_good else f"{COLOURS}_r"


@dataclass(frozen=True)
class AxisView:
    """A parameter: its label with the unit, the values in that unit, and whether they are spread by their logarithm."""

    label: str
    values: tuple[float, ...]
    log: bool


@dataclass(frozen=True)
class Mark:
    """A named protocol in a plane: where, and its own score, which no point of the plane has to equal."""

    name: str
    x: float
    y: float
    value: float | None


@dataclass(frozen=True)
class PlaneView:
    """A plane at one field strength.

    Args:
        title: sequence and field.
        x, y: its parameters.
        values: scores ``[x, y]``, NaN where there is none.
        states: of each point, ``[x, y]``: scored, useless (scored, but the image shows no tissue), failed, impossible.
        marks: named protocols that lie in it.
    """

    title: str
    x: AxisView
    y: AxisView
    values: np.ndarray
    states: np.ndarray
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Strip:
    """All scores of one sequence at one field."""

    name: str
    values: tuple[float, ...]
    named: tuple[float, ...] = ()


def plane_picture(view: PlaneView, metric: Metric) -> Picture:
    """A plane for the page."""
    known = view.values[np.isfinite(view.values)]
    counts = {state: int((view.states == state).sum()) for state in (IMPOSSIBLE, FAILED, USELESS)}
    told = f"from {known.min():.2f} to {known.max():.2f} over {known.size} protocols" if known.size else "no score"
    blank = [
        f"{counts[IMPOSSIBLE]} blank: no scanner could run them" if counts[IMPOSSIBLE] else "",
        f"{counts[FAILED]} marked ! : the model's answer could not be scored" if counts[FAILED] else "",
        f"{counts[USELESS]} marked x : the image shows hardly any tissue" if counts[USELESS] else "",
    ]
    names = [
        f"{n} {mark.name}" + ("" if mark.value is None else f" ({mark.value:.2f})")
        for n, mark in enumerate(view.marks, 1)
    ]
    return Picture(
        light=svg_uri(plane_figure(view, metric, LIGHT)),
        dark=svg_uri(plane_figure(view, metric, DARK)),
        alt=f"Map of {metric.name} of {view.title} over {view.x.label} and {view.y.label}: {told}. "
        + " ".join(f"{text}." for text in blank if text)
        + (f" Named protocols: {'; '.join(names)}." if names else ""),
        caption=(f"{view.title}: {metric.name} {told}",),
        reading=". ".join([text for text in blank if text] + (["Named: " + ", ".join(names)] if names else [])),
    )


def plane_figure(view: PlaneView, metric: Metric, ink: Ink = LIGHT) -> Figure:
    """The plane: one cell a protocol, contour lines between their centres, numbered circles for named protocols."""
    lines = -(-len(view.marks) // _PER_LINE)
    figure = Figure(figsize=(4.6, 3.4 + 0.17 * lines), layout="constrained")
    axes = figure.add_subplot()
    dress(axes, ink)
    norm = Normalize(metric.low, metric.high if metric.high > metric.low else metric.low + 1e-6)
    scale = colormaps[metric.colours]
    values = np.ma.masked_invalid(view.values.T)
    edges = _edges(view.x), _edges(view.y)
    drawn = axes.pcolormesh(*edges, values, cmap=metric.colours, norm=norm, edgecolors="none", rasterized=True)
    _contours(axes, view, values)
    for axis, view_axis, side in ((axes.xaxis, view.x, edges[0]), (axes.yaxis, view.y, edges[1])):
        (axes.set_xscale if axis is axes.xaxis else axes.set_yscale)("log" if view_axis.log else "linear")
        (axes.set_xlim if axis is axes.xaxis else axes.set_ylim)(side[0], side[-1])
        shown = view_axis.values[:: -(-len(view_axis.values) // 6)]
        axis.set_major_locator(FixedLocator(shown))
        axis.set_minor_locator(NullLocator())
        axis.set_ticklabels([f"{v:.0f}" if v >= 100 else f"{v:.3g}" for v in shown])
    for state, sign in ((FAILED, "!"), (USELESS, "x")):
        for i, j in np.argwhere(view.states == state):
            axes.text(
                view.x.values[i],
                view.y.values[j],
                sign,
                ha="center",
                va="center",
                color=ink.text if state == FAILED else "#ffffff",
                size=10,
            )
    for n, mark in enumerate(view.marks, 1):
        face = "#ffffff" if mark.value is None else scale(norm(mark.value))
        axes.plot(
            mark.x, mark.y, "o", markersize=12, markerfacecolor=face, markeredgecolor="#ffffff", markeredgewidth=1.6
        )
        axes.plot(
            mark.x, mark.y, "o", markersize=13.5, markerfacecolor="none", markeredgecolor="#1b1f24", markeredgewidth=0.8
        )
        axes.text(mark.x, mark.y, str(n), ha="center", va="center", size=8, weight="bold", color=_over(face))
    axes.set_title(literal(view.title), color=ink.text, fontsize=11, loc="left")
    axes.set_xlabel(view.x.label)
    axes.set_ylabel(view.y.label)
    bar = figure.colorbar(drawn, ax=axes, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=ink.text, labelsize=9, length=3, color=ink.faint)
    bar.set_label(metric.name, color=ink.text, size=10)
    if view.marks:
        names = [f"{n} {mark.name}" for n, mark in enumerate(view.marks, 1)]
        rows = ["    ".join(names[i : i + _PER_LINE]) for i in range(0, len(names), _PER_LINE)]
        figure.supxlabel(literal("\n".join(rows)), fontsize=8, color=ink.text)
    return figure


def strip_picture(strips: Sequence[Strip], metric: Metric, reference: float | None) -> Picture:
    """All sequences and fields for the page."""
    told = "; ".join(f"{s.name}: {min(s.values):.2f} to {max(s.values):.2f}" for s in strips if s.values)
    return Picture(
        light=svg_uri(strip_figure(strips, metric, reference, LIGHT)),
        dark=svg_uri(strip_figure(strips, metric, reference, DARK)),
        alt=f"Strip plot of {metric.name}, one row per sequence and field. {told}.",
        caption=(f"{metric.name} of every protocol",),
        reading="Each dot is a protocol of the grid, the bar goes from the lowest to the highest and the tall tick is "
        "the median; diamonds are named protocols."
        + ("" if reference is None or not metric.high_is_good else " The dashed line is the reference protocol.")
        + (" Further right is better." if metric.high_is_good else " Further left is better."),
    )


def strip_figure(strips: Sequence[Strip], metric: Metric, reference: float | None, ink: Ink = LIGHT) -> Figure:
    """One row per sequence and field: a dot a protocol, the range, the median; diamonds for named protocols."""
    figure = Figure(figsize=(4.6, 0.9 + 0.3 * len(strips)), layout="constrained")
    axes = figure.add_subplot()
    dress(axes, ink)
    for row, strip in enumerate(strips):
        if strip.values:
            spread = 0.3 * ((np.arange(len(strip.values)) * 0.618034) % 1 - 0.5)
            axes.plot([min(strip.values), max(strip.values)], [row, row], color=ink.faint, linewidth=1.2, zorder=1)
            axes.scatter(strip.values, row + spread, s=12, color=ink.series[0], alpha=0.6, linewidths=0, zorder=2)
            axes.plot([float(np.median(strip.values))], [row], "|", markersize=13, color=ink.text, zorder=3)
        if strip.named:
            axes.plot(strip.named, [row] * len(strip.named), "D", markersize=4.5, color=ink.series[1], zorder=4)
    if reference is not None and metric.high_is_good:
        axes.axvline(reference, color=ink.text, linewidth=0.9, linestyle="--", zorder=0)
    axes.set_ylim(len(strips) - 0.4, -0.6)
    axes.set_yticks(range(len(strips)), [literal(strip.name) for strip in strips])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=ink.faint, alpha=0.25, linewidth=0.6)
    axes.set_xlabel(literal(metric.name))
    return figure


def _edges(axis: AxisView) -> np.ndarray:
    """Borders of the cells: halfway between neighbours, and as far beyond the first and the last."""
    values = np.log(axis.values) if axis.log else np.asarray(axis.values, dtype=float)
    if len(values) == 1:
        half = 0.1 if axis.log else 0.1 * abs(values[0])
        edges = np.array([values[0] - half, values[0] + half])
    else:
        middle = (values[1:] + values[:-1]) / 2
        edges = np.concatenate([[2 * values[0] - middle[0]], middle, [2 * values[-1] - middle[-1]]])
    return np.exp(edges) if axis.log else edges


def _contours(axes: Axes, view: PlaneView, values: np.ma.MaskedArray) -> None:
    """Contour lines where there are enough points and something to tell apart."""
    known = values.compressed()
    if min(values.shape) < 2 or known.size < 4 or not np.ptp(known) > 1e-3:
        return
    levels = np.linspace(known.min(), known.max(), _LEVELS)[1:-1]
    lines = axes.contour(view.x.values, view.y.values, values, levels=levels, colors="#ffffff", linewidths=0.9)
    axes.clabel(lines, fmt="%.2f", fontsize=7)


def _over(face: str | tuple[float, ...]) -> str:
    """Ink that can be read over a colour."""
    red, green, blue = to_rgb(face)
    return "#1b1f24" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "#ffffff"
