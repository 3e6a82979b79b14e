"""A sweep as files: the points as CSV, the report, and its figures as PNG or PDF where they are asked for."""

import csv
import io
from pathlib import Path
from typing import Any

from qontrast.basics.atomic import publish, write_atomic
from qontrast.report.paint import overlay_colour
from qontrast.report.sheet import write_figure
from qontrast.report.sweep import SweepPage, write_sweep_report
from qontrast.report.sweep_figures import plane_figure, strip_figure
from qontrast.sweeps.heads import Head
from qontrast.sweeps.model import Model
from qontrast.sweeps.plan import SweepPlan
from qontrast.sweeps.planes import SYMBOLS, number_of, parameters_of
from qontrast.sweeps.shown import brains
from qontrast.sweeps.summary import Outcome, Sweep
from qontrast.sweeps.tables import tables_of
from qontrast.sweeps.views import metric_of, plane_views, strips_of
from qontrast.tasks.plan_file import plan_text

REPORT, POINTS, FIGURES = "report.html", "points.csv", "figures"
LIMITS = (
    "The images are simulated: signal, noise and the transmit field, of tissue without lesions. Motion, distortions, "
    "slices of unlike thickness, the maker's filters and unusual anatomy are not in them, so a real scan can be worse "
    "than its point here. A network that fails here will hardly do better on a scanner.",
    "All points share voxel size, head and noise; only the contrast differs. What a coarser or noisier scan does to "
    "the network is another question (--snr, or qontrast simulate --realistic).",
    "With one head the scores say how this head fares. How heads differ takes several of them (--heads).",
    "Between two points of the grid nothing was measured: the colour is that of the nearest one.",
)


def write_results(out: Path, plan: SweepPlan, sweep: Sweep, network: Model, head: Head) -> None:
    """Write all files of a finished sweep.

    Args:
        out: folder.
        plan: of the sweep.
        sweep: what was found.
        network: the model, for the pictures.
        head: the first head, for the pictures.

    Raises:
        WriteError: if the disk is full or the folder cannot be written.
    """
    write_atomic(out / POINTS, points_csv(sweep))
    metric, planes, strips = metric_of(sweep), plane_views(sweep), strips_of(sweep)
    pictures, reading = brains(plan, sweep, network, head)
    page = SweepPage(
        title=f"Contrast sweep of {sweep.model}",
        sentence=sweep.sentence,
        notes=_notes(plan, sweep, network),
        metric=metric,
        planes=planes,
        strips=strips,
        reference=sweep.reference.value,
        tables=tables_of(sweep),
        brains=pictures,
        brains_reading=reading,
        legend=[(overlay_colour(n), name) for n, name in enumerate(sweep.classes, 1)],
        plan=plan_text(plan),
        limits=LIMITS,
    )
    write_sweep_report(out / REPORT, page)
    for kind in plan.figures:
        for view in planes:
            name = view.title.lower().replace(", ", "_").replace(" ", "")
            _publish(out / FIGURES / f"{name}.{kind}", plane_figure(view, metric))
        _publish(out / FIGURES / f"summary.{kind}", strip_figure(strips, metric, sweep.reference.value))


def points_csv(sweep: Sweep) -> str:
    """Every protocol as a line: the reference, the grid with its impossible points, the named ones."""
    stream = io.StringIO()
    head = ["sequence", "field_T", *(f"{name}_{_unit(name)}" for name in SYMBOLS), "name", "state", "useless", "note"]
    segmenter = sweep.kind == "segmenter"
    scores = ["dice_mean"] if segmenter else ["drift", "drift_relative", "retrieval"]
    scores += [f"{kind}_{name}" for kind in ("dice", "volume_ratio") for name in sweep.classes]
    writer = csv.DictWriter(stream, [*head, *scores], lineterminator="\n")
    writer.writeheader()
    for outcome in (sweep.reference, *sweep.grid, *sweep.named):
        writer.writerow(_line(outcome, segmenter))
    return stream.getvalue()


def _line(outcome: Outcome, segmenter: bool) -> dict[str, Any]:
    point = outcome.point
    line: dict[str, Any] = {"sequence": point.sequence, "field_T": point.field_strength, "name": point.name}
    line |= {"state": outcome.state, "useless": point.useless, "note": outcome.note}
    if point.protocol is not None:
        numbers = {name: number_of(point.protocol, name) for name in parameters_of(point.sequence)}
    else:
        assert point.plane is not None
        numbers = {point.plane.x.parameter: point.x, point.plane.y.parameter: point.y}
    line |= {f"{name}_{_unit(name)}": f"{value:.6g}" for name, value in numbers.items()}
    measured: dict[str, float | None] = {"dice_mean" if segmenter else "drift": outcome.value}
    if not segmenter:
        measured |= {"drift_relative": outcome.relative, "retrieval": outcome.retrieval}
    measured |= {f"dice_{k}": v for k, v in outcome.dice.items()}
    measured |= {f"volume_ratio_{k}": v for k, v in outcome.volume.items()}
    return line | {k: "" if v is None else f"{v:.6g}" for k, v in measured.items()}


def _unit(parameter: str) -> str:
    return "deg" if "flip" in parameter else "s"


def _publish(path: Path, figure: Any) -> None:
    publish(path, lambda part: write_figure(figure, part))


def _notes(plan: SweepPlan, sweep: Sweep, network: Model) -> list[str]:
    heads = ", ".join(sweep.heads)
    noise = "no noise" if plan.snr is None else f"noise at an SNR of {plan.snr:g}, the same realisation in all"
    if plan.snr is not None and plan.noise == "same_noise":
        noise += " and of the same strength as at the reference"
    possible = sum(o.point.protocol is not None for o in sweep.grid)
    said = [
        f"{heads} was shown to {sweep.model} in {possible} protocols of the grid and {len(sweep.named)} named ones, "
        f"in voxels of {network.spacing:g} mm, with {noise}."
    ]
    if sweep.kind == "segmenter":
        truth = (
            f"There is no label map, or it was set aside: the truth is the model's own segmentation at the reference "
            f"protocol ({sweep.reference.label}). Dice then says how much the answer changes, not whether it is right."
            if sweep.own_truth
            else "The truth is the label map that the scans were simulated from."
        )
        said.append(f"{truth} Dice is the mean over {', '.join(sweep.classes)}.")
    else:
        said.append(
            f"Drift is 1 minus the cosine of the angle between the embedding and that of the same head at the "
            f"reference protocol ({sweep.reference.label})."
        )
    said += [f"{name} was left out: {why}." for name, why in sweep.left_out.items()]
    return said
