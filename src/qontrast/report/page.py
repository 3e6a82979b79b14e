"""The report: one HTML file that needs nothing else, to be read anywhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import InputError
from qontrast.report.curves import draw_curves, loss_curves
from qontrast.report.dots import draw_dots
from qontrast.report.health import Health, draw_health
from qontrast.report.paint import Picture, overlay_colour
from qontrast.report.render import made_with, render
from qontrast.report.runs import Run, read_runs
from qontrast.report.slices import draw_pairs, draw_segmentations
from qontrast.report.tables import METRICS, Table, paired_table, read_scores, score_lanes, score_table


@dataclass(frozen=True)
class RunSection:
    """What the page shows of one run.

    Args:
        anchor: its id in the page.
        run: what its folder held.
        health: what its probe said; None where it was not probed.
        pairs: pictures of its view pairs.
        segmentations: pictures of its segmentations.
        legend: colour and name of each class.
    """

    anchor: str
    run: Run
    health: Health | None
    pairs: Sequence[Picture]
    segmentations: Sequence[Picture]
    legend: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Scores:
    """What the page shows of the ledger."""

    table: Table
    dots: Sequence[Picture]
    differences: Table | None
    classes: Table


def write_report(
    out: Path, *, title: str, runs: Sequence[Path], ledger: Path | None = None, notes: Sequence[str] = ()
) -> Path:
    """Write one self-contained HTML page about runs and their scores.

    Of each run folder it shows what is there: ``plan.yaml``; ``journal.jsonl`` (JSON lines: ``step`` and keys that
    start with ``loss`` or ``probe_``); ``pairs.npz`` (``views [pairs, 2, x, y, z]``, ``captions [pairs, 2]``);
    ``segmentations.npz`` (``image``, ``truth``, ``prediction``, each ``[n, horizontal, vertical up]``, ``caption [n]``,
    ``classes [k]``).

    Args:
        out: the file to write; folders are made as needed.
        title: heading of the page.
        runs: run folders.
        ledger: file of scores (see :mod:`qontrast.results.ledger`).
        notes: paragraphs that say what the page shows.

    Returns:
        ``out``.

    Raises:
        InputError: if there is nothing to report, or a folder or file is missing or garbled.
        WriteError: if the page cannot be written.
    """
    if not runs and ledger is None:
        raise InputError(
            "report", "neither a run nor a ledger", "at least one of them", "Name a run folder or a ledger."
        )
    found = read_runs([Path(run) for run in runs])
    out = Path(out)
    write_atomic(
        out,
        render(
            "page.html",
            title=title,
            notes=list(notes),
            made=made_with(),
            curves=[draw_curves(key, curves) for key, curves in loss_curves(found).items()],
            silent=[run.name for run in found if run.journal is not None and not loss_curves([run])],
            sections=[section(index, run) for index, run in enumerate(found, 1)],
            scores=None if ledger is None else score_section(Path(ledger)),
        ),
    )
    return out


def section(index: int, run: Run) -> RunSection:
    """Draw what one run folder holds; ``index`` makes its anchor."""
    named = enumerate(run.segmentations.classes) if run.segmentations else ()
    return RunSection(
        anchor=f"run-{index}",
        run=run,
        health=draw_health(run.name, run.journal) if run.journal else None,
        pairs=draw_pairs(run.name, run.pairs) if run.pairs else (),
        segmentations=draw_segmentations(run.name, run.segmentations) if run.segmentations else (),
        legend=[(overlay_colour(label), name) for label, name in named if label > 0],
    )


def score_section(ledger: Path) -> Scores:
    """Tables and dots of a ledger.

    Raises:
        InputError: if the ledger is missing, garbled or empty.
    """
    rows = read_scores(ledger)
    return Scores(
        table=score_table(rows),
        dots=[
            draw_dots(f"{name}, {better} is better", better, score_lanes(rows, metric))
            for metric, (name, better, _) in METRICS.items()
        ],
        differences=paired_table(rows),
        classes=score_table(rows, per_class=True),
    )
