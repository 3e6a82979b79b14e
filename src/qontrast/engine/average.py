"""An exponential moving average of the weights: Polyak and Juditsky 1992 (doi:10.1137/0330046), as in Tarvainen and
Valpola 2017 (arXiv:1703.01780).
"""

import torch
from torch import Tensor, nn


class Average:
    """Weights that follow a model's.

    Args:
        model: whose parameters and buffers are followed.
        keep: share of the average that each update keeps. At first it is less, so that the first weights are soon
            forgotten: (1 + n) / (10 + n) at update n.
    """

    def __init__(self, model: nn.Module, keep: float) -> None:
        self.keep, self.updates = keep, 0
        self.weights = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move towards the model's weights; whole numbers are copied."""
        keep = min(self.keep, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                self.weights[name].lerp_(value, 1 - keep)
            else:
                self.weights[name].copy_(value)

    def state(self) -> dict[str, Tensor]:
        """All that a checkpoint needs, tensors by name."""
        return {**self.weights, UPDATES: torch.tensor(self.updates)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """The reverse of :meth:`state`, in place."""
        self.updates = int(state[UPDATES])
        for name, value in self.weights.items():
            value.copy_(state[name])


UPDATES = "updates"
