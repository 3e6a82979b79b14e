"""Where a training runs, and how its examples are made and loaded."""

from dataclasses import dataclass
from typing import Any, Literal

import torch

from qontrast.basics.errors import PlanError
from qontrast.views.loader import default_prefetch, default_workers


@dataclass(frozen=True)
class Compute:
    """Where and how; the results do not depend on the workers.

    Args:
        device: ``auto`` (a GPU if there is one), ``cpu`` or ``cuda``.
        precision: ``auto`` (bf16 autocast where it is faster: GPUs that have it, processors with AMX, AMD's with
            AVX512-BF16), ``32`` or ``bf16``.
        workers: processes that make examples, on one thread each; -1 for one per core but one, if they fit the memory.
        prefetch: batches that each of them makes ahead; -1 for up to 4, if they fit the memory.
        micro: pretraining pairs that go through the networks at a time; 0 for the whole batch. Fewer need less memory
            and half as much time again; the gradient is that of the whole batch (cached gradients).
        layout: order of feature maps in memory, ``contiguous`` or ``channels_last``; ``auto`` measures
            both at the start of a run of 200 steps or more.
        views: where the volumes of examples are computed, ``cpu`` or ``gpu``: the training's own, of which each process
            that makes examples takes about 2 GB. They are the same but for rounding.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "32", "bf16"] = "auto"
    workers: int = -1
    prefetch: int = -1
    micro: int = 0
    layout: Literal["auto", "contiguous", "channels_last"] = "auto"
    views: Literal["cpu", "gpu"] = "cpu"

    def __post_init__(self) -> None:
        if self.micro < 0:
            raise PlanError("compute.micro", f"{self.micro}", "pairs, or 0 for the whole batch")
        if self.workers < -1:
            raise PlanError("compute.workers", f"{self.workers}", "0 or more, or -1 to let the machine decide")
        if self.prefetch < 1 and self.prefetch != -1:
            raise PlanError("compute.prefetch", f"{self.prefetch}", "1 or more, or -1 to let the machine decide")

    def making(self, training: torch.device) -> torch.device:
        """Where examples of a training on a device are made.

        Raises:
            PlanError: for a GPU where training has none.
        """
        if self.views == "gpu" and training.type == "cpu":
            raise PlanError(
                "compute.views", "gpu, in a training on the CPU", "cpu", "Or train with --compute.device cuda."
            )
        return training if self.views == "gpu" else torch.device("cpu")

    def loading(self, batch_bytes: int, sharing: int = 1, *, on_gpu: bool = False) -> dict[str, Any]:
        """How :func:`qontrast.views.loader.batches` loads.

        Args:
            batch_bytes: of a batch.
            sharing: trainings that share the machine.
            on_gpu: whether examples are made on a GPU.
        """
        workers = default_workers(sharing, on_gpu=on_gpu) if self.workers < 0 else self.workers
        prefetch = default_prefetch(workers, batch_bytes) if self.prefetch < 0 else self.prefetch
        return {"workers": workers, "prefetch": prefetch, "on_gpu": on_gpu}
