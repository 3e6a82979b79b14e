"""What every objective is: a head on the networks, rows that it makes of a batch, and a loss of all rows.

The two halves are apart so that a batch may be spread over processes and over passes. Of its own samples each process
makes *rows*, tensors whose first axis is the sample. A loss sees the process's own rows, and gathers from all others
what it needs of them. The mean of the processes' losses is that of one process with the whole batch.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor, nn

from qontrast.basics.errors import PlanError
from qontrast.basics.shapes import Embeddings, full_precision
from qontrast.nets.contract import Encoder
from qontrast.nets.decoder import Decoder

Rows = dict[str, Tensor]
"""By name, ``[sample, ...]`` each."""


@dataclass(frozen=True)
class Across:
    """The processes that share a batch.

    Args:
        rank: this one's number.
        count: how many there are.
        gather: from ``[sample, ...]`` to those of all processes, one rank after the other, with gradients.
    """

    rank: int = 0
    count: int = 1
    gather: Callable[[Tensor], Tensor] = lambda rows: rows


@dataclass(frozen=True)
class Widths:
    """What a head can be put on.

    Args:
        encoded: channels of the encoder's levels, finest first.
        encoded_strides: of each of them relative to the image.
        decoded: channels of the decoder's levels, finest first; none where no objective asks for a decoder.
    """

    encoded: tuple[int, ...]
    encoded_strides: tuple[int, ...]
    decoded: tuple[int, ...]


class Seen:
    """What the networks make of a batch of pairs, worked out once for all objectives, and when it is asked for.

    Args:
        batch: what the views' maker made, ``[sample, ...]`` each.
        encoder: sees the images.
        decoder: None where no objective asks for one.
        pyramid: whether any objective asks for more than the deepest level.
    """

    def __init__(self, batch: dict[str, Tensor], encoder: Encoder, decoder: Decoder | None, pyramid: bool) -> None:
        self.batch, self.encoder, self.decoder, self.pyramid = batch, encoder, decoder, pyramid

    @cached_property
    def images(self) -> Tensor:
        """Both views, all a's and then all b's, ``[2 sample, 1, x, y, z]``."""
        return torch.cat((self.batch["a"], self.batch["b"]))

    @cached_property
    def encoded(self) -> tuple[Tensor, ...]:
        """The encoder's levels, finest first."""
        return self.encoder.features(self.images)

    @cached_property
    def deepest(self) -> Tensor:
        """The encoder's last level; some have a shorter way to it than to all of them."""
        return self.encoded[-1] if self.pyramid else self.encoder.deepest(self.images)

    @cached_property
    def decoded(self) -> tuple[Tensor, ...]:
        """The decoder's levels, finest first."""
        return self.decode(self.encoded)

    @cached_property
    def pooled(self) -> Embeddings:
        """One vector per image, ``[2 sample, feature]``."""
        return full_precision(self.deepest).mean(dim=(2, 3, 4))

    def decode(self, levels: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """What the decoder makes of the encoder's levels."""
        assert self.decoder is not None
        return self.decoder(levels)


class Objective(ABC):
    """One objective. Leaves are frozen dataclasses: their fields are the plan's.

    Args:
        weight: of its loss in the sum; 0 leaves it out.
    """

    weight: float
    needs_decoder: ClassVar[bool] = False
    needs_pyramid: ClassVar[bool] = False
    needs_points: ClassVar[bool] = False
    needs_tissue: ClassVar[bool] = False
    needs_protocol: ClassVar[bool] = False
    needs_clean: ClassVar[bool] = False

    @abstractmethod
    def head(self, widths: Widths) -> nn.Module:
        """What it puts on the networks."""

    @abstractmethod
    def rows(self, head: nn.Module, seen: Seen) -> Rows:
        """What it makes of a batch, or of a part of one."""

    @abstractmethod
    def loss(self, rows: Rows, across: Across) -> Tensor:
        """Of a process's rows; its mean over the processes is the whole batch's."""


def above_zero(where: str, **values: float) -> None:
    """Refuse values of a plan that are not finite numbers above 0.

    Raises:
        PlanError: with the field and the value.
    """
    for name, value in values.items():
        if not 0 < value < float("inf"):
            raise PlanError(f"objectives.{where}.{name}", f"{value:g}", "a finite number above 0")


def not_negative(where: str, **values: float) -> None:
    """The same for values that may be 0."""
    for name, value in values.items():
        if not 0 <= value < float("inf"):
            raise PlanError(f"objectives.{where}.{name}", f"{value:g}", "a finite number, 0 or more")
