"""How an encoder fared on its probe set while it was trained: small curves, with what chance would give."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qontrast.report.curves import thin
from qontrast.report.paint import DARK, LIGHT, Ink, Picture, dress, literal, series_colour, svg_uri
from qontrast.results.health import Verdict, judge, probed

COLUMNS = 3
PANEL = (3.1, 2.6)  # inches


@dataclass(frozen=True)
class Panel:
    """One small drawing.

    Args:
        title: what it shows.
        lines: key of each measure and what it is called.
        guides: key of each level that does not change, and what it is called; drawn as dashes.
        bottom: value that the axis reaches down to at least.
    """

    title: str
    lines: Sequence[tuple[str, str]]
    guides: Sequence[tuple[str, str]] = ()
    bottom: float = 0.0


@dataclass(frozen=True)
class Health:
    """What the page says of a run's probe."""

    verdict: Verdict
    picture: Picture


PANELS = (
    Panel("Directions used (RankMe)", [("probe_rank", "effective rank")], bottom=1.0),
    Panel(
        "Squared distance on the sphere",
        [("probe_spread", "of anatomies"), ("probe_alignment", "of one's contrasts")],
    ),
    Panel("Uniformity", [("probe_uniformity", "uniformity")]),
    Panel(
        "Anatomy found in another contrast",
        [("probe_retrieval", "found")],
        [("probe_retrieval_chance", "chance")],
    ),
    Panel("Scanner read by a linear probe", [("probe_leak_sequence", "sequence"), ("probe_leak_echo_time", "ln TE")]),
)
VOXELS = "probe_correspondence_"
VOXEL_GUIDES = (("probe_correspondence_chance", "chance"), ("probe_correspondence_place", "by position alone"))


def draw_health(name: str, journal: Sequence[Mapping[str, Any]]) -> Health | None:
    """The verdict and the curves of a run that was probed; None where its journal has no such lines.

    Args:
        name: the run's.
        journal: its lines, of which those with ``probe_`` keys count.
    """
    rows = probed(journal)
    panels = [panel for panel in (*PANELS, _voxels(rows)) if _drawn(panel, rows)]
    if not rows or not panels:
        return None
    verdict = judge(rows)
    last = rows[-1]
    told = ", ".join(
        f"{panel.title}: {label} {last[key]:.3g}" for panel in panels for key, label in panel.lines if key in last
    )
    picture = Picture(
        light=_draw(panels, rows, LIGHT),
        dark=_draw(panels, rows, DARK),
        alt=f"Small line plots against training step for run {name}. At step {last['step']:g}: {told}.",
        reading="Measured on a fixed set of crops, each in several contrasts. Dashes are what chance (or, for voxels, "
        "position alone) gives. Good: many directions, anatomies far apart and one anatomy's contrasts close, most "
        "anatomies and voxels found; what a probe reads of the scanner should not grow.",
    )
    return Health(verdict, picture)


def _voxels(rows: Sequence[Mapping[str, float]]) -> Panel:
    """A line for each feature map, finest first."""
    keys = {key for row in rows for key in row if key.startswith(VOXELS) and key[len(VOXELS) :].isdigit()}
    strides = sorted(int(key[len(VOXELS) :]) for key in keys)
    return Panel("Voxel found in another contrast", [(f"{VOXELS}{s}", f"stride {s}") for s in strides], VOXEL_GUIDES)


def _drawn(panel: Panel, rows: Sequence[Mapping[str, float]]) -> bool:
    return any(key in row for row in rows for key, _ in panel.lines)


def _draw(panels: Sequence[Panel], rows: Sequence[Mapping[str, float]], ink: Ink) -> str:
    down = math.ceil(len(panels) / COLUMNS)
    across = min(COLUMNS, len(panels))
    figure = Figure(figsize=(across * PANEL[0], down * PANEL[1]), layout="constrained")
    for index, panel in enumerate(panels):
        axes = figure.add_subplot(down, across, index + 1)
        dress(axes, ink)
        _fill(axes, panel, rows, ink)
    return svg_uri(figure)


def _fill(axes: Axes, panel: Panel, rows: Sequence[Mapping[str, float]], ink: Ink) -> None:
    for index, (key, label) in enumerate(panel.lines):
        steps, values = _series(key, rows)
        mark = "o" if len(steps) == 1 else ""
        axes.plot(*thin(steps, values), color=series_colour(ink, index), linewidth=1.7, marker=mark, label=label)
    for index, (key, label) in enumerate(panel.guides):
        _, values = _series(key, rows)
        if len(values):
            dashes = (0, (4, 3) if index == 0 else (1, 2))
            axes.axhline(values[-1], color=ink.text, linewidth=1.0, linestyle=dashes, alpha=0.7, label=label)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, panel.bottom), max(high, panel.bottom))
    axes.set_title(literal(panel.title), color=ink.text, size=10, loc="left")
    axes.set_xlabel("step")
    axes.grid(axis="y", color=ink.faint, alpha=0.25, linewidth=0.6)
    if len(panel.lines) + len(panel.guides) > 1:
        place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.24), "ncols": 2, "columnspacing": 1.2}
        axes.legend(frameon=False, fontsize=8, labelcolor=ink.text, handlelength=1.6, **place)


def _series(key: str, rows: Sequence[Mapping[str, float]]) -> tuple[np.ndarray, np.ndarray]:
    found = [(row["step"], row[key]) for row in rows if key in row]
    return np.array([step for step, _ in found]), np.array([value for _, value in found])
