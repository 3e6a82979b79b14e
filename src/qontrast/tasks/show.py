"""View pairs as a picture: the very ones that pretraining sees at a step, with what was drawn for each view."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from qontrast.anatomy.source import EMBEDDED
from qontrast.anatomy.subject import Head
from qontrast.basics.atomic import publish
from qontrast.basics.errors import InputError
from qontrast.report.pair_sheet import SQUARES, PairRow, pair_sheet
from qontrast.report.sheet import ENDINGS, write_figure
from qontrast.tasks.plans import Cohort, PretrainPlan
from qontrast.tasks.speaking import say
from qontrast.tasks.subjects import open_subjects, shares_of, sources_of
from qontrast.views.loader import Examples
from qontrast.views.pair import ViewPair, make_pair

MOST = 40
"""Pairs or crops on one sheet: more would be taller than a picture may be."""


@dataclass(frozen=True)
class ShownPair:
    """A pair and the place in training that it belongs to."""

    pair: ViewPair
    step: int
    turn: int


def show(plan: PretrainPlan, out: Path, *, pairs: int = 4, step: int = 0, quiet: bool = False) -> Path:
    """Draw view pairs of a plan.

    Args:
        plan: of the pretraining.
        out: picture to write; its ending says the kind, .png, .pdf or .svg.
        pairs: how many; those that do not fit into a batch are the first of the steps after it.
        step: of the training.
        quiet: print nothing.

    Returns:
        The picture's file.

    Raises:
        InputError: for another ending, a number of pairs or a step that cannot be, or data that cannot be used.
        WriteError: if the picture cannot be written.
    """
    check_asked(out, pairs, step)
    if step >= plan.optimisation.steps:
        say(f"note: the plan ends after {plan.optimisation.steps} steps", quiet=quiet)
    shown = shown_pairs(plan, pairs, step, quiet=quiet)
    figure = pair_sheet(title_of(plan, step), [_row(found, plan, n + 1) for n, found in enumerate(shown)])
    return write_sheet(figure, out, "pairs", quiet=quiet)


def shown_pairs(plan: PretrainPlan, pairs: int, step: int, *, quiet: bool = False) -> list[ShownPair]:
    """The pairs of ``pairs`` slots from a step's first on, as training makes them; only their subjects are opened.

    Raises:
        InputError: for data that cannot be used.
    """
    cohorts = [plan.cohort, *plan.others]
    found = [sources_of(cohort) for cohort in cohorts]
    sources = [source for cohort in found for source in cohort]
    subjects: dict[int, Head] = {}

    def make(which: int, step: int, turn: int) -> dict[str, ShownPair]:
        return {"shown": ShownPair(make_pair(subjects[which], plan.views, plan.seed, step, turn), step, turn)}

    examples = Examples(make, len(sources), plan.batch, plan.seed, shares_of(cohorts, found))
    indices = range(step * plan.batch, step * plan.batch + pairs)
    wanted = list(dict.fromkeys(examples.subject(*divmod(index, plan.batch)) for index in indices))
    opened = open_subjects([sources[which] for which in wanted], quiet=quiet)
    subjects.update(zip(wanted, opened, strict=True))
    return [examples[index]["shown"] for index in indices]


def title_of(plan: PretrainPlan, step: int) -> str:
    """Cohort, arm, crop and spacing, seed, step."""
    views, cohorts = plan.views, " + ".join(map(cohort_name, (plan.cohort, *plan.others)))
    size = f"crops of {views.crop}³ at {views.spacing:g} mm"
    return f"{cohorts} · arm {views.arm} · {size} · seed {plan.seed} · step {step}"


def cohort_name(cohort: Cohort) -> str:
    """Its folder or file by name, or the embedded heads; and how many of them, where the plan says so."""
    embedded = cohort.data == EMBEDDED
    name = "embedded heads" if embedded else Path(cohort.data).resolve().name
    count = len(cohort.subjects) or (cohort.embedded if embedded else 0)
    return f"{name} ({count})" if count else name


def places_of(pair: ViewPair) -> np.ndarray | None:
    """Which voxel of view b (flat) is the tissue of each one of a's axial mid-slice, ``[x, y]``, -1 for none.

    None where both views lie alike.
    """
    one, other = pair.a.warp, pair.b.warp
    if one is other:
        return None
    middle = one.shape[2] // 2
    here = one.coordinates()[:, :, middle : middle + 1]
    there = other.inverse(here)[:, :, 0].round().long().numpy()
    inside = ((there >= 0) & (there < other.shape)).all(axis=-1)
    flat = np.ravel_multi_index(tuple(np.moveaxis(there, -1, 0)), other.shape, mode="clip")
    return np.where(inside, flat, -1)


def _row(shown: ShownPair, plan: PretrainPlan, number: int) -> PairRow:
    pair, views = shown.pair, (shown.pair.a, shown.pair.b)
    places = places_of(pair)
    squares = f"squares of {round(plan.views.crop / SQUARES) * plan.views.spacing:.3g} mm"
    return PairRow(
        heading=f"{number} · {pair.subject} · {step_of(shown.step, shown.turn)}",
        views=np.stack([view.image[0, 0].numpy() for view in views]),
        captions=(pair.a.describe(), pair.b.describe()),
        mirrored=(bool(torch.linalg.det(pair.a.warp.matrix) < 0), bool(torch.linalg.det(pair.b.warp.matrix) < 0)),
        note=f"{squares}; one warp for both" if places is None else f"{squares}; B's tissue brought to where A has it",
        places=places,
    )


def write_sheet(figure: Figure, out: Path, what: str, *, quiet: bool) -> Path:
    """Write a sheet, whole or not at all, and say where it is.

    Raises:
        WriteError: if it cannot be written.
    """
    publish(out, lambda part: write_figure(figure, part))
    say(f"{what}: {out}", quiet=quiet)
    return out


def step_of(step: int, turn: int) -> str:
    """Where in training an example belongs."""
    return f"step {step}, turn {turn + 1}" if turn else f"step {step}"


def check_asked(out: Path, count: int, step: int) -> None:
    """Refuse what cannot be drawn, before anything is opened.

    Raises:
        InputError: naming the picture's ending, the number of rows or the step.
    """
    if out.suffix.lower() not in ENDINGS:
        found = f"the ending {out.suffix!r}" if out.suffix else "no ending"
        raise InputError(out, found, ", ".join(ENDINGS), f"For instance --out {out.parent / (out.stem or 'pairs')}.png")
    if not 1 <= count <= MOST:
        raise InputError("--pairs", f"{count}", f"1 to {MOST}", "Others are shown with another --step.")
    if step < 0:
        raise InputError("--step", f"{step}", "0 or more", "Steps are counted from 0.")
