"""InfoNCE between matched voxels."""

from dataclasses import dataclass

import torch
from torch import Tensor

from qontrast.losses.dense_info_nce import dense_info_nce
from qontrast.objectives.dense import DenseObjective, Where, at_level
from qontrast.objectives.objective import Across, Rows, above_zero, not_negative


@dataclass(frozen=True)
class DenseInfoNCE(DenseObjective):
    """Tell each voxel's match in the other view from other voxels, of its own crop and of others.

    Args:
        weight: of the loss; 0 leaves it out.
        temperature: of the softmax.
        apart: how far from a voxel, in voxels of the view, others must lie to count as different.
        of: whose levels, the ``decoder``'s or the ``encoder``'s.
        levels: which of them, 0 the finest; the loss is their mean.
        hidden: width of the projector between its two layers; 0 compares the features themselves.
        out: dimension of the space that is compared in.
        bank: points of each crop that all others are told from.
    """

    weight: float = 0.0
    temperature: float = 0.1
    apart: float = 2.0
    of: Where = "decoder"
    levels: tuple[int, ...] = (0,)
    hidden: int = 64
    out: int = 32
    bank: int = 32

    def __post_init__(self) -> None:
        self.check("dense_info_nce")
        above_zero("dense_info_nce", temperature=self.temperature)
        not_negative("dense_info_nce", apart=self.apart)

    def loss(self, rows: Rows, across: Across) -> Tensor:
        """Of this process's points against its own crops and the points of all others."""
        places = rows["places"]
        found = []
        for level in self.levels:
            a, b = at_level(rows, level)
            # What is left over is never sent.
            others = across.gather(a[:, : self.bank].contiguous()), across.gather(b[:, : self.bank].contiguous())
            first = across.rank * len(a)
            found.append(dense_info_nce(a, b, places, others, first, self.temperature, self.apart))
        return torch.stack(found).mean()
