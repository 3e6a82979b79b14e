"""An encoder with a linear layer on its embedding: one number for each image."""

from torch import Tensor, nn

from qontrast.basics.shapes import PerBatch, Volume
from qontrast.nets.contract import Encoder


class SubjectNet(nn.Module):
    """Image to a number, such as a standardised age or the logit of a sex.

    Args:
        encoder: whose embedding is read.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.linear = nn.Linear(encoder.features_per_level[-1], 1)

    def forward(self, image: Volume) -> PerBatch:
        """``[batch, 1, x, y, z]`` to ``[batch]``."""
        return self.read(self.encoder.embed(image))

    def read(self, embedding: Tensor) -> PerBatch:
        """Embeddings ``[batch, feature]``, of images or means over windows, to ``[batch]``."""
        return self.linear(embedding)[:, 0]
