"""Everything a run needs to go on, in one safetensors file that appears whole or not at all; nothing is pickled."""

from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import InputError
from qontrast.engine.average import Average

CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Args:
        step: number of steps done; data, dropout and learning rate of the next one depend on it and the seed alone.
        plan: digest of the plan, so that a run is not resumed with another.
        ranks: processes that trained together.
    """

    step: int
    plan: str
    ranks: int = 1


def save_checkpoint(
    folder: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    averaged: Average | None = None,
) -> None:
    """Write model, optimiser, averaged weights and progress atomically.

    Raises:
        WriteError: if the disk is full; the last good checkpoint remains.
    """
    tensors: dict[str, Tensor] = {f"model.{k}": v for k, v in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": v for k, v in state.items() if isinstance(v, Tensor)}
    if averaged is not None:
        tensors |= {f"average.{k}": v for k, v in averaged.state().items()}
    tensors = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    meta = {"step": str(progress.step), "plan": progress.plan, "ranks": str(progress.ranks)}
    write_atomic(folder / CHECKPOINT, safetensors.torch.save(tensors, metadata=meta))


def load_checkpoint(
    folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, averaged: Average | None = None
) -> Progress | None:
    """Restore model, optimiser and averaged weights in place; None if there is no checkpoint yet.

    Raises:
        InputError: if the file is damaged or belongs to another network.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        return None
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            meta = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        progress = Progress(int(meta["step"]), meta["plan"], int(meta.get("ranks", "1")))
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise InputError(
            path, f"a damaged checkpoint ({error})", "a whole one", "Start again in a new --out."
        ) from error
    weights = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    own = model.state_dict()
    if {k: v.shape for k, v in weights.items()} != {k: v.shape for k, v in own.items()}:
        raise InputError(path, "weights of another network", "the plan's network", "Was the plan's net changed?")
    model.load_state_dict(weights)
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = value
    if averaged is not None:
        averaged.restore({k.removeprefix("average."): v for k, v in tensors.items() if k.startswith("average.")})
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return progress
