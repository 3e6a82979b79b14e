"""The report of a contrast sweep: one HTML file that needs nothing else, in the look of the runs' report."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qontrast.basics.atomic import write_atomic
from qontrast.report.paint import Picture
from qontrast.report.render import made_with, render
from qontrast.report.sweep_figures import Metric, PlaneView, Strip, plane_picture, strip_picture
from qontrast.report.tables import Table


@dataclass(frozen=True)
class SweepPage:
    """What the page shows.

    Args:
        title: its heading.
        sentence: the whole in plain words.
        notes: how the sweep was made.
        metric: what the colours say.
        planes: one per sequence and field.
        strips: the same as rows of dots.
        reference: score at the reference protocol.
        tables: named protocols, volumes, what was left out.
        brains: pictures of the best and the worst protocol.
        brains_reading: how to read them.
        legend: colour and name of each class.
        plan: YAML.
        limits: what a sweep cannot say.
    """

    title: str
    sentence: str
    notes: Sequence[str]
    metric: Metric
    planes: Sequence[PlaneView]
    strips: Sequence[Strip]
    reference: float | None
    tables: Sequence[Table]
    brains: Sequence[Picture]
    brains_reading: str
    legend: Sequence[tuple[str, str]]
    plan: str
    limits: Sequence[str]


def write_sweep_report(out: Path, page: SweepPage) -> Path:
    """Write the page.

    Raises:
        WriteError: if it cannot be written.
    """
    text = render(
        "sweep.html",
        title=page.title,
        made=made_with(),
        notes=(),
        page=page,
        strip=strip_picture(page.strips, page.metric, page.reference),
        planes=[plane_picture(view, page.metric) for view in page.planes],
    )
    write_atomic(out, text)
    return out
