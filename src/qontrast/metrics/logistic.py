"""Logistic regression with a ridge penalty that is chosen by leaving groups out (Cox 1958; le Cessie and van
Houwelingen 1992, doi:10.2307/2347628)."""

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from torch import Tensor

from qontrast.basics.shapes import Embeddings
from qontrast.metrics.ridge import PENALTIES, UNSEEN, Groups, standardised

FOLDS = 5
Shares = Float[Tensor, "new category"]


def logistic(
    features: Embeddings, classes: Groups, groups: Groups, unseen: Float[Tensor, "new feature"], count: int
) -> Shares:
    """Train on standardised features, every class weighing the same, and give the probability of each class.

    Minimises the sum over images of the weighted cross-entropy, plus penalty / 2 times the squared weights (not the
    intercepts). The penalty is that of :data:`~qontrast.metrics.ridge.PENALTIES` with the least cross-entropy in
    groups that were left out, a fifth of them at a time.

    Args:
        features: ``[image, feature]`` to train on, double precision.
        classes: number of each image's class, below ``count``; each class is there.
        groups: number of each image's group (a subject).
        unseen: features to predict from.
        count: of classes.

    Returns:
        Probabilities ``[new, class]``; they sum to 1.
    """
    trained, tested = standardised(features, unseen)
    # Weights lie in the span of the training images: as many numbers as there are images suffice.
    left, sizes, right = torch.linalg.svd(trained, full_matrices=False)
    within, wanted = (left * sizes).numpy(), classes.numpy()
    fitted = _fit(within, wanted, count, _best_penalty(within, wanted, groups.numpy(), count))
    return torch.from_numpy(softmax(_scores((tested @ right.T).numpy(), fitted), axis=1))


def _best_penalty(features: np.ndarray, classes: np.ndarray, groups: np.ndarray, count: int) -> float:
    folds = _folds(classes, groups)
    errors = []
    for penalty in PENALTIES:
        error = 0.0
        for fold in range(FOLDS):
            out = folds == fold
            if not out.any() or len(np.unique(classes[~out])) < count:
                continue
            scores = _scores(features[out], _fit(features[~out], classes[~out], count, penalty))
            told = log_softmax(scores, axis=1)[np.arange(int(out.sum())), classes[out]]
            error -= float(told @ _weights(classes, count)[out])
        errors.append(error)
    return PENALTIES[int(np.argmin(errors))] if any(errors) else UNSEEN


def _folds(classes: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The fold of each image: groups stay together, and each fold has its share of every class."""
    first = {group: (classes[index], index) for index, group in reversed(list(enumerate(groups.tolist())))}
    order = sorted(first, key=lambda group: first[group])
    rank = {group: number % FOLDS for number, group in enumerate(order)}
    return np.array([rank[group] for group in groups.tolist()])


def _weights(classes: np.ndarray, count: int) -> np.ndarray:
    """Of each image, so that all classes weigh the same and the mean is 1."""
    numbers = np.bincount(classes, minlength=count)
    return len(classes) / (np.count_nonzero(numbers) * np.maximum(numbers, 1))[classes]


def _fit(features: np.ndarray, classes: np.ndarray, count: int, penalty: float) -> np.ndarray:
    """Weights ``[1 + feature, class]``, intercepts first."""
    truth, weights = np.eye(count)[classes], _weights(classes, count)[:, None]
    shape = (1 + features.shape[1], count)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        beta = flat.reshape(shape)
        scores = _scores(features, beta)
        told = log_softmax(scores, axis=1)
        residual = weights * (np.exp(told) - truth)
        slope = np.vstack([residual.sum(axis=0), features.T @ residual + penalty * beta[1:]])
        return float(-(weights * truth * told).sum() + penalty / 2 * (beta[1:] ** 2).sum()), slope.ravel()

    found = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 1000})
    return found.x.reshape(shape)


def _scores(features: np.ndarray, beta: np.ndarray) -> np.ndarray:
    return beta[0] + features @ beta[1:]
