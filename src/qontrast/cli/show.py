"""The command that draws what a training sees."""

from pathlib import Path
from typing import Literal

from qontrast.cli.dotted import plan_flags


def show(
    plan: Path | None = None,
    /,
    *,
    out: Path,
    task: Literal["pretrain", "segment", "lesion", "denoise"] | None = None,
    data: str | None = None,
    labels: str | None = None,
    seed: int | None = None,
    pairs: int = 4,
    step: int = 0,
    quiet: bool = False,
) -> None:
    """Draw the view pairs that a pretraining sees, with what was drawn for each: look before you train.

    Of a fine-tuning's plan it draws the crops with the truth beside them.

    Any field of the plan is a flag too: --views.crop 96, --views.arm seqaug (see `qontrast plan`).

    Parameters
    ----------
    plan
        YAML file of the pretraining or the fine-tuning; without one, the defaults of a pretraining.
    task
        What the plan is for, where neither it nor its fields say so.
    out
        Picture to write (.png, .pdf or .svg).
    data
        BIDS folder of tissue maps, label maps or scans, one subject's folder, or "embedded".
    labels
        TSV with the tissue of each label, for label maps that are not FreeSurfer's.
    seed
        All randomness of the run comes from it.
    pairs
        How many pairs, or crops; those that do not fit into a batch are the first of the steps after it.
    step
        Of the training whose pairs are drawn; of a fine-tuning that accumulates gradients, each batch counts as one.
    quiet
        Print nothing.
    """
    from qontrast.tasks.plan_file import kind_of, read_plan
    from qontrast.tasks.plans import FinetunePlan, PretrainPlan

    flags = plan_flags(cohort__data=data, cohort__labels=labels, seed=seed)
    if task in (None, "pretrain"):
        kind = PretrainPlan if task else kind_of(plan, flags, (PretrainPlan, FinetunePlan))
    else:
        kind, flags = FinetunePlan, flags | plan_flags(task=task)
    if kind is FinetunePlan:
        from qontrast.tasks.show_crops import show_crops

        show_crops(read_plan(FinetunePlan, plan, flags), out, crops=pairs, step=step, quiet=quiet)
        return
    from qontrast.tasks.show import show as draw_pairs

    draw_pairs(read_plan(PretrainPlan, plan, flags), out, pairs=pairs, step=step, quiet=quiet)
