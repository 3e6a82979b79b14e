"""Ridge regression whose penalty is chosen by leaving groups out: Hoerl and Kennard 1970 (doi:10.2307/1267351)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from qontrast.basics.shapes import Embeddings

PENALTIES = tuple(10.0**power for power in range(-3, 4))
"""Of ridge, as multiples of the mean eigenvalue of the features' covariance, which standardising makes 1."""
UNSEEN = 1.0
"""The penalty where a single group is left to train on, so that none can be chosen."""
FLAT = 1e-6
"""Features that deviate by less, relative to their largest value, are constant up to rounding."""

Targets = Float[Tensor, "image target"]
Groups = Int[Tensor, " image"]


def ridge(features: Embeddings, targets: Targets, groups: Groups, unseen: Float[Tensor, "new feature"]) -> Tensor:
    """Train on standardised features with the penalty that serves left-out groups best, then predict.

    Args:
        features: ``[image, feature]`` to train on, double precision.
        targets: ``[image, target]``.
        groups: number of each image's group (a head, a subject): groups are left out whole, in turn.
        unseen: features to predict from.
    """
    trained, tested = standardised(features, unseen)
    middle = targets.mean(dim=0)
    # By the kernel trick: there are fewer images than features. The kernel's mean eigenvalue is 1.
    values, vectors = torch.linalg.eigh(trained @ trained.T)
    values = values.clamp(min=0)
    penalty = _best_penalty(values, vectors, targets, groups)
    weights = vectors @ ((vectors.T @ (targets - middle)) / (values + penalty)[:, None])
    return middle + tested @ (trained.T @ weights)


def standardised(
    features: Embeddings, unseen: Float[Tensor, "new feature"]
) -> tuple[Embeddings, Float[Tensor, "new feature"]]:
    """Both with the first's mean taken away, over the first's deviation and the root of the number of features.

    Constant features become 0.
    """
    mean = features.mean(dim=0)
    deviation = features.std(dim=0, correction=0)
    known = deviation > FLAT * features.abs().amax(dim=0)
    scale = torch.where(known, 1 / deviation.clamp(min=1e-300), 0.0) / max(1, int(known.sum())) ** 0.5
    return (features - mean) * scale, (unseen - mean) * scale


def _best_penalty(values: Tensor, vectors: Tensor, targets: Targets, groups: Groups) -> float:
    """The penalty with the least squared error in groups that are left out in turn.

    Without training anew: leaving out the images g of a linear smoother H turns their residuals r into
    (1 - H_gg)^-1 r (Cook and Weisberg 1982, Residuals and Influence in Regression).
    """
    members = [groups == group for group in groups.unique()]
    if len(members) < 2:
        return UNSEEN
    errors = []
    for penalty in PENALTIES:
        smoother = (vectors * (values / (values + penalty))) @ vectors.T + 1 / len(targets)
        residual = targets - smoother @ targets
        errors.append(sum(_left_out(smoother, residual, one) for one in members))
    return PENALTIES[min(range(len(errors)), key=errors.__getitem__)]


def _left_out(smoother: Tensor, residual: Tensor, group: Tensor) -> float:
    block = torch.eye(int(group.sum()), dtype=smoother.dtype) - smoother[group][:, group]
    return float(torch.linalg.solve(block, residual[group]).square().sum())
