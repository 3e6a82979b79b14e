"""A residual encoder: strided convolutions, and more blocks the deeper the level.

The idea is nnU-Net's ResEnc (Isensee et al. 2024, arXiv:2404.09556) with the blocks of He et al. 2016
(doi:10.1109/CVPR.2016.90) as MONAI has them, instance norm and leaky ReLU. It has five levels where nnU-Net takes as
many as the patch allows, so that it fits the same crops as the other networks; the numbers of blocks are ours.
"""

from collections.abc import Sequence

from monai.networks.blocks.dynunet_block import UnetResBlock
from torch import Tensor, nn

from qontrast.basics.errors import InputError
from qontrast.basics.shapes import Volume
from qontrast.nets.contract import Encoder

NORM = ("instance", {"affine": True})
ACT = ("leakyrelu", {"inplace": True, "negative_slope": 0.01})


class ResidualEncoder(Encoder):
    """Image to a pyramid of features; each level but the first begins with a block of stride 2.

    Args:
        features: channels of the levels, finest first.
        blocks: residual blocks of each level, of two convolutions of 3³ each.
        in_channels: channels of the image.

    Raises:
        InputError: if there are not two levels or more, or a level has no block.
    """

    family = "residual"

    def __init__(self, features: Sequence[int], blocks: Sequence[int], in_channels: int = 1) -> None:
        super().__init__()
        if len(features) < 2 or len(features) != len(blocks) or min(blocks) < 1:
            found = f"channels {tuple(features)} and blocks {tuple(blocks)}"
            raise InputError("encoder", found, "two levels or more, each with its channels and one block or more")
        self.features_per_level = tuple(int(f) for f in features)
        self.strides = tuple(2**level for level in range(len(features)))
        self.settings = {"family": self.family, "blocks": [int(n) for n in blocks], "in_channels": in_channels}
        self.levels = nn.ModuleList()
        before = in_channels
        for level, (width, count) in enumerate(zip(self.features_per_level, blocks, strict=True)):
            first = UnetResBlock(3, before, width, 3, 2 if level else 1, NORM, ACT)
            rest = [UnetResBlock(3, width, width, 3, 1, NORM, ACT) for _ in range(count - 1)]
            self.levels.append(nn.Sequential(first, *rest))
            before = width

    def pyramid(self, image: Volume) -> tuple[Tensor, ...]:
        """The feature maps, finest first; each edge is half of the one before."""
        maps = []
        for level in self.levels:
            image = level(image)
            maps.append(image)
        return tuple(maps)
