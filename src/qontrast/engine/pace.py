"""Which weights move at a step, and how fast: a function of the step alone, so that a run goes on as it was."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from qontrast.engine.optimisation import Optimisation
from qontrast.engine.schedule import polynomial, rising


@dataclass(frozen=True)
class Group:
    """Weights that move at one learning rate.

    Args:
        name: for the journal.
        modules: whose weights they are.
        share: of the learning rate at a step, decay included; at 0 the modules are held still: no gradient, no
            dropout, and buffers (of a batch norm, say) stay as they are.
    """

    name: str
    modules: tuple[nn.Module, ...]
    share: Callable[[int], float]


class Pace:
    """The learning rates of a run.

    Args:
        model: what is trained.
        optimisation: how.
        groups: that hold each weight of the model once, that of the head first; none for one rate for all, which falls
            polynomially after a warm-up. A weight that needs no gradient when the run begins never moves.

    Raises:
        ValueError: if a weight is in no group, or in two.
    """

    def __init__(self, model: nn.Module, optimisation: Optimisation, groups: Sequence[Group] = ()) -> None:
        self.optimisation, self.groups = optimisation, tuple(groups)
        self._weights = [[p for m in group.modules for p in m.parameters() if p.requires_grad] for group in groups]
        held = [id(p) for weights in self._weights for p in weights]
        if groups and sorted(held) != sorted(id(p) for p in model.parameters() if p.requires_grad):
            raise ValueError("the groups do not hold each weight of the model once")
        if not groups:
            self._weights = [[p for p in model.parameters() if p.requires_grad]]

    def optimizer(self) -> torch.optim.AdamW:
        """AdamW with a group of weights for each rate."""
        how = self.optimisation
        weights = [{"params": one} for one in self._weights]
        return torch.optim.AdamW(weights, how.learning_rate, weight_decay=how.weight_decay, fused=True)

    def set(self, step: int, optimizer: Any) -> dict[str, float]:
        """Set the learning rates of a step, and hold still what does not move; returns the rates for the journal."""
        rates = list(self._rates(step))
        for group, (_, rate) in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        for moving, weights, (_, rate) in zip(self.groups, self._weights, rates, strict=False):
            for weight in weights:
                weight.requires_grad_(rate > 0)
            for module in moving.modules:
                module.train(rate > 0)
        return dict(rates)

    def _rates(self, step: int) -> Iterator[tuple[str, float]]:
        how = self.optimisation
        if not self.groups:
            yield "learning_rate", how.learning_rate * polynomial(step, how.steps) * rising(step, how.warmup)
        for number, group in enumerate(self.groups):
            yield f"learning_rate_{group.name}" if number else "learning_rate", how.learning_rate * group.share(step)
