"""Quantitative reconstruction: the tissue itself, from one view of a sequence that is not told."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from qontrast.basics.shapes import full_precision
from qontrast.geometry.points import read_points
from qontrast.objectives.cross_contrast import mean_of_known
from qontrast.objectives.objective import Across, Objective, Rows, Seen, Widths, above_zero, not_negative
from qontrast.physics.tissue import MAP_NAMES


@dataclass(frozen=True)
class Quantitative(Objective):
    """A smooth L1 distance between the maps foretold at points of each view and the subject's own.

    The simulator knows them, so whatever foretells them from any sequence is invariant by construction. Maps that a
    subject lacks, and real scans, take no part.

    Args:
        weight: of the loss; 0 leaves it out.
        hidden: width of the head's layer.
    """

    weight: float = 0.0
    hidden: int = 64
    needs_decoder: ClassVar[bool] = True
    needs_points: ClassVar[bool] = True
    needs_tissue: ClassVar[bool] = True

    def __post_init__(self) -> None:
        not_negative("quantitative", weight=self.weight)
        above_zero("quantitative", hidden=self.hidden)

    def head(self, widths: Widths) -> nn.Module:
        """Features to the five maps."""
        first, second = nn.Linear(widths.decoded[0], self.hidden), nn.Linear(self.hidden, len(MAP_NAMES))
        return nn.Sequential(first, nn.GELU(), second)

    def rows(self, head: nn.Module, seen: Seen) -> Rows:
        """Each pair's distance by map, and which maps are known, ``[sample, map]``."""
        batch = seen.batch
        a, b = seen.decoded[0].chunk(2)
        found = []
        for features, points in ((a, batch["points_a"]), (b, batch["points_b"])):
            foretold = full_precision(head(read_points(features, points)))
            apart = torch.nn.functional.smooth_l1_loss(foretold, batch["tissue"], reduction="none")
            found.append(apart.mean(dim=1))
        return {"distance": torch.stack(found).mean(dim=0), "known": batch["tissue_known"]}

    def loss(self, rows: Rows, across: Across) -> Tensor:
        """The mean over what is known, of the whole batch."""
        return mean_of_known(rows["distance"], rows["known"], across)
