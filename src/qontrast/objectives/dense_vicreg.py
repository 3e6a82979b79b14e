"""VICReg on matched voxels."""

from dataclasses import dataclass

import torch
from torch import Tensor

from qontrast.losses.dense_vicreg import dense_vicreg
from qontrast.objectives.dense import DenseObjective, Where, at_level
from qontrast.objectives.objective import Across, Rows, above_zero, not_negative


@dataclass(frozen=True)
class DenseVICReg(DenseObjective):
    """Matched voxels that embed alike, features that vary over all voxels and do not repeat each other.

    Args:
        weight: of the loss; 0 leaves it out.
        invariance: weight of the distance between matched voxels.
        variance: weight of the variance that is missing.
        covariance: weight of what repeats.
        of: whose levels, the ``decoder``'s or the ``encoder``'s.
        levels: which of them, 0 the finest; the loss is their mean.
        hidden: width of the projector between its two layers; 0 compares the features themselves.
        out: dimension of the space that is compared in.
        bank: points of each crop over which variance and covariance are taken.
    """

    weight: float = 0.0
    invariance: float = 25.0
    variance: float = 25.0
    covariance: float = 1.0
    of: Where = "decoder"
    levels: tuple[int, ...] = (0,)
    hidden: int = 64
    out: int = 32
    bank: int = 64

    def __post_init__(self) -> None:
        self.check("dense_vicreg")
        above_zero("dense_vicreg", invariance=self.invariance, variance=self.variance)
        not_negative("dense_vicreg", covariance=self.covariance)

    def loss(self, rows: Rows, across: Across) -> Tensor:
        """Distances of this process's points; variance and covariance over those of all."""
        found = []
        for level in self.levels:
            a, b = at_level(rows, level)
            bank = across.gather(a[:, : self.bank].contiguous()), across.gather(b[:, : self.bank].contiguous())
            found.append(dense_vicreg(a, b, bank, self.invariance, self.variance, self.covariance))
        return torch.stack(found).mean()
