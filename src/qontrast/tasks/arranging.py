"""The order in memory that a network trains fastest in: measured at the start of a long run, and kept."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from qontrast.basics.atomic import write_atomic
from qontrast.nets.quick import Layout, quicken
from qontrast.tasks.compute import Compute
from qontrast.tasks.speaking import say

ARRANGEMENT = "arrangement.json"
WORTH = 200  # steps of a run that is long enough to measure for
ROUNDS = 3
IMAGES = 4
CLEARLY = 0.95  # of the time in the contiguous order, which is kept unless another is faster by more than chance


Seen = Callable[[Tensor], Sequence[Tensor]]
"""Images ``[n, 1, x, y, z]`` to the maps that a loss looks at."""


@dataclass(frozen=True)
class Steps:
    """What a training does, as far as the order in memory depends on it.

    Args:
        seen: by its loss.
        images: that go through the network at a time.
        crop: their edge.
        count: of steps.
    """

    seen: Seen
    images: int
    crop: int
    count: int


def arrange(
    fabric: Fabric, model: nn.Module, steps: Steps, compute: Compute, out: Path, *, quiet: bool = False
) -> None:
    """Lay the model out as the plan says; where it leaves that open, as was faster in a few passes on noise.

    What was measured is kept in the run's folder, so that a resumed run rounds alike. Short runs are not measured for.

    Args:
        fabric: device, precision and processes.
        model: changed in place.
        steps: of the run.
        compute: of its plan.
        out: its folder.
        quiet: say nothing.
    """
    layout: Layout = "contiguous"
    if compute.layout != "auto":
        layout = compute.layout
    elif (out / ARRANGEMENT).is_file():
        layout = json.loads((out / ARRANGEMENT).read_text(encoding="utf-8"))["layout"]
    elif steps.count >= WORTH and fabric.global_rank == 0:
        seconds = timed(fabric, model, replace(steps, images=min(IMAGES, steps.images)))
        layout = faster(seconds)
        write_atomic(out / ARRANGEMENT, json.dumps({"layout": layout, "seconds": seconds}) + "\n")
        said = ", ".join(f"{name} {value:.2f} s" for name, value in seconds.items())
        say(f"{layout} in memory (a pass forth and back: {said})", quiet=quiet)
    quicken(model, fabric.broadcast(layout))


def faster(seconds: dict[Layout, float]) -> Layout:
    """The order that took clearly less time, or the contiguous one."""
    best = min(seconds, key=lambda name: seconds[name])
    return best if seconds[best] < CLEARLY * seconds["contiguous"] else "contiguous"


def timed(fabric: Fabric, model: nn.Module, steps: Steps) -> dict[Layout, float]:
    """Shortest seconds of a pass forth and back, in each order in memory."""
    model.to(fabric.device)
    images = torch.randn(steps.images, 1, *(steps.crop,) * 3, device=fabric.device)
    seconds: dict[Layout, float] = {}
    with torch.random.fork_rng():
        for _ in range(ROUNDS):
            for layout in get_args(Layout):  # in turn, since a machine's speed wanders
                quicken(model, layout)
                model.zero_grad(set_to_none=True)  # gradients lie in the order of the last pass
                _pass(fabric, steps.seen, images)  # memory is taken and kernels are made
                took = _pass(fabric, steps.seen, images)
                seconds[layout] = min(seconds.get(layout, took), took)
    model.zero_grad(set_to_none=True)
    return seconds


def _pass(fabric: Fabric, seen: Seen, images: Tensor) -> float:
    begin = time.perf_counter()
    with fabric.autocast():
        torch.stack([level.float().square().mean() for level in seen(images)]).sum().backward()
    if fabric.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin
