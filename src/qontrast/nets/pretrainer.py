"""The encoder with the two heads that it is pretrained with."""

from torch import Tensor, nn

from qontrast.basics.shapes import Embeddings, Volume
from qontrast.nets.encoder import CNNEncoder, pool
from qontrast.nets.heads import Projector, Reconstructor


class Pretrainer(nn.Module):
    """Images to their embeddings and their reconstructions.

    Args:
        encoder: what is pretrained, and all that is kept.
    """

    def __init__(self, encoder: CNNEncoder) -> None:
        super().__init__()
        deepest = encoder.features_per_level[-1]
        self.encoder = encoder
        self.projector = Projector(deepest)
        self.reconstructor = Reconstructor(deepest)

    def forward(self, image: Volume) -> tuple[Embeddings, Tensor]:
        """Embeddings ``[batch, 128]`` and reconstructions of the image's shape."""
        deepest = self.encoder(image)
        return self.projector(pool(deepest)), self.reconstructor(deepest)
