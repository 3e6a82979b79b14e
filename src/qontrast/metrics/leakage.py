"""How much of the scanner an embedding still tells: its sequence, read by a linear probe that never saw the head.

A probe is ridge regression on standardised features, trained on all anatomies but one and tested on that one, in turn
(Alain and Bengio 2016, arXiv:1610.01644, for linear probes).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from qontrast.basics.errors import InputError
from qontrast.basics.shapes import Embeddings
from qontrast.metrics.representation import finite
from qontrast.metrics.ridge import ridge

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

    The penalty is chosen among :data:`~qontrast.metrics.ridge.PENALTIES` within the training anatomies alone, by
    leaving out one at a time.

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
        predicted[test] = ridge(features[~test], targets[~test], anatomies[~test], features[test])
    return predicted
