"""How much of the scanner an embedding still tells: its sequence, read by a linear probe that never saw the head.

A probe is ridge regression on standardised features, trained on all anatomies but one and tested on that one, in turn
(Alain and Bengio 2016, arXiv:1610.01644, for linear probes; Hoerl and Kennard 1970, doi:10.2307/1267351, for ridge).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from qontrast.basics.errors import InputError
from qontrast.basics.shapes import Embeddings
from qontrast.metrics.representation import finite

PENALTIES = tuple(10.0**power for power in range(-3, 4))
"""Of ridge, as multiples of the mean eigenvalue of the features' covariance, which standardising makes 1."""
UNSEEN = 1.0
"""The penalty where a single anatomy is left to train on, so that none can be chosen."""
FLAT = 1e-6
"""Features that deviate by less, relative to their largest value, are constant up to rounding."""

Targets = Float[Tensor, "image target"]
Numbers = Int[Tensor, " image"]


def sequence_leakage(embeddings: Embeddings, sequences: Numbers, anatomies: Numbers) -> float:
    """How well the sequence's name can be read from the embedding: 0 is chance, 1 is always.

    (balanced accuracy - 1/k) / (1 - 1/k) of a linear probe for k names, where balanced accuracy is the mean over names
    of the share that is told rightly. Not cut off at 0: without any leak it scatters around 0.

    Args:
        embeddings: ``[image, feature]``.
        sequences: number of each image's sequence.
        anatomies: number of each image's head: no head is trained on and tested on.

    Raises:
        InputError: for fewer than two sequences or anatomies, or embeddings that are not finite.
    """
    names, index = torch.unique(sequences, return_inverse=True)
    if len(names) < 2:
        raise InputError("sequence leakage", f"{len(names)} sequence", "two or more to tell apart")
    told = predict_unseen(embeddings, torch.nn.functional.one_hot(index).double(), anatomies).argmax(dim=1)
    right = (told == index).double()
    balanced = torch.stack([right[index == name].mean() for name in range(len(names))]).mean()
    return float((balanced - 1 / len(names)) / (1 - 1 / len(names)))


def echo_time_leakage(embeddings: Embeddings, echo_times: Float[Tensor, " image"], anatomies: Numbers) -> float:
    """How well ln TE can be read from the embedding: R^2 of a linear probe, cut off at 0.

    1 - sum (y - predicted)^2 / sum (y - mean of the training fold)^2, y = ln TE. 0 where the mean is as good a guess.

    Args:
        embeddings: ``[image, feature]``.
        echo_times: seconds, above 0.
        anatomies: number of each image's head: no head is trained on and tested on.

    Raises:
        InputError: for echo times that are not above 0 or all the same, fewer than two anatomies, or embeddings that
            are not finite.
    """
    if not bool((echo_times > 0).all()) or float(echo_times.min()) == float(echo_times.max()):
        raise InputError("echo time leakage", f"echo times of {echo_times.unique().tolist()} s", "several, above 0")
    logarithm = echo_times.double().log()[:, None]
    constant = predict_unseen(torch.zeros_like(logarithm), logarithm, anatomies)
    error = (logarithm - predict_unseen(embeddings, logarithm, anatomies)).square().sum()
    return max(0.0, float(1 - error / (logarithm - constant).square().sum()))


def predict_unseen(embeddings: Embeddings, targets: Targets, anatomies: Numbers) -> Targets:
    """What ridge regression says of each anatomy's images after training on all others'.

    The penalty is chosen among :data:`PENALTIES` within the training anatomies alone, by leaving out one at a time.

    Args:
        embeddings: ``[image, feature]``.
        targets: ``[image, target]``.
        anatomies: number of each image's anatomy.

    Raises:
        InputError: for fewer than two anatomies, or embeddings that are not finite.
    """
    features, targets = finite(embeddings).cpu(), targets.double().cpu()
    anatomies = anatomies.cpu()
    if len(anatomies.unique()) < 2:
        raise InputError("linear probe", f"{len(anatomies.unique())} anatomy", "two or more: to learn and to be tested")
    predicted = torch.empty_like(targets)
    for anatomy in anatomies.unique():
        test = anatomies == anatomy
        predicted[test] = _ridge(features[~test], targets[~test], anatomies[~test], features[test])
    return predicted


def _ridge(features: Embeddings, targets: Targets, anatomies: Numbers, unseen: Float[Tensor, "new feature"]) -> Tensor:
    """Train on standardised features with the penalty that serves left-out anatomies best, then predict."""
    mean = features.mean(dim=0)
    deviation = features.std(dim=0, correction=0)
    known = deviation > FLAT * features.abs().amax(dim=0)
    scale = torch.where(known, 1 / deviation.clamp(min=1e-300), 0.0) / max(1, int(known.sum())) ** 0.5
    trained, tested = (features - mean) * scale, (unseen - mean) * scale
    middle = targets.mean(dim=0)
    # By the kernel trick: there are fewer images than features. The kernel's mean eigenvalue is 1.
    values, vectors = torch.linalg.eigh(trained @ trained.T)
    values = values.clamp(min=0)
    penalty = _best_penalty(values, vectors, targets, anatomies)
    weights = vectors @ ((vectors.T @ (targets - middle)) / (values + penalty)[:, None])
    return middle + tested @ (trained.T @ weights)


def _best_penalty(values: Tensor, vectors: Tensor, targets: Targets, anatomies: Numbers) -> float:
    """The penalty with the least squared error in anatomies that are left out in turn.

    Without training anew: leaving out the images g of a linear smoother H turns their residuals r into
    (1 - H_gg)^-1 r (Cook and Weisberg 1982, Residuals and Influence in Regression).
    """
    groups = [anatomies == anatomy for anatomy in anatomies.unique()]
    if len(groups) < 2:
        return UNSEEN
    errors = []
    for penalty in PENALTIES:
        smoother = (vectors * (values / (values + penalty))) @ vectors.T + 1 / len(targets)
        residual = targets - smoother @ targets
        errors.append(sum(_left_out(smoother, residual, group) for group in groups))
    return PENALTIES[min(range(len(errors)), key=errors.__getitem__)]


def _left_out(smoother: Tensor, residual: Tensor, group: Tensor) -> float:
    block = torch.eye(int(group.sum()), dtype=smoother.dtype) - smoother[group][:, group]
    return float(torch.linalg.solve(block, residual[group]).square().sum())
