"""Several processes as one: who they are, rows gathered from all of them, and what all of them agree on."""

import os
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def processes() -> tuple[int, int]:
    """Processes on each machine and machines, as ``torchrun`` or ``srun`` started them; (1, 1) for a lone process."""
    said = os.environ
    if "WORLD_SIZE" in said and "LOCAL_WORLD_SIZE" in said:  # torchrun
        local = int(said["LOCAL_WORLD_SIZE"])
        return local, max(1, int(said["WORLD_SIZE"]) // local)
    tasks = int(said.get("SLURM_STEP_NUM_TASKS", "1"))  # only srun sets it: a batch script alone is one process
    if "SLURM_PROCID" in said and tasks > 1:
        machines = int(said.get("SLURM_STEP_NUM_NODES", said.get("SLURM_NNODES", "1")))
        return max(1, tasks // machines), machines
    return 1, 1


def gather_rows(rows: Tensor) -> Tensor:
    """The rows of all processes, ``[sample, ...]`` to ``[ranks * sample, ...]``, one rank after the other.

    Gradients come back: each process's rows get the sum of what all processes' losses ask of them. With the gradients
    of the weights averaged over the processes, as distributed training does, the mean of the losses is what is
    minimised.
    """
    return _Gather.apply(rows) if _several() else rows


def agree(*values: float) -> list[float]:
    """The largest of each value over all processes."""
    if not _several():
        return list(values)
    shared = torch.tensor(values, dtype=torch.float64, device=_device())
    dist.all_reduce(shared, dist.ReduceOp.MAX)
    return shared.tolist()


def average(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """The mean of each value over all processes; whatever is not finite stays so."""
    if not _several() or not values:
        return values
    shared = torch.stack([v.detach().double() for v in values.values()])
    dist.all_reduce(shared)
    return dict(zip(values, shared / dist.get_world_size(), strict=True))


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total.chunk(dist.get_world_size())[dist.get_rank()].clone()


def _several() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def _device() -> torch.device:
    return torch.device("cuda", torch.cuda.current_device()) if dist.get_backend() == "nccl" else torch.device("cpu")
