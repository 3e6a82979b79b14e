"""Instance norm that keeps the order ``channels_last_3d``."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

LAST = torch.channels_last_3d


class QuickInstanceNorm3d(nn.InstanceNorm3d):
    """Instance norm, sample by sample as batch norm of one, where channels are last in memory.

    torch's own puts all samples' channels side by side, for which it copies the whole map into the other order; the
    convolution after it copies it back.
    """

    def forward(self, x: Tensor) -> Tensor:
        """See :class:`torch.nn.InstanceNorm3d`."""
        last = x.dim() == 5 and x.is_contiguous(memory_format=LAST) and not x.is_contiguous()
        one = x[0, 0].numel() == 1  # torch's own refuses it, and says why
        if not last or one or x.device.type != "cpu" or self.track_running_stats:
            return super().forward(x)
        return _Normalise.apply(x, self.weight, self.bias, self.eps)


class _Normalise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
        out, statistics = torch.empty_like(x), []
        kind = x.dtype if weight is None else weight.dtype
        for sample, place in zip(x.split(1), out.split(1), strict=True):
            found = [torch.empty(x.shape[1], dtype=kind) for _ in range(2)]
            torch.native_batch_norm(sample, weight, bias, None, None, True, 0.0, eps, out=(place, *found))
            statistics += found
        ctx.save_for_backward(x, weight, *statistics)
        ctx.eps = eps
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, weight, *statistics = ctx.saved_tensors
        wanted = [ctx.needs_input_grad[0], weight is not None, weight is not None]
        gradient = gradient.contiguous(memory_format=LAST)
        for_x, totals = torch.empty_like(x), []
        for i, (sample, above, place) in enumerate(zip(x.split(1), gradient.split(1), for_x.split(1), strict=True)):
            mean, inverse = statistics[2 * i : 2 * i + 2]
            found, *affine = torch.ops.aten.native_batch_norm_backward(
                above, sample, weight, None, None, mean, inverse, True, ctx.eps, wanted
            )
            if wanted[0]:
                place.copy_(found)
            totals.append(affine)
        if weight is None:
            return for_x, None, None, None
        for_weight, for_bias = (torch.stack(parts).sum(dim=0) for parts in zip(*totals, strict=True))
        return for_x, for_weight, for_bias, None
