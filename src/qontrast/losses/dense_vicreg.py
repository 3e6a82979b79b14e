"""VICReg on matched voxels: Bardes et al. 2022 (arXiv:2210.01571), by known correspondence alone."""

import torch
from torch import Tensor

from qontrast.basics.errors import InputError
from qontrast.basics.shapes import Bank, PointFeatures, full_precision
from qontrast.losses.vicreg import redundancy, spread


def dense_vicreg(
    a: PointFeatures,
    b: PointFeatures,
    everywhere: tuple[Bank, Bank],
    invariance: float = 25.0,
    variance: float = 25.0,
    covariance: float = 1.0,
) -> Tensor:
    """Invariance of the matched points; variance and covariance over points of every crop of the whole batch.

    In single precision whatever the input's.

    Args:
        a, b: features of matched points in the two views.
        everywhere: a few points' features of every crop, those of ``a`` and those of ``b``.
        invariance, variance, covariance: weights; see :func:`qontrast.losses.vicreg.vicreg`.

    Raises:
        InputError: if the shapes differ or there is a single point.
    """
    if a.shape != b.shape or everywhere[0].shape[0] * everywhere[0].shape[1] < 2:
        found = f"points of {tuple(a.shape)} and {tuple(b.shape)}"
        raise InputError("dense VICReg", found, "as many in both, 2 or more")
    with torch.autocast(a.device.type, enabled=False):
        loss = invariance * torch.nn.functional.mse_loss(full_precision(a), full_precision(b))
        for bank in everywhere:
            rows = full_precision(bank).flatten(0, 1)
            loss = loss + 0.5 * variance * spread(rows) + covariance * redundancy(rows)
        return loss
