"""Masked reconstruction: He et al. 2022 (doi:10.1109/CVPR52688.2022.01553); with convolutions, hidden voxels are zero
as in SimMIM (Xie et al. 2022, doi:10.1109/CVPR52688.2022.00943).
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from qontrast.basics.errors import PlanError
from qontrast.basics.shapes import full_precision
from qontrast.objectives.objective import Across, Objective, Rows, Seen, Widths, above_zero, not_negative


@dataclass(frozen=True)
class Masked(Objective):
    """Blocks of each view are hidden, and made again from what is around them.

    Args:
        weight: of the loss; 0 leaves it out.
        block: edge of the hidden blocks, voxels.
        share: of the blocks that are hidden.
        clean: whether the view without artefacts is asked for, or the view as it is.
    """

    weight: float = 0.0
    block: int = 8
    share: float = 0.6
    clean: bool = True
    needs_decoder: ClassVar[bool] = True

    def __post_init__(self) -> None:
        not_negative("masked", weight=self.weight)
        above_zero("masked", block=self.block)
        if not 0 < self.share < 1:
            raise PlanError("objectives.masked.share", f"{self.share:g}", "a share between 0 and 1")

    @property
    def needs_clean(self) -> bool:  # type: ignore[override]
        """Whether it asks for the views without artefacts."""
        return self.clean

    def head(self, widths: Widths) -> nn.Module:
        """To one channel."""
        return nn.Conv3d(widths.decoded[0], 1, 1)

    def rows(self, head: nn.Module, seen: Seen) -> Rows:
        """Each pair's mean squared distance over the hidden voxels, ``[sample]``."""
        hidden = torch.cat((seen.batch["hidden_a"], seen.batch["hidden_b"]))
        hidden = grown(hidden, self.block, tuple(seen.images.shape[2:]))
        # Views have mean 0, which is what a hidden voxel shows.
        levels = seen.encoder.features(seen.images.masked_fill(hidden, 0.0))
        images = full_precision(head(seen.decode(levels)[0]))
        names = ("clean_a", "clean_b") if self.clean else ("a", "b")
        wanted = torch.cat([seen.batch[name] for name in names])
        distance = ((images - wanted).square() * hidden).sum(dim=(1, 2, 3, 4)) / hidden.sum(dim=(1, 2, 3, 4))
        return {"distance": torch.stack(distance.chunk(2)).mean(dim=0)}

    def loss(self, rows: Rows, across: Across) -> Tensor:
        """The mean over this process's pairs."""
        return rows["distance"].mean()


def grown(blocks: Bool[Tensor, "image u v w"], edge: int, shape: tuple[int, ...]) -> Bool[Tensor, "image 1 x y z"]:
    """Blocks as the voxels of an image of ``shape``; the last ones are cut where it ends."""
    for axis in (1, 2, 3):
        blocks = blocks.repeat_interleave(edge, dim=axis)
    return blocks[:, None, : shape[0], : shape[1], : shape[2]]
