"""Scores as dots: one per subject, with the mean and its interval, arms side by side within each contrast."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qontrast.report.paint import DARK, LIGHT, Ink, Picture, dress, literal, series_colour, svg_uri
from qontrast.results.intervals import Interval

_GOLDEN = 0.6180339887


@dataclass(frozen=True)
class Lane:
    """One arm in one contrast.

    Args:
        contrast: the contrast.
        arm: the arm.
        values: one number per subject.
        mean: their mean with its interval.
    """

    contrast: str
    arm: str
    values: tuple[float, ...]
    mean: Interval


def draw_dots(name: str, better: str, lanes: Sequence[Lane], group: str = "contrast", where: str = "") -> Picture:
    """All lanes of one metric, for light and dark pages.

    Args:
        name: metric and unit, for the axis.
        better: ``higher`` or ``lower``.
        lanes: one per arm and contrast; arms keep their colour in every contrast.
        group: what the lanes' contrasts are; a site, say.
        where: what all lanes have in common, for the caption.
    """
    caption = f"{name}, {where}" if where else name
    told = "; ".join(f"{lane.contrast}, {lane.arm}: mean {lane.mean.mean:.3g} over {lane.mean.count}" for lane in lanes)
    return Picture(
        light=_draw(name, lanes, LIGHT),
        dark=_draw(name, lanes, DARK),
        alt=f"Dot plot of {caption} per subject, grouped by {group}, one row per arm. {told}.",
        caption=(caption,),
        reading=f"Each dot is one test subject (mean over its classes). The diamond is the mean over subjects and the "
        f"bar through it its 95 % interval; {better} is better. Intervals that overlap do not settle which arm is "
        "better: the paired differences below do that.",
    )


def _draw(name: str, lanes: Sequence[Lane], ink: Ink) -> str:
    contrasts = list(dict.fromkeys(lane.contrast for lane in lanes))
    arms = list(dict.fromkeys(lane.arm for lane in lanes))
    labels: list[tuple[float, str, bool]] = []
    height = 0.0
    figure = Figure(layout="constrained")
    axes = figure.add_subplot()
    dress(axes, ink)
    for contrast in contrasts:
        labels.append((height, contrast, True))
        for lane in (lane for lane in lanes if lane.contrast == contrast):
            height += 1
            labels.append((height, lane.arm, False))
            _draw_lane(axes, height, lane, series_colour(ink, arms.index(lane.arm)), ink)
        height += 1.35
    figure.set_size_inches(4.6, 0.75 + 0.27 * height)
    axes.set_ylim(height - 0.6, -0.6)
    axes.set_yticks([at for at, _, _ in labels], [literal(text) for _, text, _ in labels])
    for tick, (_, _, heading) in zip(axes.get_yticklabels(), labels, strict=True):
        tick.set_fontweight("bold" if heading else "normal")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=ink.faint, alpha=0.25, linewidth=0.6)
    axes.set_xlabel(literal(name))
    return svg_uri(figure)


def _draw_lane(axes: Axes, at: float, lane: Lane, colour: str, ink: Ink) -> None:
    spread = (np.arange(len(lane.values)) * _GOLDEN % 1 - 0.5) * (0.5 if len(lane.values) > 1 else 0)
    axes.scatter(lane.values, at + spread, s=15, color=colour, alpha=0.55, linewidths=0, zorder=2)
    if lane.mean.low is not None and lane.mean.high is not None:
        axes.plot([lane.mean.low, lane.mean.high], [at, at], color=ink.text, linewidth=1.8, zorder=3)
    axes.plot(
        [lane.mean.mean], [at], marker="D", markersize=6, color=colour, markeredgecolor=ink.text, zorder=4, linestyle=""
    )
