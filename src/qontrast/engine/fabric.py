"""Training on a device, or on one for each process, through Lightning Fabric."""

import logging
from datetime import timedelta
from typing import Literal

from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy

from qontrast.engine.device import has_fast_bf16, pick_device
from qontrast.engine.ranks import processes

Precision = Literal["auto", "32", "64", "bf16"]
SILENCE = timedelta(hours=1)  # after which a process that answers nothing counts as gone: the first opens all data


def make_fabric(device: str = "auto", precision: Precision = "auto") -> Fabric:
    """Devices and their precision: bf16 autocast where it is faster, else single precision.

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
