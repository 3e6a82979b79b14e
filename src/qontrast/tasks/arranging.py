"""The order in memory that a network trains fastest in: measured at the start of a long run, and kept."""

import json
import time
from pathlib import Path
from typing import get_args

import torch
from lightning_fabric import Fabric
from torch import Tensor

from qontrast.basics.atomic import write_atomic
from qontrast.nets.quick import Layout, quicken
from qontrast.objectives.pretrainer import Pretrainer
from qontrast.tasks.plans import PretrainPlan
from qontrast.tasks.speaking import say

ARRANGEMENT = "arrangement.json"
WORTH = 200  # steps of a run that is long enough to measure for
ROUNDS = 3
IMAGES = 4
CLEARLY = 0.95  # of the time in the contiguous order, which is kept unless another is faster by more than chance


def arrange(fabric: Fabric, model: Pretrainer, plan: PretrainPlan, out: Path, *, quiet: bool = False) -> None:
    """Lay the model out as the plan says; where it leaves that open, as was faster in a few steps on noise.

    What was measured is kept in the run's folder, so that a resumed run rounds alike. Short runs are not measured for.

    Args:
        fabric: device, precision and processes.
        model: changed in place.
        plan: of the run.
        out: its folder.
        quiet: say nothing.
    """
    layout: Layout = "contiguous"
    if plan.compute.layout != "auto":
        layout = plan.compute.layout
    elif (out / ARRANGEMENT).is_file():
        layout = json.loads((out / ARRANGEMENT).read_text(encoding="utf-8"))["layout"]
    elif plan.optimisation.steps >= WORTH and fabric.global_rank == 0:
        pairs = plan.compute.micro or max(1, plan.batch // fabric.world_size)
        seconds = timed(fabric, model, plan.views.crop, min(IMAGES, 2 * pairs))
        layout = faster(seconds)
        write_atomic(out / ARRANGEMENT, json.dumps({"layout": layout, "seconds": seconds}) + "\n")
        said = ", ".join(f"{name} {value:.2f} s" for name, value in seconds.items())
        say(f"{layout} in memory (a pass forth and back: {said})", quiet=quiet)
    quicken(model, fabric.broadcast(layout))


def faster(seconds: dict[Layout, float]) -> Layout:
    """The order that took clearly less time, or the contiguous one."""
    best = min(seconds, key=lambda name: seconds[name])
    return best if seconds[best] < CLEARLY * seconds["contiguous"] else "contiguous"


def timed(fabric: Fabric, model: Pretrainer, crop: int, count: int = IMAGES) -> dict[Layout, float]:
    """Shortest seconds of a pass forth and back through encoder and decoder, in each order in memory."""
    model.to(fabric.device)
    images = torch.randn(count, 1, crop, crop, crop, device=fabric.device)
    seconds: dict[Layout, float] = {}
    with torch.random.fork_rng():
        for _ in range(ROUNDS):
            for layout in get_args(Layout):  # in turn, since a machine's speed wanders
                quicken(model, layout)
                model.zero_grad(set_to_none=True)  # gradients lie in the order of the last pass
                _pass(fabric, model, images)  # memory is taken and kernels are made
                took = _pass(fabric, model, images)
                seconds[layout] = min(seconds.get(layout, took), took)
    model.zero_grad(set_to_none=True)
    return seconds


def _pass(fabric: Fabric, model: Pretrainer, images: Tensor) -> float:
    begin = time.perf_counter()
    with fabric.autocast():
        levels = model.encoder.features(images)
        # What objectives look at; at more levels, gradients of two orders would meet, which costs more than the pass.
        seen = levels[-1:] if model.decoder is None else (levels[-1], model.decoder(levels)[0])
        torch.stack([level.float().square().mean() for level in seen]).sum().backward()
    if fabric.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin
