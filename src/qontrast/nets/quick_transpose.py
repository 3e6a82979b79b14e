"""A transposed convolution that doubles a grid, with gradients by two matrix products."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from qontrast.basics.shapes import AnyVolume


class QuickConvTranspose3d(nn.ConvTranspose3d):
    """A transposed convolution of 2³ and stride 2: its outputs do not overlap, so it is one matrix for all voxels.

    oneDNN takes its gradients as those of any strided convolution, which costs many times as much on a CPU.
    """

    def forward(self, x: AnyVolume, output_size: list[int] | None = None) -> Tensor:
        """See :class:`torch.nn.ConvTranspose3d`."""
        twice = self.kernel_size == self.stride == (2, 2, 2) and self.groups == 1 and self.dilation == (1, 1, 1)
        plain = not any(self.padding) and not any(self.output_padding) and output_size is None
        if not (twice and plain and self.training and x.device.type == "cpu"):
            return super().forward(x, output_size)
        weight, bias = self.weight, self.bias
        if torch.is_autocast_enabled("cpu"):
            dtype = torch.get_autocast_dtype("cpu")
            x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
        doubled: Tensor = _Doubling.apply(x, weight, bias)
        return doubled


class _Doubling(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.biased = bias is not None
        return F.conv_transpose3d(x, weight, bias, stride=2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        batch, wide, a, b, c = x.shape
        narrow = weight.shape[1]
        # Each voxel's eight children in a row, ``[voxel, 2 2 2 channel]``.
        children = gradient.movedim(1, -1).reshape(batch, a, 2, b, 2, c, 2, narrow)
        rows = children.permute(0, 1, 3, 5, 2, 4, 6, 7).reshape(-1, 8 * narrow)
        matrix = weight.permute(0, 2, 3, 4, 1).reshape(wide, 8 * narrow)
        for_x = for_weight = for_bias = None
        if ctx.needs_input_grad[0]:
            for_x = (rows @ matrix.T).reshape(batch, a, b, c, wide).movedim(-1, 1)
        if ctx.needs_input_grad[1]:
            seen = x.movedim(1, -1).reshape(-1, wide)
            for_weight = (seen.T @ rows).reshape(wide, 2, 2, 2, narrow).movedim(-1, 1)
        if ctx.biased and ctx.needs_input_grad[2]:
            for_bias = gradient.sum(dim=(0, 2, 3, 4))
        return for_x, for_weight, for_bias
