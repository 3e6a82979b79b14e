"""One training loop for every task: steps, progress bar, journal, checkpoints, exact resume, on any number of ranks."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from rich.progress import Progress as Bar
from rich.progress import TaskID
from torch import nn

from qontrast.basics.errors import InputError, QontrastError, WriteError
from qontrast.engine.average import Average
from qontrast.engine.bar import training_bar
from qontrast.engine.checkpoint import Progress, load_checkpoint, save_checkpoint
from qontrast.engine.endings import Where, diverged, explained, stopped
from qontrast.engine.journal import Journal
from qontrast.engine.optimisation import Optimisation
from qontrast.engine.pace import Group, Pace
from qontrast.engine.passes import Learn, Part
from qontrast.engine.ranks import agree, average
from qontrast.engine.stopping import Stopped, StopRequest

SMOOTHED = 20  # steps over which the bar's speed is averaged


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


@dataclass(frozen=True)
class Watch:
    """What is measured of the model now and then; the first rank does, while the others wait.

    Args:
        every: so many steps, beginning before the first; and after the last, on a line of its own.
        measure: of the model and the number of steps done; numbers by name, for the journal.
    """

    every: int
    measure: Callable[[nn.Module, int], dict[str, float]]


def fit(
    fabric: Fabric,
    model: nn.Module,
    learn: Learn,
    batches: Callable[[int], Iterable[Any]],
    optimisation: Optimisation,
    run: Run,
    watch: Watch | None = None,
    groups: Sequence[Group] = (),
) -> nn.Module:
    """Train ``model`` and return it, with its averaged weights where the plan asks for them.

    Args:
        fabric: device, precision and processes.
        model: whose parameters that require gradients are optimised.
        learn: from a batch to gradients.
        batches: from a number of batches that are left out to all those that follow.
        optimisation: how.
        run: where, and from which seed.
        watch: what is measured on the way.
        groups: of weights with learning rates of their own; none for one rate for all.

    Raises:
        InputError: if the run is to be resumed with another plan.
        Stopped: if it was asked to stop by a signal; a checkpoint is written.
        QontrastError: if the loss or its gradient is not finite too often, or another process has gone.
    """
    model.to(fabric.device)  # before the moments are restored: they go where the parameters are
    pace = Pace(model, optimisation, groups)
    optimizer = pace.optimizer()
    averaged = Average(model, optimisation.average) if optimisation.average else None
    start = _resume(fabric, model, optimizer, averaged, run) if run.resume else 0
    first, last = agree(-start, start)  # and nobody writes while another still reads
    if -first != last:
        raise InputError(
            run.folder, f"checkpoints of {-first:.0f} and {last:.0f} steps", "one for all processes",
            "Choose an --out that every machine sees.",
        )  # fmt: skip
    training = _Training(fabric, model, optimizer, averaged, learn, pace, run, watch, start)
    training.go(batches)
    if averaged is not None:
        model.load_state_dict(averaged.weights)
    return model


class _Training:
    """The state of a training between two steps."""

    def __init__(
        self,
        fabric: Fabric,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        averaged: Average | None,
        learn: Learn,
        pace: Pace,
        run: Run,
        watch: Watch | None,
        start: int,
    ) -> None:
        self.fabric, self.inner, self.averaged, self.learn = fabric, model, averaged, learn
        self.pace, self.run, self.watch = pace, run, watch
        self.optimisation = optimisation = pace.optimisation
        self.optimizer = optimizer
        self.model, self.wrapped = fabric.setup(model, optimizer)
        self.done = self.saved = start
        self.fresh = start < optimisation.steps
        self.saved_at = time.monotonic()
        self.stopping = ""  # what asked all processes to stop
        self.bad = 0  # steps in a row that were left out
        self.whole = True  # whether weights, moments, average and journal belong to one step
        self.recent: deque[float] = deque(maxlen=SMOOTHED)

    def go(self, batches: Callable[[int], Iterable[Any]]) -> None:
        first = self.fabric.global_rank == 0
        journal = Journal(self.run.folder, keep_below=self.done + (not self.fresh)) if first else None
        try:
            with StopRequest() as request:  # held on to while work is rescued: torchrun asks when another process died
                try:
                    self._train(batches, journal, request)
                except BaseException as error:
                    self._rescue(error)
                    raise explained(error, request.asked, self._where()) from error
        finally:
            if journal is not None:
                journal.close()

    def _train(self, batches: Callable[[int], Iterable[Any]], journal: Journal | None, request: StopRequest) -> None:
        steps = self.optimisation.steps
        with training_bar(self.run.quiet or journal is None) as bar:
            task = bar.add_task(self.run.title, total=steps, completed=self.done, said="")
            source = iter(batches(self.done * self.optimisation.accumulate)) if self.done < steps else iter(())
            while self.done < steps:
                line = self._step(source, request)
                if journal is not None:
                    journal.write(**line)
                    self._show(bar, task, line)
                self.done, self.whole = self.done + 1, True  # only now: a checkpoint is never ahead of the journal
                self._keep()
            if journal is not None and self.fresh and (last := self._measured(steps)):
                journal.write(step=steps, **last, time=time.time())

    def _step(self, source: Iterator[Any], request: StopRequest) -> dict[str, Any]:
        """One step; returns its line of the journal."""
        step, how = self.done, self.optimisation
        measured = self._measured(step)
        begin = time.monotonic()
        rates = self.pace.set(step, self.wrapped)
        waited, losses = 0.0, []
        for number in range(how.accumulate):
            asked = time.monotonic()
            batch = self.fabric.to_device(next(source))
            waited += time.monotonic() - asked
            keys = (self.run.seed, step, number, self.fabric.global_rank)
            part = Part(keys, 1 / how.accumulate, last=number == how.accumulate - 1)
            losses.append(self.learn(self.fabric, self.model, batch, part))
        # Not finite in one process is so in all: gradients are averaged. Still they agree on it in so many words.
        norm = self.fabric.clip_gradients(self.model, self.wrapped, max_norm=how.clip, error_if_nonfinite=False)
        means = {name: torch.stack([one[name].detach() for one in losses]).mean() for name in losses[0]}
        fine = bool(torch.isfinite(means["loss"])) and (norm is None or bool(torch.isfinite(norm)))
        spoilt, stop = agree(float(not fine), float(bool(request.asked)))
        # Only what was agreed on counts: a signal that comes later is one for the next step.
        self.stopping = (request.asked or "a signal to another process") if stop else ""
        self.whole = False
        if not spoilt:
            self.wrapped.step()
            if self.averaged is not None:
                self.averaged.update(self.inner)
        self.wrapped.zero_grad(set_to_none=True)
        self.bad = self.bad + 1 if spoilt else 0
        if self.bad >= how.patience:
            raise diverged(self._where(), self.bad, float(means["loss"]), norm)
        seconds = time.monotonic() - begin
        self.recent.append(seconds)
        return {
            "step": step,
            **{name: float(value) for name, value in average(means).items()},
            **({"left_out": True} if spoilt else {}),
            **rates,
            "gradient_norm": float(norm) if norm is not None else None,
            "examples_per_second": self.run.examples / seconds,
            "waiting": waited / seconds,
            "time": time.time(),
            **measured,
        }

    def _measured(self, steps: int) -> dict[str, float]:
        watch = self.watch
        if watch is None or self.fabric.global_rank != 0:
            return {}
        if steps % watch.every and steps != self.optimisation.steps:
            return {}
        return watch.measure(self.inner, steps)

    def _show(self, bar: Bar, task: TaskID, line: dict[str, Any]) -> None:
        rate = self.run.examples * len(self.recent) / sum(self.recent)
        said = f"loss {line['loss']:.3f}  {rate:.1f} {self.run.unit}/s  {line['waiting']:.0%} waiting"
        bar.update(task, advance=1, said=said)

    def _keep(self) -> None:
        """Write a checkpoint when one is due; end where that was asked for."""
        how = self.optimisation
        due = time.monotonic() - self.saved_at > how.checkpoint_seconds
        if due or self.done % how.checkpoint_steps == 0 or self.done == how.steps or self.stopping:
            self._save()
        if self.stopping and self.done < how.steps:
            self.fabric.barrier()  # no process goes before the checkpoint is there
            raise stopped(self._where(), self.stopping)

    def _where(self) -> Where:
        return Where(self.run.folder, self.done, self.optimisation.steps, self.fabric.world_size)

    def _write(self) -> None:
        progress = Progress(self.done, self.run.plan, self.fabric.world_size)
        save_checkpoint(self.run.folder, self.inner, self.optimizer, progress, self.averaged)

    def _save(self) -> None:
        if self.fabric.global_rank == 0:
            self._write()
        self.saved, self.saved_at = self.done, time.monotonic()

    def _rescue(self, error: BaseException) -> None:
        """Keep what was learned since the last checkpoint, whatever went wrong beside it."""
        if isinstance(error, (Stopped, WriteError)) or not self.whole or self.done == self.saved or self.bad:
            return
        # Weights are the same in all processes: where the first has gone, any other may write them.
        if self.fabric.global_rank == 0 or isinstance(error, RuntimeError):
            with suppress(QontrastError):
                self._write()


def _resume(
    fabric: Fabric, model: nn.Module, optimizer: torch.optim.Optimizer, averaged: Average | None, run: Run
) -> int:
    progress = load_checkpoint(run.folder, model, optimizer, averaged)
    if progress is None:
        return 0
    if progress.plan != run.plan:
        raise InputError(
            run.folder,
            "a checkpoint of another plan",
            "the plan of plan.yaml in that folder",
            "Resume with the same plan and flags, or start anew with another --out.",
        )
    if progress.ranks != fabric.world_size and fabric.global_rank == 0:
        print(
            f"note: {run.folder} was trained by {progress.ranks} processes and goes on with {fabric.world_size}: the "
            "same views in the same order, but sums and dropout differ, so the result is alike and not equal",
            flush=True,
        )
    return progress.step
