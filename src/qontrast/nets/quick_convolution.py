"""A convolution that small samples do not slow, whose gradient is quick with AVX2 alone and right on shallow maps."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.grad import conv2d_weight, conv3d_input

from qontrast.basics.shapes import Volume


class QuickConv3d(nn.Conv3d):
    """A convolution of 3³ whose weights' gradient is taken slice by slice, where the processor has AVX2 and no more.

    oneDNN has no kernel for that gradient in three dimensions there and falls back to matrix products of copied
    patches, but it has one in two. The gradient for each of the three taps along x is a sum over slices of such.

    In bfloat16, on a processor with AVX512-BF16 but no AMX, that of a map of two voxels or more that is shallower than
    its kernel holds numbers that nobody wrote (oneDNN of torch 2.13): often not finite, wrong wherever the stride is 1.
    Such a map is small, and is convolved in single precision.

    Where it predicts, torch keeps one small sample from oneDNN (channels times its first two edges up to 20,480:
    ``use_mkldnn`` in its Convolution.cpp), and takes two to eight times as long; it is handed over.
    """

    def forward(self, x: Volume) -> Tensor:
        """See :class:`torch.nn.Conv3d`."""
        shallow = 1 < x.shape[2] < self.kernel_size[0] and x.device.type == "cpu" and torch.is_grad_enabled()
        if shallow and torch.is_autocast_enabled("cpu"):
            with torch.autocast("cpu", enabled=False):
                return super().forward(x.float()).to(torch.get_autocast_dtype("cpu"))
        plain = self.kernel_size == (3, 3, 3) and self.padding == self.stride == self.dilation == (1, 1, 1)
        plain = plain and self.groups == 1 and self.padding_mode == "zeros" and x.dim() == 5
        single = x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        if not plain or not single or x.device.type != "cpu":
            return super().forward(x)
        if self.training and SLICED and 1 < self.in_channels <= WIDEST and x.is_contiguous():
            return _SlicedConvolution.apply(x, self.weight, self.bias)
        if ONE_DNN and not torch.is_grad_enabled():
            return torch.mkldnn_convolution(x, self.weight, self.bias, (1, 1, 1), self.stride, self.dilation, 1)
        return super().forward(x)


ONE_DNN = torch.backends.mkldnn.is_available()
SLICED = torch.backends.cpu.get_cpu_capability() == "AVX2"
WIDEST = 192
"""Channels above which two dimensions were no faster than three, measured at the grids where networks have so many."""


class _SlicedConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.biased = bias is not None
        return F.conv3d(x, weight, bias, padding=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        gradient = gradient.contiguous()
        for_x = for_weight = for_bias = None
        if ctx.needs_input_grad[0]:
            for_x = conv3d_input(x.shape, weight, gradient, padding=1)
        if ctx.needs_input_grad[1]:
            for_weight = weight_gradient(x, gradient)
        if ctx.biased and ctx.needs_input_grad[2]:
            for_bias = gradient.sum(dim=(0, 2, 3, 4))
        return for_x, for_weight, for_bias


def weight_gradient(x: Volume, gradient: Tensor) -> Tensor:
    """Gradient ``[out, in, 3, 3, 3]`` of a convolution's weights, stride and padding 1, through slices along x.

    Args:
        x: its input ``[batch, in, x, y, z]``.
        gradient: of its output ``[batch, out, x, y, z]``.
    """
    wide, edge = (gradient.shape[1], x.shape[1]), x.shape[2]
    below, above = (v.permute(2, 0, 1, 3, 4).contiguous() for v in (x, gradient))  # slices first: taps are views
    found = x.new_zeros(*wide, 3, 3, 3)
    for tap in (-1, 0, 1):
        given = below[max(tap, 0) : edge + min(tap, 0)].flatten(0, 1)
        asked = above[max(-tap, 0) : edge - max(tap, 0)].flatten(0, 1)
        if len(given):
            found[:, :, tap + 1] = conv2d_weight(given, (*wide, 3, 3), asked, padding=1)
    return found
