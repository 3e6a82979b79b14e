"""Barlow Twins: Zbontar et al. 2021 (arXiv:2103.03230)."""

import torch
from torch import Tensor

from qontrast.basics.shapes import Embeddings, full_precision
from qontrast.losses.moments import off_diagonal, paired


def barlow_twins(a: Embeddings, b: Embeddings, redundancy: float = 5e-3) -> Tensor:
    """Sum over i of (1 - C_ii)^2 plus ``redundancy`` times the sum over i != j of C_ij^2, in single precision.

    C is the correlation over the batch of feature i of one view with feature j of the other: 1 on the diagonal where
    both views embed alike, 0 beside it where no feature repeats another.

    Args:
        a, b: embeddings of the two views, row by row of the same subjects, ``[N, feature]``.
        redundancy: lambda; the paper's 5e-3.

    Raises:
        InputError: if the shapes differ or there is a single subject, which has no correlation.
    """
    paired("Barlow Twins", a, b)
    with torch.autocast(a.device.type, enabled=False):
        one, other = (_standard(full_precision(z)) for z in (a, b))
        correlation = one.T @ other / len(one)
        return (1 - correlation.diagonal()).square().sum() + redundancy * off_diagonal(correlation).square().sum()


def _standard(z: Embeddings) -> Embeddings:
    centred = z - z.mean(dim=0)
    return centred / (centred.square().mean(dim=0) + 1e-8).sqrt()
