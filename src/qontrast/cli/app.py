"""The command line: one sub-command per task. What a task needs is imported when it runs, so that help is instant."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

import qontrast
from qontrast.basics.errors import PlanError, QontrastError

app = App(
    name="qontrast",
    help="Sequence-invariant representations of 3D brain MRI, learned from simulated contrasts of tissue maps.",
    version=qontrast.__version__,
    result_action="return_value",
)
finetune_app = App(name="finetune", help="Learn a task from few labels, on a pretrained encoder or from scratch.")
app.command(finetune_app)

Flags = dict[str, str]
_flags: Flags = {}
"""Dotted flags of this call, such as --optimisation.learning_rate 1e-4: fields of the plan."""


def run(arguments: list[str]) -> int:
    """Run the command line; errors that the user can mend are printed without a traceback.

    Returns:
        The exit status: 0, 1 for an error, 2 for flags that were not understood, 130 if interrupted.
    """
    try:
        arguments = _take_dotted(arguments)
        app(arguments, exit_on_error=False, print_error=True)
    except CycloptsError:
        return 2
    except QontrastError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; a training run goes on with --resume", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 1
    return 0


def _take_dotted(arguments: list[str]) -> list[str]:
    """Take ``--a.b value`` and ``--a.b=value`` out of the arguments: they are fields of the plan."""
    _flags.clear()
    rest: list[str] = []
    items = iter(arguments)
    for item in items:
        name, equals, value = item.partition("=")
        if not (name.startswith("--") and "." in name):
            rest.append(item)
            continue
        if not equals:
            value = next(items, "")
            if not value:
                raise PlanError(name, "no value", "a value after it", f"For instance {name} 1")
        _flags[name[2:].replace("-", "_")] = value
    if _flags and not (rest[:1] == ["pretrain"] or rest[:1] == ["finetune"]):
        raise PlanError(f"--{next(iter(_flags))}", "a field of a plan", "a command that takes a plan", "See --help.")
    return rest


def _plan_flags(**given: object) -> Flags:
    """The flags that have names of their own, as dotted fields, with the dotted ones of this call."""
    import json

    named = {k.replace("__", "."): json.dumps(v) for k, v in given.items() if v is not None}
    return {**named, **_flags}


@app.command
def pretrain(
    plan: Path | None = None,
    /,
    *,
    out: Path,
    data: str | None = None,
    labels: str | None = None,
    steps: int | None = None,
    seed: int | None = None,
    device: str | None = None,
    precision: str | None = None,
    workers: int | None = None,
    resume: bool = False,
    quiet: bool = False,
) -> None:
    """Pretrain an encoder on pairs of simulated contrasts.

    Any field of the plan is a flag too: --views.crop 96, --optimisation.learning_rate 1e-4 (see `qontrast plan`).

    Parameters
    ----------
    plan
        YAML file; without one, the defaults.
    out
        New folder for plan, journal, checkpoints and encoder.
    data
        BIDS folder of tissue maps or label maps, one subject's folder, or "embedded".
    labels
        TSV with the tissue of each label, for label maps that are not FreeSurfer's.
    steps
        Optimiser steps.
    seed
        All randomness of the run comes from it.
    device
        auto, cpu or cuda.
    precision
        auto, 32 or bf16.
    workers
        Processes that make views; -1 for one per core but one.
    resume
        Go on from the folder's last checkpoint.
    quiet
        Print nothing.
    """
    from qontrast.tasks.plan_file import read_plan
    from qontrast.tasks.plans import PretrainPlan
    from qontrast.tasks.pretrain import pretrain as task

    flags = _plan_flags(
        cohort__data=data,
        cohort__labels=labels,
        optimisation__steps=steps,
        seed=seed,
        compute__device=device,
        compute__precision=precision,
        compute__workers=workers,
    )
    task(read_plan(PretrainPlan, plan, flags), out, resume=resume, quiet=quiet)
