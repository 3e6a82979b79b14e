"""The encoder with the two heads that it is pretrained with."""

from torch import Tensor, nn

from qontrast.basics.shapes import Embeddings, Volume
from qontrast.nets.contract import Encoder
from qontrast.nets.heads import Projector, Reconstructor
from qontrast.nets.padding import pool


class Pretrainer(nn.Module):
    """Images to their embeddings and their reconstructions.

    Args:
        encoder: what is pretrained, and all that is kept.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        deepest = encoder.features_per_level[-1]
        self.encoder = encoder
        self.projector = Projector(deepest)
        self.reconstructor = Reconstructor(deepest, encoder.strides[-1])

    def forward(self, image: Volume) -> tuple[Embeddings, Tensor]:
        """Embeddings ``[batch, 128]`` and reconstructions of the image's shape."""
        deepest, shape = self.encoder(image), image.shape[2:]
        rebuilt = self.reconstructor(deepest)[..., : shape[0], : shape[1], : shape[2]]
        return self.projector(pool(deepest, tuple(shape), self.encoder.strides[-1])), rebuilt
