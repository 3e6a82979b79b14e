"""VICReg on pooled features."""

from dataclasses import dataclass

from torch import Tensor

from qontrast.losses.vicreg import vicreg
from qontrast.objectives.objective import Across, Rows, above_zero, not_negative
from qontrast.objectives.pooled import PooledObjective, gathered


@dataclass(frozen=True)
class VICReg(PooledObjective):
    """Views that embed alike, features that vary over the batch and do not repeat each other.

    Args:
        weight: of the loss; 0 leaves it out.
        invariance: weight of the distance between the views.
        variance: weight of the variance that is missing.
        covariance: weight of what repeats.
        hidden: width of the projector between its two layers.
        out: dimension of the space that is compared in.
    """

    weight: float = 0.0
    invariance: float = 25.0
    variance: float = 25.0
    covariance: float = 1.0
    hidden: int = 512
    out: int = 128

    def __post_init__(self) -> None:
        not_negative("vicreg", weight=self.weight, covariance=self.covariance)
        above_zero("vicreg", invariance=self.invariance, variance=self.variance, hidden=self.hidden, out=self.out)

    def loss(self, rows: Rows, across: Across) -> Tensor:
        """Of the whole batch, in every process."""
        a, b = gathered(rows, across)
        return vicreg(a, b, self.invariance, self.variance, self.covariance)
