"""Cross-contrast reconstruction: what view b shows, from the features of view a and the protocol of b."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from qontrast.basics.shapes import full_precision
from qontrast.geometry.points import read_points
from qontrast.objectives.objective import Across, Objective, Rows, Seen, Widths, above_zero, not_negative
from qontrast.physics.protocol_code import PROTOCOL


@dataclass(frozen=True)
class CrossContrast(Objective):
    """The mean absolute distance between what is foretold of matched voxels and what the other view shows, both ways.

    The foretelling sees one voxel's features and the other view's protocol alone, so that features have to hold the
    tissue. Pairs whose protocols are not known (real scans) take no part.

    Args:
        weight: of the loss; 0 leaves it out.
        hidden: width of the head's layers.
    """

    weight: float = 0.0
    hidden: int = 64
    needs_decoder: ClassVar[bool] = True
    needs_points: ClassVar[bool] = True
    needs_protocol: ClassVar[bool] = True
    needs_clean: ClassVar[bool] = True

    def __post_init__(self) -> None:
        not_negative("cross_contrast", weight=self.weight)
        above_zero("cross_contrast", hidden=self.hidden)

    def head(self, widths: Widths) -> nn.Module:
        """Features and protocol to an intensity."""
        seen = widths.decoded[0] + len(PROTOCOL)
        first, second = nn.Linear(seen, self.hidden), nn.Linear(self.hidden, self.hidden)
        return nn.Sequential(first, nn.GELU(), second, nn.GELU(), nn.Linear(self.hidden, 1))

    def rows(self, head: nn.Module, seen: Seen) -> Rows:
        """Each pair's distance, and whether it counts, ``[sample]``."""
        batch = seen.batch
        a, b = seen.decoded[0].chunk(2)
        there = _foretold(head, read_points(a, batch["points_a"]), batch["protocol_b"])
        back = _foretold(head, read_points(b, batch["points_b"]), batch["protocol_a"])
        shown_a = read_points(batch["clean_a"], batch["points_a"])[..., 0]
        shown_b = read_points(batch["clean_b"], batch["points_b"])[..., 0]
        distance = 0.5 * ((there - shown_b).abs() + (back - shown_a).abs()).mean(dim=1)
        return {"distance": distance, "known": batch["protocol_known"][:, 0]}

    def loss(self, rows: Rows, across: Across) -> Tensor:
        """The mean over the pairs that count, of the whole batch."""
        return mean_of_known(rows["distance"], rows["known"], across)


def _foretold(head: nn.Module, features: Tensor, protocol: Tensor) -> Tensor:
    stated = protocol[:, None].expand(-1, features.shape[1], -1)
    return full_precision(head(torch.cat((features, stated), dim=2))[..., 0])


def mean_of_known(values: Tensor, known: Tensor, across: Across) -> Tensor:
    """This process's share of the mean of those ``values`` that are known, among those of the whole batch."""
    count = across.gather(known).sum().clamp(min=1)
    return (values * known).sum() * across.count / count
