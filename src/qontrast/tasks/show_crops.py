"""Training crops as a picture: the very ones that a fine-tuning sees at a step, with the truth and what was drawn."""

from dataclasses import replace
from pathlib import Path

import torch
from matplotlib.figure import Figure

from qontrast.geometry.warp import Warp
from qontrast.report.crop_sheet import CropRow, label_sheet, noise_sheet
from qontrast.tasks.assignments import ASSIGNMENTS, Assignment
from qontrast.tasks.plans import FinetunePlan
from qontrast.tasks.show import check_asked, cohort_name, step_of, write_sheet
from qontrast.tasks.speaking import say
from qontrast.views.denoising import Noisy
from qontrast.views.labelled import Crop, CropMaker
from qontrast.views.loader import Examples


def show_crops(plan: FinetunePlan, out: Path, *, crops: int = 4, step: int = 0, quiet: bool = False) -> Path:
    """Draw the crops of a fine-tuning's plan. All of its heads are opened, as training does.

    Args:
        plan: of the fine-tuning.
        out: picture to write; its ending says the kind, .png, .pdf or .svg.
        crops: how many; those that do not fit into a batch are the first of the steps after it.
        step: of the training; where gradients are accumulated, each batch counts as one.
        quiet: print nothing.

    Returns:
        The picture's file.

    Raises:
        InputError: for another ending, a number of crops or a step that cannot be, or data that cannot be used.
        WriteError: if the picture cannot be written.
    """
    check_asked(out, crops, step)
    each, batches = plan.optimisation.accumulate, plan.optimisation.steps * plan.optimisation.accumulate
    if step >= batches:
        of_each = f" of {each} batches" if each > 1 else ""
        say(f"note: the plan ends after {plan.optimisation.steps} steps{of_each}", quiet=quiet)
    assignment = ASSIGNMENTS[plan.task](plan, quiet=quiet)
    return write_sheet(draw_crops(plan, assignment, crops, step), out, "crops", quiet=quiet)


def draw_crops(plan: FinetunePlan, assignment: Assignment, crops: int, step: int) -> Figure:
    """The sheet of the crops of ``crops`` slots from a step's first on, as training makes them."""
    maker, title = assignment.make, title_of_crops(plan, step)

    def make(which: int, step: int, turn: int) -> dict[str, CropRow]:
        place = f"{maker.cases[which].name} · {step_of(step, turn)}"
        if isinstance(maker, CropMaker):
            return {"row": _labelled(maker.crop(which, step, turn), place)}
        return {"row": _noisy(maker.noisy(which, step, turn), place)}

    examples = Examples(make, len(assignment.subjects), plan.batch, plan.seed)
    wanted = range(step * plan.batch, step * plan.batch + crops)
    found: list[CropRow] = [examples[index]["row"] for index in wanted]
    rows = [replace(row, heading=f"{n} · {row.heading}") for n, row in enumerate(found, start=1)]
    return label_sheet(title, rows, assignment.outputs) if isinstance(maker, CropMaker) else noise_sheet(title, rows)


def title_of_crops(plan: FinetunePlan, step: int) -> str:
    """Cohort, task, crop and spacing, seed, step."""
    size = f"crops of {plan.views.crop}³ at {plan.views.spacing:g} mm"
    return f"{cohort_name(plan.cohort)} · {plan.task} · {size} · seed {plan.seed} · step {step}"


def _labelled(crop: Crop, heading: str) -> CropRow:
    truth = crop.truth if crop.truth.dim() == 3 else crop.truth.argmax(dim=0)  # of shares the largest
    note = f"{float((truth > 0).float().mean()):.0%} of the crop is labelled"
    image = crop.image[0, 0].numpy()
    return CropRow(heading, image, truth.numpy(), crop.describe(), _mirrored(crop.warp), note)


def _noisy(noisy: Noisy, heading: str) -> CropRow:
    image, clean = (values[0, 0].numpy() for values in (noisy.image, noisy.clean()))
    return CropRow(heading, image, clean, noisy.describe(), _mirrored(noisy.warp))


def _mirrored(warp: Warp | None) -> bool:
    return warp is not None and bool(torch.linalg.det(warp.matrix) < 0)
