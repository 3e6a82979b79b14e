"""Examples in an order that depends on the seed alone, whatever the number of loader processes."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from qontrast.basics.randomness import derive

Make = Callable[[int, int, int], dict[str, Any]]
"""From subject, step and slot to an example, tensors by name."""


class Examples(Dataset[dict[str, Any]]):
    """Example ``step * batch + slot``.

    Each epoch visits the subjects in an order of its own; a batch never holds one subject twice unless there are fewer
    subjects than slots, and the few that do not fill a batch wait for another epoch.

    Args:
        make: makes an example.
        subjects: how many there are.
        batch: slots of a step.
        seed: of the order.
    """

    def __init__(self, make: Make, subjects: int, batch: int, seed: int) -> None:
        self.make, self.subjects, self.batch, self.seed = make, subjects, batch, seed

    def subject(self, step: int, slot: int) -> int:
        """Which subject fills a slot of a step."""
        epoch, place = divmod(step, max(1, self.subjects // self.batch))
        order = torch.randperm(self.subjects, generator=derive(self.seed, "order", epoch))
        return int(order[(place * self.batch + slot) % self.subjects])

    def __getitem__(self, index: int) -> dict[str, Any]:
        step, slot = divmod(index, self.batch)
        # Sums over several threads round otherwise: one thread, as in a loader process, makes the same bits everywhere.
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return self.make(self.subject(step, slot), step, slot)
        finally:
            torch.set_num_threads(threads)


def batches(examples: Examples, start: int, steps: int, workers: int, *, pin: bool = False) -> Iterator[dict[str, Any]]:
    """The batches of steps ``start`` to ``steps``, made ahead of time by ``workers`` processes (0: in this one)."""
    loader = DataLoader(
        examples,
        batch_size=examples.batch,
        sampler=range(start * examples.batch, steps * examples.batch),
        num_workers=workers,
        # Forked processes share the subjects that are already open; nothing else of the parent is used there.
        multiprocessing_context="fork" if workers and hasattr(os, "fork") else None,
        pin_memory=pin,
        # Keeps the loader from drawing its unused base seed out of the global generator.
        generator=torch.Generator().manual_seed(0),
    )
    return iter(loader)


def default_workers() -> int:
    """One loader process per core but one, at most 16."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(0, min(16, cores - 1))
