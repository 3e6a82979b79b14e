"""Predictions of the most similar examples (Cover and Hart 1967, doi:10.1109/TIT.1967.1053964), by the cosine."""

from jaxtyping import Float
from torch import Tensor

from qontrast.basics.errors import InputError
from qontrast.basics.shapes import Embeddings
from qontrast.metrics.representation import on_sphere
from qontrast.metrics.ridge import Targets


def nearest_mean(
    features: Embeddings, targets: Targets, unseen: Float[Tensor, "new feature"], neighbours: int
) -> Float[Tensor, "new target"]:
    """The mean of the targets of the examples with the highest cosine.

    Args:
        features: of the examples, ``[image, feature]``.
        targets: of the examples: numbers, or 0 and 1 for each class.
        unseen: features to predict from.
        neighbours: that are asked; all where there are fewer.

    Raises:
        InputError: for no neighbours, no examples, or features that are not finite.
    """
    if neighbours < 1:
        raise InputError("neighbours", f"{neighbours}", "1 or more")
    similarity = on_sphere(unseen) @ on_sphere(features).T
    nearest = similarity.topk(min(neighbours, len(features)), dim=1).indices
    return targets[nearest].mean(dim=1)
