"""The method's convolutional encoder, of the blocks of MONAI's BasicUNet, so that its parameters carry their names.

Five levels; each halves the grid by max pooling and applies two convolutions of 3³ with instance norm and GELU.
Chalcroft et al. 2025 (arXiv:2501.12057); the blocks: Falk et al. 2019 (doi:10.1038/s41592-018-0261-2) in MONAI.
"""

from collections.abc import Sequence
from typing import Any

from monai.networks.nets.basic_unet import Down, TwoConv
from torch import Tensor

from qontrast.basics.errors import InputError
from qontrast.basics.shapes import Volume
from qontrast.nets.contract import Encoder

LEVELS = 5
STRIDE = 2 ** (LEVELS - 1)


class CNNEncoder(Encoder):
    """Image to a pyramid of features.

    Args:
        features: channels of the five levels, finest first.
        in_channels: channels of the image.
        act: activation, as MONAI names it.
        norm: normalisation, as MONAI names it.
        bias: whether convolutions have a bias.
        dropout: share of activations dropped in training.

    Raises:
        InputError: if there are not five levels.
    """

    family = "cnn"

    def __init__(
        self,
        features: Sequence[int],
        in_channels: int = 1,
        act: Any = "GELU",
        norm: Any = "instance",
        bias: bool = True,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if len(features) != LEVELS:
            raise InputError("encoder", f"{len(features)} levels", f"channels for {LEVELS} levels")
        self.features_per_level = tuple(int(f) for f in features)
        self.strides = tuple(2**level for level in range(LEVELS))
        self.settings = {
            "family": self.family,
            "in_channels": in_channels,
            "act": act,
            "norm": norm,
            "bias": bias,
            "dropout": dropout,
        }
        f = self.features_per_level
        self.conv_0 = TwoConv(3, in_channels, f[0], act, norm, bias, dropout)
        self.down_1 = Down(3, f[0], f[1], act, norm, bias, dropout)
        self.down_2 = Down(3, f[1], f[2], act, norm, bias, dropout)
        self.down_3 = Down(3, f[2], f[3], act, norm, bias, dropout)
        self.down_4 = Down(3, f[3], f[4], act, norm, bias, dropout)

    def pyramid(self, image: Volume) -> tuple[Tensor, ...]:
        """The five feature maps, finest first; each edge is half of the one before."""
        levels = [self.conv_0(image)]
        for down in (self.down_1, self.down_2, self.down_3, self.down_4):
            levels.append(down(levels[-1]))
        return tuple(levels)
