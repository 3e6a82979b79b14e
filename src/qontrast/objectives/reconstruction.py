"""Reconstruction of each view without its artefacts."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from qontrast.basics.shapes import full_precision
from qontrast.nets.heads import Reconstructor
from qontrast.objectives.objective import Across, Objective, Rows, Seen, Widths, not_negative


@dataclass(frozen=True)
class Reconstruction(Objective):
    """The mean absolute distance between what is made of a view's features and the view without artefacts.

    Args:
        weight: of the loss; 0 leaves it out.
        of: made of the ``deepest`` features by transposed convolutions (the method's), or of the ``decoder``'s finest.
    """

    weight: float = 1.0
    of: Literal["deepest", "decoder"] = "deepest"
    needs_clean: ClassVar[bool] = True

    def __post_init__(self) -> None:
        not_negative("reconstruction", weight=self.weight)

    @property
    def needs_decoder(self) -> bool:  # type: ignore[override]
        """Whether it is made of the decoder's features."""
        return self.of == "decoder"

    def head(self, widths: Widths) -> nn.Module:
        """To one channel."""
        if self.of == "decoder":
            return nn.Conv3d(widths.decoded[0], 1, 1)
        return Reconstructor(widths.encoded[-1], widths.encoded_strides[-1])

    def rows(self, head: nn.Module, seen: Seen) -> Rows:
        """Each pair's distance, ``[sample]``."""
        images = full_precision(head(seen.decoded[0] if self.of == "decoder" else seen.deepest))
        clean = torch.cat((seen.batch["clean_a"], seen.batch["clean_b"]))
        distance = (images - clean).abs().mean(dim=(1, 2, 3, 4))
        return {"distance": torch.stack(distance.chunk(2)).mean(dim=0)}

    def loss(self, rows: Rows, across: Across) -> Tensor:
        """The mean over this process's pairs."""
        return rows["distance"].mean()
