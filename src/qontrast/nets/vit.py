"""The method's vision transformer, with a pyramid so that decoders for convolutional encoders work on it.

Chalcroft et al. 2025 (arXiv:2501.12057). As their public code has it: MONAI's ViT with patches of 16³ by a strided
convolution, 12 blocks of 768 features, 12 heads, 3072 hidden units, learnt positions for images of 96³, dropout 0.2, a
bias for queries, keys and values; the embedding is the mean of the normalised tokens, without a class token. Parameters
below ``vit`` carry MONAI's names.

Ours, and so guesses: one network for all shapes, by positions interpolated as in Dosovitskiy et al. 2021
(arXiv:2010.11929), where the method trains at one; and the pyramid within the encoder. Its maps come from blocks 4, 7
and 10 as in UNETR (Hatamizadeh et al. 2022, doi:10.1109/WACV51458.2022.00181), which the method fine-tunes with, and
are brought to strides 2, 4 and 8 by transposed convolutions alone, as in ViTDet (Li et al. 2022, arXiv:2203.16527). No
contrastive loss on the embedding reaches the pyramid: only a decoder trains it.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from monai.networks.blocks.patchembedding import PatchEmbeddingBlock
from monai.networks.nets.basic_unet import TwoConv
from torch import Tensor, nn

from qontrast.basics.errors import InputError
from qontrast.basics.shapes import Volume
from qontrast.nets.contract import Encoder
from qontrast.nets.transformer import Tokens, TransformerBlock

PATCH = 16
STRIDES = (1, 2, 4, 8, PATCH)
TAPS = {2: 3, 4: 6, 8: 9}
"""Stride of a level to the index of the block that it is made of, where there are 12; else in proportion."""


class VisionTransformer(nn.Module):
    """MONAI's ViT by its parameter names, for images of any shape that patches of 16³ tile.

    Args:
        width: features of a token.
        hidden: units of the perceptrons.
        depth: number of blocks.
        heads: of each attention.
        image_size: voxels along the edges of the cube that the positions are learnt for.
        in_channels: channels of the image.
        dropout: share dropped in training.
    """

    def __init__(
        self, width: int, hidden: int, depth: int, heads: int, image_size: int, in_channels: int, dropout: float
    ) -> None:
        super().__init__()
        self.grid = image_size // PATCH
        self.patch_embedding = PatchEmbeddingBlock(
            in_channels, image_size, PATCH, width, heads, proj_type="conv", dropout_rate=dropout
        )
        self.blocks = nn.ModuleList(
            TransformerBlock(width, hidden, heads, dropout, qkv_bias=True) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, image: Volume) -> tuple[Tokens, list[Tokens]]:
        """Normalised tokens, and those after each block."""
        embedding = self.patch_embedding
        patches = embedding.patch_embeddings(image)
        tokens = patches.flatten(2).transpose(1, 2) + self.positions(tuple(patches.shape[2:]))
        tokens = embedding.dropout(tokens)
        after = []
        for block in self.blocks:
            tokens = block(tokens)
            after.append(tokens)
        return self.norm(tokens), after

    def positions(self, grid: tuple[int, ...]) -> Tokens:
        """Learnt positions ``[1, token, feature]``, interpolated linearly if the grid is not the one they are for."""
        learnt = self.patch_embedding.position_embeddings
        if grid == (self.grid,) * 3:
            return learnt
        volume = learnt.transpose(1, 2).unflatten(2, (self.grid,) * 3)
        return F.interpolate(volume, size=grid, mode="trilinear", align_corners=False).flatten(2).transpose(1, 2)


class ViTEncoder(Encoder):
    """Image to a pyramid of features of which the deepest are the tokens.

    Args:
        features: channels of the levels of strides 1, 2, 4, 8 and 16; the last is the width of a token.
        image_size: voxels along the edges of the cube that the positions are learnt for, a multiple of 16.
        hidden: units of the perceptrons.
        depth: number of blocks.
        heads: of each attention.
        in_channels: channels of the image.
        dropout: share dropped in training.

    Raises:
        InputError: if there are not five levels, the heads do not divide the width, or 16 not the image.
    """

    family = "vit"

    def __init__(
        self,
        features: Sequence[int],
        image_size: int = 96,
        hidden: int = 3072,
        depth: int = 12,
        heads: int = 12,
        in_channels: int = 1,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if len(features) != len(STRIDES):
            raise InputError("encoder", f"{len(features)} levels", f"channels for {len(STRIDES)} levels")
        *fine, width = self.features_per_level = tuple(int(f) for f in features)
        if width % heads or image_size % PATCH or image_size < PATCH or depth < 1:
            found = f"width {width}, {heads} heads, {depth} blocks, image size {image_size}"
            raise InputError("encoder", found, f"heads that divide the width, a block, a size that {PATCH} divides")
        self.strides = STRIDES
        self.settings = {
            "family": self.family,
            "image_size": image_size,
            "hidden": hidden,
            "depth": depth,
            "heads": heads,
            "in_channels": in_channels,
            "dropout": dropout,
        }
        self.vit = VisionTransformer(width, hidden, depth, heads, image_size, in_channels, dropout)
        self.finest = TwoConv(3, in_channels, fine[0], "GELU", "instance", True, 0.0)
        self.up_1, self.up_2, self.up_3 = (
            _enlarge(width, channels, PATCH // stride) for channels, stride in zip(fine[1:], STRIDES[1:], strict=False)
        )
        self.taps = [depth * TAPS[stride] // 12 for stride in STRIDES[1:-1]]

    def pyramid(self, image: Volume) -> tuple[Tensor, ...]:
        """The feature maps, finest first."""
        grid = tuple(n // PATCH for n in image.shape[2:])
        last, after = self.vit(image)
        ups = (self.up_1, self.up_2, self.up_3)
        middle = [up(_volume(after[tap], grid)) for up, tap in zip(ups, self.taps, strict=True)]
        return (self.finest(image), *middle, _volume(last, grid))

    def deepest(self, image: Volume) -> Tensor:
        """The normalised tokens as a volume; the rest of the pyramid is not made."""
        return _volume(self.vit(image)[0], tuple(n // PATCH for n in image.shape[2:]))


def _volume(tokens: Tokens, grid: tuple[int, ...]) -> Tensor:
    return tokens.transpose(1, 2).unflatten(2, grid)


def _enlarge(wide: int, narrow: int, factor: int) -> nn.Sequential:
    """Doubles the grid until it has grown by ``factor``; channels fall at the first step, normalised between steps."""
    layers: list[nn.Module] = [nn.ConvTranspose3d(wide, narrow, 2, stride=2)]
    for _ in range(factor.bit_length() - 2):
        layers += [nn.InstanceNorm3d(narrow), nn.GELU(), nn.ConvTranspose3d(narrow, narrow, 2, stride=2)]
    return nn.Sequential(*layers)
