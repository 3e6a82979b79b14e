"""Segmentation without training: each voxel is what the most similar labelled voxels are."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qontrast.basics.errors import InputError
from qontrast.basics.shapes import Volume
from qontrast.nets.contract import Encoder
from qontrast.nets.linear_probe import enlarge
from qontrast.nets.padding import check_shape, pad_saying

ROWS = 4096
"""Voxels that are compared with the bank at a time."""
NEVER = 1e-4
"""Share of a class that none of the neighbours has: a logarithm needs more than 0."""


class Neighbours(nn.Module):
    """Encoder, and a bank of labelled voxels' features that are asked by their cosine.

    Wu et al. 2018 (arXiv:1805.01978) for images; here the sample is a voxel. Its features are those of all levels,
    enlarged to the image's grid, each level scaled to length 1 so that none outweighs the others.

    Args:
        encoder: whose features are compared.
        classes: number of output channels.
        size: of the bank.
        neighbours: that are asked.
    """

    bank: Tensor
    truth: Tensor
    neighbours: Tensor

    def __init__(self, encoder: Encoder, classes: int, size: int = 0, neighbours: int = 20) -> None:
        super().__init__()
        self.encoder, self.classes = encoder, classes
        self.register_buffer("bank", torch.zeros(size, sum(encoder.features_per_level)))
        self.register_buffer("truth", torch.zeros(size, dtype=torch.long))
        self.register_buffer("neighbours", torch.tensor(neighbours))

    @torch.no_grad()
    def describe(self, image: Volume) -> Tensor:
        """Features ``[batch, feature, x, y, z]`` of every voxel, of length 1.

        Raises:
            InputError: if an edge of the image is no multiple of the deepest stride, or none is longer than it.
        """
        levels = [F.normalize(enlarge(level.float(), image), dim=1) for level in self.encoder.features(image)]
        return torch.cat(levels, dim=1) / len(levels) ** 0.5

    def keep(self, features: Tensor, classes: Tensor) -> None:
        """Make a bank of features ``[voxel, feature]`` and their classes ``[voxel]``.

        Raises:
            InputError: if there are fewer of them than neighbours that are to be asked.
        """
        asked = int(self.neighbours)
        if len(features) < asked:
            raise InputError(
                "schedule.neighbours", f"{asked} with {len(features)} labelled voxels", "no more than these"
            )
        self.bank, self.truth = features.to(self.bank), classes.to(self.truth)

    @torch.no_grad()
    def forward(self, image: Volume) -> Tensor:
        """Logarithm of the share of each class among the nearest neighbours, ``[batch, classes, x, y, z]``."""
        padded, slices = pad_saying(image, self.encoder.strides[-1])
        check_shape(padded, self.encoder.strides[-1])
        found = self.describe(padded)
        voxels = found.movedim(1, -1).flatten(0, 3)
        shares = torch.cat([self.shares(some) for some in voxels.split(ROWS)])
        logits = shares.clamp(min=NEVER).log().unflatten(0, (len(padded), *padded.shape[2:])).movedim(-1, 1)
        return logits if padded is image else logits[(..., *slices)]

    def shares(self, voxels: Tensor) -> Tensor:
        """Share of each class ``[voxel, class]`` among the nearest in the bank of features ``[voxel, feature]``."""
        nearest = (voxels @ self.bank.T).topk(int(self.neighbours), dim=1).indices
        return F.one_hot(self.truth[nearest], self.classes).float().mean(dim=1)
