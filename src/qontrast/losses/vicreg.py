"""VICReg, variance-invariance-covariance regularisation: Bardes et al. 2022 (arXiv:2105.04906)."""

import torch
from torch import Tensor

from qontrast.basics.shapes import Embeddings, full_precision
from qontrast.losses.moments import off_diagonal, paired


def vicreg(
    a: Embeddings, b: Embeddings, invariance: float = 25.0, variance: float = 25.0, covariance: float = 1.0
) -> Tensor:
    """The paper's three terms with its weights, the variance averaged over both views, in single precision.

    Args:
        a, b: embeddings of the two views, row by row of the same subjects, ``[N, feature]``.
        invariance: weight of the mean squared distance of both views.
        variance: weight of :func:`spread`.
        covariance: weight of :func:`redundancy`.

    Raises:
        InputError: if the shapes differ or there is a single row, which has no variance.
    """
    paired("VICReg", a, b)
    with torch.autocast(a.device.type, enabled=False):
        one, other = full_precision(a), full_precision(b)
        return (
            invariance * torch.nn.functional.mse_loss(one, other)
            + variance * 0.5 * (spread(one) + spread(other))
            + covariance * (redundancy(one) + redundancy(other))
        )


def spread(z: Embeddings) -> Tensor:
    """By how much each feature's standard deviation over the batch falls short of 1, on average over the features."""
    deviation = (z.var(dim=0) + 1e-4).sqrt()
    return torch.nn.functional.relu(1 - deviation).mean()


def redundancy(z: Embeddings) -> Tensor:
    """The squared covariances of different features, summed and divided by the number of features."""
    centred = z - z.mean(dim=0)
    covariance = centred.T @ centred / (len(z) - 1)
    return off_diagonal(covariance).square().sum() / z.shape[1]
