"""The report of a study: one HTML file that needs nothing else, to be read anywhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import InputError
from qontrast.report.dots import draw_dots
from qontrast.report.paint import Picture, overlay_colour
from qontrast.report.render import made_with, render
from qontrast.report.runs import read_segmentations
from qontrast.report.slices import draw_segmentations
from qontrast.report.study_curves import draw_low_data
from qontrast.report.study_tables import (
    Layout,
    comparison_table,
    counts_empty,
    empty_table,
    layout,
    site_lanes,
    tier_table,
)
from qontrast.report.tables import Table
from qontrast.results.ledger import read_rows
from qontrast.results.score_catalogue import METRICS
from qontrast.results.study_rows import UNKNOWN_FRACTION, metrics_of, study_rows, tasks_of
from qontrast.results.study_table import EVERYWHERE, Place, StudyTable, study_table
from qontrast.results.table import group_rows

MOST_PICTURES = 24
MOST_PLACES = 24
Row = Mapping[str, Any]


@dataclass(frozen=True)
class MetricSection:
    """What the page shows of one task in one metric.

    Args:
        name: of the metric.
        reading: what the metric is.
        layout: the table by site, contrast, fraction and arm.
        tiers: of the arms over all sites and contrasts.
        curves: low-data curves over all sites and contrasts.
        places: the same for each site and contrast.
        strips: dots of subjects by site and arm, one figure per fraction.
        overall: comparisons over all sites and contrasts.
        inside: comparisons inside of each site and contrast.
    """

    name: str
    reading: str
    layout: Layout
    tiers: Table | None
    curves: Sequence[Picture]
    places: Sequence[Picture]
    strips: Sequence[Picture]
    overall: Table | None
    inside: Table | None


@dataclass(frozen=True)
class TaskSection:
    """What the page shows of one task: its id in the page, its metrics, its empty predictions."""

    anchor: str
    name: str
    metrics: Sequence[MetricSection]
    empty: Table | None


@dataclass(frozen=True)
class Cases:
    """Pictures of one file: its name, the colours of its classes, the pictures, and how many more it holds."""

    name: str
    legend: Sequence[tuple[str, str]]
    pictures: Sequence[Picture]
    hidden: int


def write_study_report(
    out: Path,
    *,
    title: str,
    ledger: Path,
    pictures: Path | None = None,
    notes: Sequence[str] = (),
    arms: Sequence[str] = (),
) -> Path:
    """Write one self-contained HTML page about a study.

    Args:
        out: the file to write; folders are made as needed.
        title: heading of the page.
        ledger: file of scores; see :func:`qontrast.results.study_rows.study_rows` for its keys.
        pictures: folder of ``.npz`` files like the ``segmentations.npz`` that evaluate writes, with the cases to show;
            shown by name, in their order.
        notes: paragraphs that say what the page shows.
        arms: their order; those not named follow by name.

    Returns:
        ``out``.

    Raises:
        InputError: if the ledger or a picture file is missing or garbled, or the rows are at odds.
        WriteError: if the page cannot be written.
    """
    rows = study_rows(read_rows(Path(ledger)))
    cases = None if pictures is None else worst_cases(Path(pictures))
    sections = [task_section(n, task, rows, arms) for n, task in enumerate(tasks_of(rows), 1)]
    page = render(
        "study.html",
        title=title,
        notes=list(notes),
        made=made_with() | {"Scores": f"{len(rows)}, of {len({row['subject'] for row in rows})} subjects"},
        tasks=sections,
        cases=cases,
    )
    write_atomic(Path(out), page)
    return Path(out)


def task_section(number: int, task: str, rows: Sequence[Row], arms: Sequence[str] = ()) -> TaskSection:
    """Tables and figures of one task; ``number`` makes its anchor."""
    of_task = [row for row in rows if row["task"] == task]
    tables = [study_table(of_task, metric, task=task, arms=arms) for metric in metrics_of(of_task)]
    return TaskSection(
        anchor=f"task-{number}",
        name=task,
        metrics=[metric_section(of_task, table, main=table is tables[0]) for table in tables],
        empty=empty_table(of_task, tables[0].arms) if any(counts_empty(table) for table in tables) else None,
    )


def metric_section(rows: Sequence[Row], table: StudyTable, *, main: bool = True) -> MetricSection:
    """Tables and figures of one metric; figures of single sites are left to the task's ``main`` metric."""
    metric = METRICS[table.metric]
    title = f"{metric.name}: arms compared"
    several = EVERYWHERE in table.places
    places = [place for place in table.places if place != EVERYWHERE][:MOST_PLACES] if main and several else []
    by_fraction = {str(fraction): found for (fraction,), found in group_rows(rows, ("fraction",)).items()}
    strips = [
        draw_dots(
            *(metric.name, metric.better, site_lanes(by_fraction[fraction], table.metric, table.arms)),
            group="site",
            where="" if fraction == UNKNOWN_FRACTION else f"trained with {fraction}",
        )
        for fraction in (table.fractions if main else ())
    ]
    return MetricSection(
        name=metric.name,
        reading=metric.reading,
        layout=layout(table),
        tiers=tier_table(table.across, table.fractions),
        curves=_drawn(table, table.places[-1:]),
        places=_drawn(table, places),
        strips=strips,
        overall=comparison_table(table.across, table.fractions, f"{title} over all sites and contrasts"),
        inside=comparison_table(table.inside, table.fractions, f"{title} inside of each place") if several else None,
    )


def _drawn(table: StudyTable, places: Sequence[Place]) -> list[Picture]:
    return [picture for place in places if (picture := draw_low_data(table, place))]


def worst_cases(folder: Path) -> list[Cases]:
    """The pictures of all files of a folder, at most 24 in all.

    Raises:
        InputError: if there is no such folder, or one of its files is garbled.
    """
    if not folder.is_dir():
        raise InputError(folder, "no such folder", "a folder of .npz files", "Leave pictures out, or name the folder.")
    cases, left = [], MOST_PICTURES
    for path in sorted(folder.glob("*.npz")):
        found = read_segmentations(path)
        drawn = draw_segmentations(path.stem, found, most=left)
        left -= len(drawn)
        legend = [(overlay_colour(label), name) for label, name in enumerate(found.classes) if label > 0]
        cases.append(Cases(path.stem, legend, drawn, len(found.image) - len(drawn)))
    return cases
