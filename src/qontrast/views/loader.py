"""Examples in an order that depends on the seed alone, whatever the number of loader processes."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from joblib import cpu_count
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from qontrast.basics.errors import InputError
from qontrast.basics.randomness import derive
from qontrast.engine.free_memory import free_memory
from qontrast.engine.memory import keep_memory
from qontrast.engine.stopping import apart_from_signals

MOST_AHEAD = 4  # batches ahead of each process: more only cost memory, for a batch is long in the making
SHARE_AHEAD = 0.1  # of the free memory, for all batches that wait
MEMORY_OF_WORKER = 0.8e9  # bytes: what a loader process was seen to need, beside what it shares
MEMORY_ON_GPU = 2.5e9  # bytes: eighteen processes were seen to take 39 GB
MOST_ON_GPU = 4
Make = Callable[[int, int, int], dict[str, Any]]
"""From subject, step and turn (0 where a batch has the subject once) to an example, tensors by name."""


class Examples(Dataset[dict[str, Any]]):
    """Example ``step * batch + slot``. A batch never holds one subject twice unless there are fewer than slots.

    Without shares each epoch visits the subjects in an order of its own, and the few that do not fill a batch wait for
    another epoch. With shares there are no epochs: every batch is drawn anew, and a subject comes into it as often as
    its share of the slots says, rounded up or down; so it comes twice where that is more than one slot.

    What an example shows depends on subject and step alone, not on the slot: the same for any size of batch.

    Args:
        make: makes an example.
        subjects: how many there are.
        batch: slots of a step.
        seed: of the order.
        shares: how often each subject is drawn, relative to the others.
    """

    def __init__(self, make: Make, subjects: int, batch: int, seed: int, shares: Sequence[float] | None = None) -> None:
        self.make, self.subjects, self.batch, self.seed = make, subjects, batch, seed
        self.shares = None if shares is None else torch.tensor(shares, dtype=torch.float64)
        self._step: tuple[int, list[int]] = (-1, [])

    def of_step(self, step: int) -> list[int]:
        """The subject of each slot of a step."""
        if self._step[0] != step:
            self._step = (step, self._in_order(step) if self.shares is None else self._by_shares(step, self.shares))
        return self._step[1]

    def subject(self, step: int, slot: int) -> int:
        """Which subject fills a slot of a step."""
        return self.of_step(step)[slot]

    def _in_order(self, step: int) -> list[int]:
        epoch, place = divmod(step, max(1, self.subjects // self.batch))
        order = torch.randperm(self.subjects, generator=derive(self.seed, "order", epoch)).tolist()
        return [order[(place * self.batch + slot) % self.subjects] for slot in range(self.batch)]

    def _by_shares(self, step: int, shares: Tensor) -> list[int]:
        """Systematic sampling (Madow 1949, doi:10.1214/aoms/1177729988): the shares lie side by side in random order.

        Points at equal distances are put on them, so that each subject is drawn as often as its share says, exactly on
        average and rounded up or down in every batch.
        """
        generator = derive(self.seed, "order", step)
        order = torch.randperm(self.subjects, generator=generator)
        ends = shares[order].cumsum(dim=0) / shares.sum() * self.batch
        points = torch.arange(self.batch) + torch.rand((), dtype=torch.float64, generator=generator)
        drawn = order[torch.searchsorted(ends, points, right=True).clamp(max=self.subjects - 1)]
        return drawn[torch.randperm(self.batch, generator=generator)].tolist()

    def __getitem__(self, index: int) -> dict[str, Any]:
        step, slot = divmod(index, self.batch)
        subjects = self.of_step(step)
        which, turn = subjects[slot], subjects[:slot].count(subjects[slot])
        # Sums over several threads round otherwise: one thread, as in a loader process, makes the same bits everywhere.
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            example = self.make(which, step, turn)
        finally:
            torch.set_num_threads(threads)
        return example if get_worker_info() is None else {name: values.cpu() for name, values in example.items()}


def batches(
    examples: Examples,
    start: int,
    steps: int,
    workers: int,
    *,
    prefetch: int = 2,
    on_gpu: bool = False,
    pin: bool = False,
    rank: int = 0,
    ranks: int = 1,
) -> Iterator[dict[str, Any]]:
    """The batches of steps ``start`` to ``steps``, made ahead of time by ``workers`` processes (0: in this one).

    Args:
        examples: what batches are made of.
        start: first step.
        steps: one past the last.
        workers: loader processes.
        prefetch: batches that each of them makes ahead.
        on_gpu: whether examples are made on a GPU; processes then give them back to the CPU.
        pin: put batches into memory that a GPU reads fast.
        rank: which share of each batch is wanted: of ``ranks`` processes each takes every so manyth slot.
        ranks: how many processes train together; they divide the batch.
    """
    if examples.batch % ranks:
        raise InputError(
            "batch", f"{examples.batch} slots for {ranks} processes", "as many slots for each", "Choose --batch."
        )
    own = [step * examples.batch + slot for step in range(start, steps) for slot in range(rank, examples.batch, ranks)]
    # Forked processes share the subjects that are already open; nothing else of the parent is used there. A GPU cannot
    # be used in them.
    context = "fork" if hasattr(os, "fork") and not on_gpu else "spawn"
    loader = DataLoader(
        examples,
        batch_size=examples.batch // ranks,
        sampler=own,
        num_workers=workers,
        multiprocessing_context=context if workers else None,
        worker_init_fn=_begin_worker if workers else None,
        prefetch_factor=prefetch if workers else None,
        pin_memory=pin and not (on_gpu and not workers),
        # Keeps the loader from drawing its unused base seed out of the global generator.
        generator=torch.Generator().manual_seed(0),
    )
    return iter(loader)


def _begin_worker(_: int) -> None:
    keep_memory()
    apart_from_signals()


def default_workers(sharing: int = 1, *, on_gpu: bool = False) -> int:
    """Loader processes: one per core but one, at most 16, and no more than fit the memory that is free.

    Args:
        sharing: trainings that share the machine.
        on_gpu: whether they make examples on a GPU, where a few are enough.
    """
    most = MOST_ON_GPU if on_gpu else 16
    fitting = free_memory() / (MEMORY_ON_GPU if on_gpu else MEMORY_OF_WORKER) / sharing
    return max(0, min(most, cpu_count() // sharing - 1, int(min(fitting, most))))


def default_prefetch(workers: int, batch_bytes: int) -> int:
    """Batches that each loader process makes ahead: up to 4, as long as all of them fit a tenth of the free memory."""
    fitting = SHARE_AHEAD * free_memory() / max(1, workers * batch_bytes)
    return max(1, int(min(fitting, MOST_AHEAD)))
