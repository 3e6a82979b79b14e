"""Where and in which precision to compute, through Lightning Fabric."""

import logging
from datetime import timedelta
from typing import Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy

from qontrast.basics.errors import PlanError
from qontrast.engine.ranks import processes

Precision = Literal["auto", "32", "64", "bf16"]
SILENCE = timedelta(hours=1)  # after which a process that answers nothing counts as gone: the first opens all data


def has_fast_bf16(device: str) -> bool:
    """Whether bfloat16 arithmetic runs in hardware there (AVX-512-BF16 or AMX on a CPU)."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported()
    if device != "cpu":
        return False
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    tiles = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    return bool(supported() or tiles())


def pick_device(name: str = "auto") -> str:
    """``cuda`` or ``cpu``.

    Raises:
        PlanError: if the device is not there.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise PlanError("device", repr(name), "auto, cpu or cuda")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise PlanError("device", "cuda, which is not there", "cpu or auto", "Run with --device cpu.")
    return name


def autocast_for(device: str) -> torch.autocast:
    """bf16 autocast where the processor has it, else nothing."""
    return torch.autocast(device, dtype=torch.bfloat16, enabled=has_fast_bf16(device))


def make_fabric(device: str = "auto", precision: Precision = "auto") -> Fabric:
    """Devices and their precision: bf16 autocast where the processor has it, else single precision.

    One device, or one for each process that ``torchrun`` or ``srun`` started; these are connected when it returns.

    Raises:
        PlanError: if the device is not there.
    """
    accelerator = pick_device(device)
    fast = has_fast_bf16(accelerator)
    named = {"auto": "bf16-mixed" if fast else "32-true", "32": "32-true", "64": "64-true", "bf16": "bf16-mixed"}
    chosen = named[precision]
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it announces the precision; so do we
    own, machines = processes()
    if own * machines == 1:
        return Fabric(accelerator=accelerator, devices=1, precision=chosen)  # type: ignore[arg-type]
    # Heads and levels that an objective leaves out have no gradient, which the processes have to find out.
    backend = "nccl" if accelerator == "cuda" else "gloo"
    strategy = DDPStrategy(process_group_backend=backend, timeout=SILENCE, find_unused_parameters=True)
    fabric = Fabric(
        accelerator=accelerator,
        strategy=strategy,
        devices=own,
        num_nodes=machines,
        precision=chosen,  # type: ignore[arg-type]
    )
    fabric.launch()
    return fabric


def described(fabric: Fabric) -> str:
    """Device, precision and processes, for a line of text."""
    alone = f"{fabric.device.type}, {fabric._precision.precision}"
    return alone if fabric.world_size == 1 else f"{fabric.world_size} x {alone}"
