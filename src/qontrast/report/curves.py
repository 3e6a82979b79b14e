"""Loss curves: the raw values faint, a running mean over them, several runs in one drawing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from qontrast.report.paint import DARK, LIGHT, Ink, Picture, dress, literal, series_colour, svg_uri
from qontrast.report.runs import Run

MOST_POINTS = 600


@dataclass(frozen=True)
class Curve:
    """One loss of one run.

    Args:
        run: the run's name.
        steps: optimiser steps, ascending.
        values: the loss at each step, finite.
        missing: number of steps whose loss was no finite number.
    """

    run: str
    steps: np.ndarray
    values: np.ndarray
    missing: int


def loss_curves(runs: Sequence[Run]) -> dict[str, list[Curve]]:
    """Curves by loss key: every key that starts with ``loss`` and holds numbers, in rows that have a ``step``.

    A step that was journalled twice, as after a resume, keeps its last value.
    """
    curves: dict[str, list[Curve]] = {}
    for run in runs:
        values: dict[str, dict[float, float]] = {}
        for row in run.journal or ():
            for key in _loss_keys(row):
                values.setdefault(key, {})[float(row["step"])] = float(row[key])
        for key, by_step in values.items():
            steps = np.array(sorted(by_step))
            losses = np.array([by_step[step] for step in steps])
            finite = np.isfinite(losses)
            curves.setdefault(key, []).append(Curve(run.name, steps[finite], losses[finite], int((~finite).sum())))
    return curves


def draw_curves(key: str, curves: Sequence[Curve]) -> Picture:
    """One loss of all runs that journal it, for light and dark pages."""
    names = ", ".join(curve.run for curve in curves)
    missing = "".join(
        f" {c.run}: steps left out since their loss was not a number: {c.missing}." for c in curves if c.missing
    )
    scale = " The vertical axis is logarithmic: equal distances are equal ratios." if spans_decades(curves) else ""
    ends = "; ".join(
        f"{c.run} from {c.values[0]:.3g} to {running_mean(c.values)[-1]:.3g} in {len(c.values)} entries"
        for c in curves
        if len(c.values)
    )
    return Picture(
        light=_draw(key, curves, LIGHT),
        dark=_draw(key, curves, DARK),
        alt=f"Line plot of {key} against training step for {names}. {ends}.",
        caption=(key,),
        reading="Each faint line is the loss at every journalled step, the strong line its running mean. Lower is "
        "better; a line that is still falling at the right end had not finished learning. Values of different kinds "
        f"of loss cannot be compared with one another.{scale}{missing}",
    )


def running_mean(values: np.ndarray) -> np.ndarray:
    """Centred mean over about a twenty-fifth of the values, over fewer towards the ends."""
    half = len(values) // 50
    total = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    first, last = np.maximum(index - half, 0), np.minimum(index + half + 1, len(values))
    return (total[last] - total[first]) / (last - first)


def spans_decades(curves: Sequence[Curve]) -> bool:
    """Whether the losses are all positive and differ more than a hundredfold, so that a logarithmic axis serves."""
    pooled = np.concatenate([curve.values for curve in curves])
    return bool(pooled.size and pooled.min() > 0 and pooled.max() > 100 * pooled.min())


def thin(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most about ``MOST_POINTS`` points: the lowest and the highest of each stretch, so that spikes stay."""
    if len(values) <= MOST_POINTS:
        return steps, values
    stretches = np.array_split(np.arange(len(values)), MOST_POINTS // 2)
    kept = sorted({int(s[pick(values[s])]) for s in stretches for pick in (np.argmin, np.argmax)})
    return steps[kept], values[kept]


def _loss_keys(row: Mapping[str, Any]) -> list[str]:
    def number(value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool)

    if not number(row.get("step")) or not math.isfinite(row["step"]):
        return []
    return [key for key, value in row.items() if key.startswith("loss") and number(value)]


def _draw(key: str, curves: Sequence[Curve], ink: Ink) -> str:
    figure = Figure(figsize=(4.6, 2.9), layout="constrained")
    axes = figure.add_subplot()
    dress(axes, ink)
    lines: list[Line2D] = []
    for index, curve in enumerate(curves):
        colour = series_colour(ink, index)
        axes.plot(*thin(curve.steps, curve.values), color=colour, alpha=0.28, linewidth=0.8)
        mark = "o" if len(curve.values) == 1 else ""
        smooth = thin(curve.steps, running_mean(curve.values))
        lines += axes.plot(*smooth, color=colour, linewidth=1.9, marker=mark)
    if spans_decades(curves):
        axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel(literal(key))
    axes.grid(axis="y", color=ink.faint, alpha=0.25, linewidth=0.6)
    if len(curves) > 1:
        legend = axes.legend(lines, ["run"] * len(lines), frameon=False, fontsize=9.5, labelcolor=ink.text)
        for text, curve in zip(legend.get_texts(), curves, strict=True):
            text.set_text(literal(curve.run))  # a label that starts with an underscore would be left out
    return svg_uri(figure)
