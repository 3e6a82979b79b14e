"""Training crops as a picture: the very ones that a fine-tuning sees at a step, with the truth and what was drawn."""

from pathlib import Path

import torch
from matplotlib.figure import Figure

from qontrast.geometry.warp import Warp
from qontrast.report.crop_sheet import CropRow, label_sheet, noise_sheet
from qontrast.tasks.assignments import ASSIGNMENTS, Assignment
from qontrast.tasks.plans import FinetunePlan
from qontrast.tasks.show import check_asked, cohort_name, write_sheet
from qontrast.tasks.speaking import say
from qontrast.views.denoising import NoisyMaker
from qontrast.views.labelled import CropMaker
from qontrast.views.loader import Examples


def show_crops(plan: FinetunePlan, out: Path, *, crops: int = 4, step: int = 0, quiet: bool = False) -> Path:
    """Draw the crops of a fine-tuning's plan.

    Args:
        plan: of the fine-tuning.
        out: picture to write; its ending says the kind, .png, .pdf or .svg.
        crops: how many; those that do not fit into a batch are the first of the steps after it.
        step: of the training, a batch each where gradients are accumulated.
        quiet: print nothing.

    Returns:
        The picture's file.

    Raises:
        InputError: for another ending, a number of crops or a step that cannot be, or data that cannot be used.
        WriteError: if the picture cannot be written.
    """
    check_asked(out, crops, step)
    batches = plan.optimisation.steps * plan.optimisation.accumulate
    if step >= batches:
        say(f"note: the plan ends after {batches} steps", quiet=quiet)
    assignment = ASSIGNMENTS[plan.task](plan, quiet=quiet)
    return write_sheet(draw_crops(plan, assignment, crops, step), out, "crops", quiet=quiet)


def draw_crops(plan: FinetunePlan, assignment: Assignment, crops: int, step: int) -> Figure:
    """The sheet of the crops of ``crops`` slots from a step's first on."""
    make, title = assignment.make, title_of_crops(plan, step)
    examples = Examples(make, len(assignment.subjects), plan.batch, plan.seed)
    rows: list[CropRow] = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the same bits as in training
    try:
        for index in range(step * plan.batch, step * plan.batch + crops):
            at, slot = divmod(index, plan.batch)
            which = examples.subject(at, slot)
            heading = f"{len(rows) + 1} · {make.cases[which].name} · step {at}, slot {slot}"
            row = _labelled if isinstance(make, CropMaker) else _noisy
            rows.append(row(make, which, at, slot, heading))  # type: ignore[arg-type]
    finally:
        torch.set_num_threads(threads)
    return label_sheet(title, rows, assignment.outputs) if isinstance(make, CropMaker) else noise_sheet(title, rows)


def title_of_crops(plan: FinetunePlan, step: int) -> str:
    """Cohort, task, crop and spacing, seed, step."""
    size = f"crops of {plan.views.crop}³ at {plan.views.spacing:g} mm"
    return f"{cohort_name(plan.cohort)} · {plan.task} · {size} · seed {plan.seed} · step {step}"


def _labelled(make: CropMaker, which: int, step: int, slot: int, heading: str) -> CropRow:
    crop = make.crop(which, step, slot)
    truth = crop.truth if crop.truth.dim() == 3 else crop.truth.argmax(dim=0)  # of shares the largest
    note = f"{float((truth > 0).float().mean()):.0%} of the crop is labelled"
    image = crop.image[0, 0].numpy()
    return CropRow(heading, image, truth.numpy(), crop.describe(), _mirrored(crop.warp), note)


def _noisy(make: NoisyMaker, which: int, step: int, slot: int, heading: str) -> CropRow:
    noisy = make.noisy(which, step, slot)
    clean = noisy.image + noisy.residual
    return CropRow(heading, noisy.image[0, 0].numpy(), clean[0, 0].numpy(), noisy.describe(), _mirrored(noisy.warp))


def _mirrored(warp: Warp | None) -> bool:
    return warp is not None and bool(torch.linalg.det(warp.matrix) < 0)
