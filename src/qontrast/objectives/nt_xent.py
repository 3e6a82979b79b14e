"""NT-Xent on pooled features, the method's own objective (Chalcroft et al. 2025, arXiv:2501.12057)."""

from dataclasses import dataclass

from torch import Tensor

from qontrast.losses.nt_xent import nt_xent
from qontrast.objectives.objective import Across, Rows, above_zero, not_negative
from qontrast.objectives.pooled import PooledObjective, gathered


@dataclass(frozen=True)
class NTXent(PooledObjective):
    """Tell each subject's other view from all other subjects of the batch.

    Args:
        weight: of the loss; 0 leaves it out.
        temperature: of the softmax; the method's 0.5.
        hidden: width of the projector between its two layers.
        out: dimension of the space that is compared in.
    """

    weight: float = 1.0
    temperature: float = 0.5
    hidden: int = 512
    out: int = 128

    def __post_init__(self) -> None:
        not_negative("nt_xent", weight=self.weight)
        above_zero("nt_xent", temperature=self.temperature, hidden=self.hidden, out=self.out)

    def loss(self, rows: Rows, across: Across) -> Tensor:
        """Of the whole batch, in every process."""
        a, b = gathered(rows, across)
        return nt_xent(a, b, self.temperature)
