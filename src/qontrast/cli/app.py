"""The command line: one sub-command per task. What a task needs is imported when it runs, so that help is instant."""

import sys
import warnings
from pathlib import Path
from typing import Any, Literal

from cyclopts import App, CycloptsError

import qontrast
from qontrast.basics.errors import LeftOut, QontrastError
from qontrast.cli.data import app as data_app
from qontrast.cli.dotted import plan_flags, take_dotted
from qontrast.cli.embed import app as embed_app
from qontrast.cli.evaluate import evaluate
from qontrast.cli.finetune import app as finetune_app
from qontrast.cli.fit import fit
from qontrast.cli.label import label
from qontrast.cli.people import people
from qontrast.cli.probe import probe
from qontrast.cli.show import show
from qontrast.cli.simulate import protocols, simulate
from qontrast.cli.study import study
from qontrast.cli.sweep import sweep
from qontrast.cli.use import denoise, segment
from qontrast.cli.weights import app as weights_app
from qontrast.engine.stopping import Stopped

app = App(
    name="qontrast",
    help="Sequence-invariant representations of 3D brain MRI, learned from simulated contrasts of tissue maps.",
    version=qontrast.__version__,
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
app.command(segment)
app.command(denoise)
app.command(finetune_app)
finetune_app.command(people)
app.command(data_app)
app.command(weights_app)
app.command(embed_app)
app.command(evaluate)
app.command(fit)
app.command(label)
app.command(probe)
app.command(simulate)
app.command(protocols)
app.command(show)
app.command(sweep)
app.command(study)


def run(arguments: list[str]) -> int:
    """Run the command line; errors that the user can mend are printed without a traceback.

    Returns:
        The exit status: 0, 1 for an error, 2 for flags that were not understood, 130 if interrupted, 143 if stopped.
    """
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _tell
            arguments = take_dotted(arguments)
            app(arguments, exit_on_error=False, print_error=True)
    except CycloptsError:
        return 2
    except Stopped as error:  # by a scheduler: as a process that ended by SIGTERM would say
        print(error, file=sys.stderr)
        return 143
    except QontrastError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; a training run goes on with --resume", file=sys.stderr)
        return 130
    return 0


PYTHONS_WAY = warnings.showwarning


def _tell(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    """Print what was left out of the user's data in a plain line; other warnings as Python does, with their code."""
    if issubclass(category, LeftOut):
        print(f"warning: {message}", file=sys.stderr)
    else:
        PYTHONS_WAY(message, category, *where, **more)


@app.command
def pretrain(
    plan: Path | None = None,
    /,
    *,
    out: Path,
    data: str | None = None,
    labels: str | None = None,
    net: str | None = None,
    dropout: float | None = None,
    steps: int | None = None,
    batch: int | None = None,
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
    net
        cnn (the method's), cnn-small, cnn-nano (for a CPU), cnn-pico, residual or vit.
    dropout
        Share of the encoder's activations dropped in training; the network's own (the method's 0.2) without it.
    steps
        Optimiser steps.
    batch
        Subjects per step, of all processes together.
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

    flags = plan_flags(
        cohort__data=data,
        cohort__labels=labels,
        net=net,
        dropout=dropout,
        optimisation__steps=steps,
        batch=batch,
        seed=seed,
        compute__device=device,
        compute__precision=precision,
        compute__workers=workers,
    )
    task(read_plan(PretrainPlan, plan, flags), out, resume=resume, quiet=quiet)


@app.command
def report(
    *runs: Path,
    ledger: Path | None = None,
    out: Path = Path("report.html"),
    title: str = "qontrast",
) -> None:
    """Write one self-contained HTML page about runs and their scores.

    Parameters
    ----------
    runs
        Run folders.
    ledger
        File of scores that evaluate wrote.
    out
        Page to write.
    title
        Heading of the page.
    """
    from qontrast.report.page import write_report

    print(write_report(out, title=title, runs=runs, ledger=ledger))


@app.command
def demo(*, out: Path = Path("demo"), overwrite: bool = False, quiet: bool = False) -> None:
    """Run the whole method, small, on the embedded heads: a report and a ledger within minutes.

    Parameters
    ----------
    out
        Folder to write.
    overwrite
        Replace an earlier demo there.
    quiet
        Print nothing.
    """
    from qontrast.tasks.demo import demo as task

    task(out, overwrite=overwrite, quiet=quiet)


@app.command
def plan(kind: Literal["pretrain", "finetune", "sweep"], /) -> None:
    """Print a plan with every field and its default, to start a YAML file from.

    Parameters
    ----------
    kind
        Of the plan.
    """
    from qontrast.tasks.plan_file import annotated_plan
    from qontrast.tasks.plans import FinetunePlan, PretrainPlan

    if kind == "sweep":
        from qontrast.sweeps.plan import SweepPlan

        print(annotated_plan(SweepPlan()), end="")
        return
    print(annotated_plan(PretrainPlan() if kind == "pretrain" else FinetunePlan()), end="")
