"""Blocks that train faster on a CPU: the same functions under the same names, put in place by :func:`quicken`.

On a GPU they are torch's own, and so are all but the norm in ``eval``.
"""

from typing import Literal

import torch
from torch import nn

from qontrast.nets.quick_convolution import QuickConv3d
from qontrast.nets.quick_dropout import QuickDropout
from qontrast.nets.quick_norm import QuickInstanceNorm3d
from qontrast.nets.quick_transpose import QuickConvTranspose3d

Layout = Literal["contiguous", "channels_last"]
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last_3d}


def quicken(net: nn.Module, layout: Layout = "contiguous") -> nn.Module:
    """Put quick blocks in the place of dropout, instance norm and convolutions, and lay the weights out.

    Nothing that the network computes changes but the numbers that dropout draws, and roundings; parameters stay the
    same tensors under the same names, so it may be done before or after loading, and an optimiser keeps working.

    Args:
        net: any network; changed in place.
        layout: order of the weights in memory, which the maps follow. ``contiguous`` was the faster of the two where
            there is AVX2 alone, ``channels_last`` with AMX; on other processors and on GPUs, measure.

    Returns:
        The network itself.
    """
    for module in net.modules():
        for child in module.children():
            if type(child) in QUICK:
                child.__class__ = QUICK[type(child)]  # adds no attributes and no parameters, only another forward
    net.to(memory_format=LAYOUTS[layout])  # type: ignore[call-overload]
    return net


QUICK: dict[type, type] = {
    nn.Dropout: QuickDropout,
    nn.InstanceNorm3d: QuickInstanceNorm3d,
    nn.Conv3d: QuickConv3d,
    nn.ConvTranspose3d: QuickConvTranspose3d,
}
