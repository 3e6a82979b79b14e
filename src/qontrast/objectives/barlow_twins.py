"""Barlow Twins on pooled features."""

from dataclasses import dataclass

from torch import Tensor

from qontrast.losses.barlow_twins import barlow_twins
from qontrast.objectives.objective import Across, Rows, above_zero, not_negative
from qontrast.objectives.pooled import PooledObjective, gathered


@dataclass(frozen=True)
class BarlowTwins(PooledObjective):
    """Features that agree between the views and do not repeat each other. It wants batches of 32 and more.

    Args:
        weight: of the loss; 0 leaves it out.
        redundancy: weight of what repeats.
        hidden: width of the projector between its two layers.
        out: dimension of the space that is compared in.
    """

    weight: float = 0.0
    redundancy: float = 5e-3
    hidden: int = 512
    out: int = 128

    def __post_init__(self) -> None:
        not_negative("barlow_twins", weight=self.weight, redundancy=self.redundancy)
        above_zero("barlow_twins", hidden=self.hidden, out=self.out)

    def loss(self, rows: Rows, across: Across) -> Tensor:
        """Of the whole batch, in every process."""
        a, b = gathered(rows, across)
        return barlow_twins(a, b, self.redundancy)
