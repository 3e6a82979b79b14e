"""What sits on the encoder while it is pretrained, and is thrown away after."""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from qontrast.basics.shapes import Embeddings, Volume, full_precision


class Projector(nn.Module):
    """Pooled features to the space of the contrastive loss: two linear layers with GELU between them.

    Args:
        features: of the encoder's deepest level.
        hidden: width between.
        out: dimension of the embedding.
    """

    def __init__(self, features: int, hidden: int = 512, out: int = 128) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(features, hidden), nn.GELU(), nn.Linear(hidden, out))

    def forward(self, pooled: Embeddings) -> Float[Tensor, "batch out"]:
        """``[batch, features]`` to ``[batch, out]``."""
        return self.layers(pooled)


class Reconstructor(nn.Module):
    """Deepest features to an image of the input's size: transposed convolutions that each double the grid.

    Args:
        features: of the encoder's deepest level.
        stride: of that level, a power of two.
    """

    def __init__(self, features: int, stride: int = 16) -> None:
        super().__init__()
        widths = [features, *(max(8, features // 2**i) for i in range(1, stride.bit_length()))]
        ups: list[nn.Module] = []
        for wide, narrow in pairwise(widths):
            ups += [nn.ConvTranspose3d(wide, narrow, 2, stride=2), nn.GELU()]
        self.layers = nn.Sequential(*ups[:-1], nn.Conv3d(widths[-1], 1, 1))

    def forward(self, deepest: Tensor) -> Volume:
        """``[batch, features, x, y, z]`` to ``[batch, 1, stride x, stride y, stride z]``."""
        return full_precision(self.layers(deepest))
