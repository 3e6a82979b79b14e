"""How to optimise: the part of a plan that the loop reads."""

import math
from dataclasses import dataclass

from qontrast.basics.errors import PlanError


@dataclass(frozen=True)
class Optimisation:
    """How to optimise.

    Args:
        steps: optimiser steps.
        learning_rate: of AdamW at its highest; it decays polynomially with power 0.9.
        warmup: steps over which the learning rate rises from 0.
        weight_decay: of AdamW.
        clip: largest norm of the gradient.
        accumulate: batches whose gradients are averaged into each step.
        average: share of the averaged weights that a step keeps (an exponential moving average, such as 0.99), which
            are then what the run gives; 0 gives the last weights.
        patience: how many steps in a row may have a loss or gradient that is not finite; each is left out.
        checkpoint_seconds: at most so long between checkpoints.
        checkpoint_steps: at most so many steps between checkpoints.
    """

    steps: int = 300
    learning_rate: float = 1e-3
    warmup: int = 0
    weight_decay: float = 0.01
    clip: float = 12.0
    accumulate: int = 1
    average: float = 0.0
    patience: int = 10
    checkpoint_seconds: float = 30.0
    checkpoint_steps: int = 100

    def __post_init__(self) -> None:
        for name in ("steps", "checkpoint_steps", "accumulate", "patience"):
            if getattr(self, name) < 1:
                raise PlanError(f"optimisation.{name}", f"{getattr(self, name)}", "1 or more")
        for name in ("learning_rate", "clip"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise PlanError(f"optimisation.{name}", f"{value:g}", "a finite number above 0")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise PlanError("optimisation.weight_decay", f"{self.weight_decay:g}", "a finite number, 0 or more")
        if self.warmup < 0:
            raise PlanError("optimisation.warmup", f"{self.warmup}", "0 or more steps")
        if not 0 <= self.average < 1:
            raise PlanError("optimisation.average", f"{self.average:g}", "0, or a share below 1 such as 0.99")
        if not self.checkpoint_seconds > 0:
            raise PlanError("optimisation.checkpoint_seconds", f"{self.checkpoint_seconds:g}", "seconds above 0")
