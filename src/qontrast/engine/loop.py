"""One training loop for every task: steps, progress bar, journal, checkpoints, exact resume."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from torch import Tensor, nn

from qontrast.basics.errors import InputError, PlanError, QontrastError
from qontrast.basics.randomness import derive_seed
from qontrast.engine.checkpoint import Progress, load_checkpoint, save_checkpoint
from qontrast.engine.journal import Journal
from qontrast.engine.schedule import polynomial

SMOOTHED = 20  # steps over which the bar's speed is averaged


@dataclass(frozen=True)
class Optimisation:
    """How to optimise.

    Args:
        steps: optimiser steps.
        learning_rate: of AdamW at the start; it decays polynomially with power 0.9.
        weight_decay: of AdamW.
        clip: largest norm of the gradient.
        checkpoint_seconds: at most so long between checkpoints.
        checkpoint_steps: at most so many steps between checkpoints.
    """

    steps: int = 300
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    clip: float = 12.0
    checkpoint_seconds: float = 30.0
    checkpoint_steps: int = 100

    def __post_init__(self) -> None:
        for name in ("steps", "checkpoint_steps"):
            if getattr(self, name) < 1:
                raise PlanError(f"optimisation.{name}", f"{getattr(self, name)}", "1 or more")
        for name in ("learning_rate", "clip"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise PlanError(f"optimisation.{name}", f"{value:g}", "a finite number above 0")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise PlanError("optimisation.weight_decay", f"{self.weight_decay:g}", "a finite number, 0 or more")
        if not self.checkpoint_seconds > 0:
            raise PlanError("optimisation.checkpoint_seconds", f"{self.checkpoint_seconds:g}", "seconds above 0")


@dataclass(frozen=True)
class Run:
    """One run's identity.

    Args:
        folder: where it writes.
        title: of the progress bar.
        seed: all randomness of the run comes from it.
        plan: digest of the plan.
        examples: how many examples a step sees, for the speed in the bar.
        unit: what an example is called.
        resume: go on from the folder's checkpoint.
        quiet: no progress bar.
    """

    folder: Path
    title: str
    seed: int
    plan: str
    examples: int
    unit: str = "pairs"
    resume: bool = False
    quiet: bool = False


def fit(
    fabric: Fabric,
    model: nn.Module,
    losses: Callable[[nn.Module, Any], dict[str, Tensor]],
    batches: Callable[[int], Iterable[Any]],
    optimisation: Optimisation,
    run: Run,
) -> nn.Module:
    """Train ``model`` and return it.

    Args:
        fabric: device and precision.
        model: whose parameters that require gradients are optimised.
        losses: batch to named losses; ``loss`` is minimised, the others are written down.
        batches: from a step to the batches of that and all later steps.
        optimisation: how.
        run: where, and from which seed.

    Raises:
        InputError: if the run is to be resumed with another plan.
        QontrastError: if the loss or its gradient is not finite.
    """
    model.to(fabric.device)  # before the moments are restored: they go where the parameters are
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, optimisation.learning_rate, weight_decay=optimisation.weight_decay)
    start = _resume(model, optimizer, run) if run.resume else 0
    inner = model
    model, wrapped = fabric.setup(model, optimizer)
    journal = Journal(run.folder, keep_below=start)
    saved = time.monotonic()
    try:
        with _bar(run.quiet) as bar:
            task = bar.add_task(run.title, total=optimisation.steps, completed=start, said="")
            source = iter(batches(start)) if start < optimisation.steps else iter(())
            recent: deque[float] = deque(maxlen=SMOOTHED)
            end = time.monotonic()
            for step in range(start, optimisation.steps):
                begin = end
                batch = fabric.to_device(next(source))
                waited = time.monotonic() - begin
                for group in wrapped.param_groups:
                    group["lr"] = optimisation.learning_rate * polynomial(step, optimisation.steps)
                # Dropout reads the global generator: it is set from the step, so that a resumed run drops the same.
                torch.manual_seed(derive_seed(run.seed, "dropout", step))
                found = losses(model, batch)
                loss = found["loss"]
                if not bool(torch.isfinite(loss)):
                    raise _diverged(run, f"the loss of step {step} is {float(loss.detach())}")
                fabric.backward(loss)
                norm = fabric.clip_gradients(model, wrapped, max_norm=optimisation.clip, error_if_nonfinite=False)
                if norm is not None and not bool(torch.isfinite(norm)):  # a step would spoil the weights
                    raise _diverged(run, f"the gradient of step {step} is {float(norm)}")
                wrapped.step()
                wrapped.zero_grad(set_to_none=True)
                end = time.monotonic()
                seconds = end - begin
                recent.append(seconds)
                values = {name: float(value.detach()) for name, value in found.items()}
                journal.write(
                    step=step,
                    **values,
                    learning_rate=wrapped.param_groups[0]["lr"],
                    gradient_norm=float(norm) if norm is not None else None,
                    examples_per_second=run.examples / seconds,
                    waiting=waited / seconds,
                    time=time.time(),
                )
                rate = run.examples * len(recent) / sum(recent)
                said = f"loss {values['loss']:.3f}  {rate:.1f} {run.unit}/s  {waited / seconds:.0%} waiting"
                bar.update(task, advance=1, said=said)
                due = time.monotonic() - saved > optimisation.checkpoint_seconds
                if due or (step + 1) % optimisation.checkpoint_steps == 0 or step + 1 == optimisation.steps:
                    save_checkpoint(run.folder, inner, optimizer, Progress(step + 1, run.plan))
                    saved = time.monotonic()
    finally:
        journal.close()
    return inner


def _diverged(run: Run, what: str) -> QontrastError:
    return QontrastError(
        f"{run.folder}: {what}. The last checkpoint is kept. Start anew in another --out with a lower "
        "--optimisation.learning_rate or with --precision 32."
    )


def _resume(model: nn.Module, optimizer: torch.optim.Optimizer, run: Run) -> int:
    progress = load_checkpoint(run.folder, model, optimizer)
    if progress is None:
        return 0
    if progress.plan != run.plan:
        raise InputError(
            run.folder,
            "a checkpoint of another plan",
            "the plan of plan.yaml in that folder",
            "Resume with the same plan and flags, or start anew with another --out.",
        )
    return progress.step


def _bar(quiet: bool) -> Bar:
    return Bar(
        TextColumn("{task.description}"),
        BarColumn(bar_width=12),
        MofNCompleteColumn(),
        TextColumn("{task.fields[said]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
        refresh_per_second=2,
        disable=quiet,
    )
