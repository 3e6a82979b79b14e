"""The command that draws view pairs."""

from pathlib import Path

from qontrast.cli.dotted import plan_flags


def show(
    plan: Path | None = None,
    /,
    *,
    out: Path,
    data: str | None = None,
    labels: str | None = None,
    seed: int | None = None,
    pairs: int = 4,
    step: int = 0,
    quiet: bool = False,
) -> None:
    """Draw the view pairs that a pretraining sees, with what was drawn for each: look before you train.

    Any field of the plan is a flag too: --views.crop 96, --views.arm seqaug (see `qontrast plan`).

    Parameters
    ----------
    plan
        YAML file of the pretraining; without one, the defaults.
    out
        Picture to write (.png, .pdf or .svg).
    data
        BIDS folder of tissue maps or label maps, one subject's folder, or "embedded".
    labels
        TSV with the tissue of each label, for label maps that are not FreeSurfer's.
    seed
        All randomness of the run comes from it.
    pairs
        How many; those that do not fit into a batch are the first of the steps after it.
    step
        Of the training whose pairs are drawn.
    quiet
        Print nothing.
    """
    from qontrast.tasks.plan_file import read_plan
    from qontrast.tasks.plans import PretrainPlan
    from qontrast.tasks.show import show as task

    flags = plan_flags(cohort__data=data, cohort__labels=labels, seed=seed)
    task(read_plan(PretrainPlan, plan, flags), out, pairs=pairs, step=step, quiet=quiet)
