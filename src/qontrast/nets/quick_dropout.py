"""Dropout that draws few random bits and applies them as masks of bits."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

WHOLE = {torch.bfloat16: torch.int16, torch.float16: torch.int16, torch.float32: torch.int32}
"""Whole numbers of the same width, whose bits a mask of ones keeps and one of zeros clears."""
BITS = {torch.int16: 15, torch.int32: 31}


class QuickDropout(nn.Dropout):
    """Dropout that compares 15 random bits of a half-precision voxel (31 of single precision) with the probability.

    The probability is met to 2^-16 (2^-32). torch's generator gives a seed, and NumPy's SFC64 the bits, which it makes
    several times as fast; masks are kept for the way back.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Drops in training; see :class:`torch.nn.Dropout`."""
        quick = x.device.type == "cpu" and x.dtype in WHOLE and 0 < self.p < 1 and not self.inplace
        return _Drop.apply(x, self.p) if self.training and quick else super().forward(x)


class _Drop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float) -> Tensor:
        strides = torch.empty_like(x, device="meta").stride()
        kept = _kept(x.numel(), p, WHOLE[x.dtype]).as_strided(x.shape, strides)
        ctx.save_for_backward(kept)
        ctx.scale = 1 / (1 - p)
        return _masked(x, ctx.scale, kept)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (kept,) = ctx.saved_tensors
        return _masked(gradient, ctx.scale, kept), None


def _kept(count: int, p: float, kind: torch.dtype) -> Tensor:
    """``count`` numbers, each with all bits set or, with probability ``p``, with none."""
    seed = int(torch.empty((), dtype=torch.int64).random_())
    words = np.random.SFC64(seed).random_raw(-(-count * kind.itemsize // 8))
    bits = torch.from_numpy(words.view(np.int64)).view(kind)[:count]
    half = 2 ** (BITS[kind] - 1)  # one bit less than there is room for, so that the difference below has a sign
    # kept where the number is not below the threshold: threshold - 1 - number is then negative, and its sign fills it
    threshold = round(p * 2 * half) - half
    return bits.bitwise_right_shift_(1).neg_().add_(threshold - 1).bitwise_right_shift_(BITS[kind])


def _masked(x: Tensor, scale: float, kept: Tensor) -> Tensor:
    out = x * scale
    out.view(kept.dtype).bitwise_and_(kept)
    return out
