"""From a batch to the gradients of a step: in one pass, or in two where the batch does not fit the memory."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from qontrast.basics.randomness import derive_seed

Losses = dict[str, Tensor]
"""``loss`` is minimised, the others are written down."""


@dataclass(frozen=True)
class Part:
    """Which part of a step a batch is.

    Args:
        keys: what dropout depends on: the run's seed, the step and whatever else is apart.
        share: of the step's gradient that comes from this batch.
        last: whether the gradients are complete after it, so that processes average them.
    """

    keys: tuple[int, ...]
    share: float = 1.0
    last: bool = True

    def seed(self, *more: int) -> None:
        """Set the global generator, which dropout reads: a run that goes on drops the same."""
        first, *keys = self.keys
        torch.manual_seed(derive_seed(first, "dropout", *keys, *more))


Learn = Callable[[Fabric, nn.Module, Any, Part], Losses]
"""Adds a batch's gradients to the model's, and says its losses."""


def in_one_pass(losses: Callable[[nn.Module, Any], Losses]) -> Learn:
    """The plain way.

    Args:
        losses: of the model on a batch.
    """

    def learn(fabric: Fabric, model: nn.Module, batch: Any, part: Part) -> Losses:
        part.seed()
        with _together(fabric, model, part.last):
            found = losses(model, batch)
            fabric.backward(part.share * found["loss"])
        return found

    return learn


def in_two_passes(losses: Callable[[dict[str, Tensor]], Losses], micro: int) -> Learn:
    """Cached gradients: Gao et al. 2021 (arXiv:2101.06983). The gradient of the whole batch in the memory of a part.

    The first pass makes every part's rows and keeps nothing else; the loss of all rows gives a gradient for each row;
    the second pass makes the rows again, part by part, and sends those gradients on into the weights. Half as much
    again to compute. The model makes rows ``[sample, ...]`` by name of a batch, sample by sample (no batch norm).

    Args:
        losses: of the rows of a whole batch.
        micro: samples that are made at a time; 0 for all of them, and then one pass is enough.
    """

    def learn(fabric: Fabric, model: nn.Module, batch: dict[str, Tensor], part: Part) -> Losses:
        count = len(next(iter(batch.values())))
        if micro == 0 or micro >= count:
            return in_one_pass(lambda net, whole: losses(net(whole)))(fabric, model, batch, part)
        parts = [{k: v[start : start + micro] for k, v in batch.items()} for start in range(0, count, micro)]
        made = []
        with torch.no_grad():
            for number, some in enumerate(parts):
                part.seed(number)
                made.append(model(some))
        rows = {name: torch.cat([one[name] for one in made]) for name in made[0]}
        wanted = {name: value.requires_grad_() for name, value in rows.items() if value.is_floating_point()}
        found = losses(rows)
        asked = torch.autograd.grad(part.share * found["loss"], list(wanted.values()), allow_unused=True)
        by_name = {name: g.split(micro) for name, g in zip(wanted, asked, strict=True) if g is not None}
        for number, some in enumerate(parts):
            with _together(fabric, model, part.last and number == len(parts) - 1):
                part.seed(number)
                again = model(some)
                pairs = [(again[name], g[number]) for name, g in by_name.items() if again[name].requires_grad]
                fabric.backward(torch.stack([(row * g).sum() for row, g in pairs]).sum())
        return found

    return learn


def _together(fabric: Fabric, model: nn.Module, last: bool) -> AbstractContextManager[None]:
    """Processes average their gradients once a step, when they are complete."""
    if fabric.world_size == 1 or last:
        return nullcontext()
    return fabric.no_backward_sync(model)  # type: ignore[arg-type]
