"""Logistic regression by scikit-learn, with a ridge penalty that is chosen by leaving groups out (le Cessie and van
Houwelingen 1992, doi:10.2307/2347628)."""

import numpy as np
import torch
from jaxtyping import Float
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, make_scorer
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from torch import Tensor

from qontrast.basics.shapes import Embeddings
from qontrast.metrics.ridge import PENALTIES, UNSEEN, Groups, standardised

FOLDS = 5
Shares = Float[Tensor, "new category"]


def logistic(
    features: Embeddings, classes: Groups, groups: Groups, unseen: Float[Tensor, "new feature"], count: int
) -> Shares:
    """Train on standardised features, every class weighing the same, and give the probability of each class.

    The penalty is that of :data:`~qontrast.metrics.ridge.PENALTIES` with the least cross-entropy in groups that were
    left out, a fifth of them at a time; where a class has a single group, none can be left out and it is 1.

    Args:
        features: ``[image, feature]`` to train on, double precision.
        classes: number of each image's class, below ``count``; each class is there.
        groups: number of each image's group (a subject).
        unseen: features to predict from.
        count: of classes.

    Returns:
        Probabilities ``[new, class]``; they sum to 1.
    """
    trained, tested = (values.numpy() for values in standardised(features, unseen))
    wanted, of = classes.numpy(), groups.numpy()
    fewest = min(len(np.unique(of[wanted == number])) for number in range(count))
    model = LogisticRegression(C=1 / UNSEEN, class_weight="balanced", max_iter=10000)
    if fewest >= 2:
        told = make_scorer(log_loss, response_method="predict_proba", greater_is_better=False, labels=np.arange(count))
        strengths = {"C": [1 / penalty for penalty in PENALTIES]}
        model = GridSearchCV(model, strengths, scoring=told, cv=StratifiedGroupKFold(min(FOLDS, fewest)))
    groups_too = {"groups": of} if fewest >= 2 else {}
    return torch.from_numpy(model.fit(trained, wanted, **groups_too).predict_proba(tested))
