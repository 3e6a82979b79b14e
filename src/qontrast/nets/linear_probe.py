"""A linear probe for voxels: one convolution of 1³ on the features of all levels, and nothing else that learns."""

import torch.nn.functional as F
from torch import Tensor, nn

from qontrast.basics.shapes import Volume
from qontrast.nets.contract import Encoder
from qontrast.nets.padding import check_shape, pad_saying


class LinearProbe(nn.Module):
    """Encoder, and a 1³ convolution from the maps of all levels, enlarged to the image's grid, to the classes.

    Alain and Bengio 2016 (arXiv:1610.01644). The convolution is applied to each level before it is enlarged
    (trilinearly): both are linear and one acts on channels, the other on space, so the order makes no difference but
    that the maps of all channels never lie at full resolution in memory.

    Args:
        encoder: whose features are read.
        classes: number of output channels.
    """

    def __init__(self, encoder: Encoder, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.levels = nn.ModuleList(
            nn.Conv3d(channels, classes, kernel_size=1, bias=number == 0)
            for number, channels in enumerate(encoder.features_per_level)
        )

    def forward(self, image: Volume) -> Tensor:
        """Logits ``[batch, classes, x, y, z]``; an image of another shape is padded as by the U-Net.

        Raises:
            InputError: if no edge of the image is longer than the deepest stride.
        """
        padded, slices = pad_saying(image, self.encoder.strides[-1])
        check_shape(padded, self.encoder.strides[-1])
        maps = [level(found) for level, found in zip(self.levels, self.encoder.features(padded), strict=True)]
        logits = sum((enlarge(one, padded) for one in maps[1:]), enlarge(maps[0], padded))
        return logits if padded is image else logits[(..., *slices)]


def enlarge(features: Tensor, image: Volume) -> Tensor:
    """Features ``[batch, channel, x / stride, ...]`` at every voxel of the image that they are of, trilinearly."""
    if features.shape[2:] == image.shape[2:]:
        return features
    return F.interpolate(features, size=image.shape[2:], mode="trilinear", align_corners=False)
