"""The sweep: every head in every protocol to the model, row by row into a ledger, then figures and a report."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from qontrast.anatomy.subject import Subject
from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import InputError, MissingMapError, PlanError
from qontrast.engine.memory import keep_memory
from qontrast.physics.sequence import Sequence
from qontrast.sweeps.heads import Head, at_reference, choose_heads, image_of, in_terms_of, label_names, own_truth
from qontrast.sweeps.model import Model, Unusable
from qontrast.sweeps.models import open_model
from qontrast.sweeps.plan import SweepPlan
from qontrast.sweeps.points import Point, grid_points, leave_out, named_points, reference_point
from qontrast.sweeps.rows import LEDGER, Row, Setting, SweepLedger, embedded_row, failed_row, scored_row
from qontrast.sweeps.scores import overlaps
from qontrast.sweeps.summary import Sweep, summarise
from qontrast.sweeps.writing import REPORT, write_results
from qontrast.tasks.plan_file import plan_text
from qontrast.tasks.speaking import say, track
from qontrast.views.contrast import describe

PLAN = "plan.yaml"


def sweep(
    plan: SweepPlan | None = None,
    out: str | Path = "sweep",
    *,
    model: str | Path | Callable[..., Any] | None = None,
    quiet: bool = False,
) -> Sweep:
    """Show a model one brain in a grid of protocols, and say where it can be trusted.

    What the folder's ledger already holds for this model, head and protocol is not computed again: a sweep that was
    killed goes on, and one with more points computes those alone.

    Args:
        plan: which heads and protocols; None for the defaults.
        out: folder for the ledger, the points as CSV, figures and the report.
        model: a callable ``function(volume, affine)``, or instead of the plan's what :func:`open_model` takes.
        quiet: print nothing.

    Returns:
        Every protocol with its scores, and what they say.

    Raises:
        InputError: for a model, maps or a plan that cannot be used, or an answer to the reference that cannot be
            scored. Later answers of that kind are counted, and shown as failed.
        WriteError: if a file cannot be written; the rows before it are kept.
    """
    plan, out = plan or SweepPlan(), Path(out)
    given = plan.model if model is None else model
    if given is None:
        raise PlanError("model", "none", "a run's folder, weights, an ONNX file or package.module:function", "--model")
    keep_memory()
    network = open_model(given, plan.form, plan.device)
    plan = replace(plan, model=network.name if callable(given) else str(given))
    sources = choose_heads(plan, quiet=quiet)
    subjects = [source.open_tissue() for source in sources]
    own = own_truth(plan, subjects)
    points, left = points_of(plan, subjects, quiet=quiet)
    reference = reference_point(plan)
    assert reference.protocol is not None
    _check_reference(reference, subjects)
    ledger = SweepLedger(out / LEDGER)
    write_atomic(out / PLAN, plan_text(plan))
    todo = [reference, *(point for point in points if point.protocol is not None)]
    rows: dict[str, list[Row]] = {}
    shown: Head | None = None
    for source, subject in zip(sources, subjects, strict=True):
        head = at_reference(network, subject, source, reference.protocol, plan, own=own)
        shown = shown or head
        setting = Setting(
            network.digest, network.spacing, head.classes, own and head.truth is not None, plan.snr, plan.noise,
            plan.seed, reference.protocol,
        )  # fmt: skip
        rows[subject.name] = _rows(network, head, todo, setting, plan, ledger, quiet=quiet)
    assert shown is not None
    result = summarise(plan, network.name, reference, points, rows, shown.classes, left, own_truth=own)
    write_results(out, plan, result, network, shown)
    say(result.sentence, quiet=quiet)
    say(f"{out / REPORT}", quiet=quiet)
    return result


def points_of(plan: SweepPlan, subjects: list[Subject], *, quiet: bool = False) -> tuple[list[Point], dict[str, str]]:
    """All protocols of a plan that the heads' maps suffice for, and why other sequences are left out.

    Raises:
        MissingMapError: if the maps suffice for none.
        PlanError: if no scanner could run any point of the grid.
    """
    planes = plan.swept()
    grid, left = leave_out(grid_points(plan, planes), subjects)
    for name, why in left.items():
        say(f"{name} is left out: {why}", quiet=quiet)
    if not grid:
        able = sorted(set.intersection(*(set(s.sequences) for s in subjects)))
        why = "; ".join(left.values())
        raise MissingMapError("maps", why, "the maps of one swept sequence", f"Possible: {', '.join(able) or 'none'}.")
    if not any(point.protocol is not None for point in grid):
        raise PlanError("planes", f"no protocol that a scanner could run ({grid[0].note})", "one at least")
    kept = [plane for plane in planes if any(point.sequence == plane.sequence for point in grid)]
    named, without = leave_out(named_points(plan, kept), subjects)
    for name in set(without) - set(left):
        say(f"named protocols of {name} are left out: {without[name]}", quiet=quiet)
    return grid + named, left


def _check_reference(reference: Point, subjects: list[Subject]) -> None:
    _, left = leave_out([reference], subjects)
    for why in left.values():
        raise InputError("reference", f"{reference.name}, and {why}", "one that the maps suffice for", "--reference")


def _rows(
    network: Model,
    head: Head,
    todo: list[Point],
    setting: Setting,
    plan: SweepPlan,
    ledger: SweepLedger,
    *,
    quiet: bool,
) -> list[Row]:
    """The rows of one head, in the order of the points; those that the ledger lacks are computed."""
    protocols = [point.protocol for point in todo if point.protocol is not None]
    keys = [setting.key(head.digest, protocol) for protocol in protocols]
    missing = {k: (p, s) for k, p, s in zip(keys, todo, protocols, strict=True) if k not in ledger.rows}
    for key, (point, protocol) in track(list(missing.items()), f"sweeping {head.scene.name}", quiet=quiet):
        about = {
            "key": key,
            "head": head.scene.name,
            "sequence": point.sequence,
            "field": point.field_strength,
            "protocol": describe(protocol),
            "model": network.name,
        }
        ledger.add(_score(network, head, protocol, setting, plan, about))
    return [ledger.rows[key] for key in keys]


def _score(network: Model, head: Head, protocol: Sequence, setting: Setting, plan: SweepPlan, about: Row) -> Row:
    scene = head.scene
    try:
        answer = network.answer(image_of(scene, protocol, plan, setting.reference), scene.grid)
        if (answer.ndim == 1) != (head.truth is None):
            raise Unusable(network.name, f"an answer of shape {answer.shape}", "the kind that the reference gave")
        if head.truth is None:
            return embedded_row(about, answer)
        predicted = in_terms_of(answer, label_names(network, answer), head.classes)
    except InputError as error:
        return failed_row(about, str(error))
    voxel = float(np.prod(scene.grid.spacing)) / 1000
    dice, volume = overlaps(predicted, head.truth, head.classes, voxel)
    _, truth = overlaps(head.truth, head.truth, head.classes, voxel)
    return scored_row(about, dice, volume, truth)
