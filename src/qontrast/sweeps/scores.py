"""What a sweep measures of one answer: overlap and volume of each class, or how far an embedding has moved."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from qontrast.metrics.representation import on_sphere, retrieval


def overlaps(
    predicted: np.ndarray, truth: np.ndarray, classes: Sequence[str], voxel_ml: float
) -> tuple[dict[str, float], dict[str, float]]:
    """Dice of each class but the background, and the volume that was predicted for it, ml.

    Dice is 2 |P and T| / (|P| + |T|) (Dice 1945, doi:10.2307/1932409): 1 where both are empty, 0 where one is; the
    rules of :func:`qontrast.metrics.segmentation.score_segmentation`, counted in one pass.

    Args:
        predicted: label map, indices into ``classes``.
        truth: the same, of the same shape.
        classes: names, background first.
        voxel_ml: volume of a voxel, ml.
    """
    count = len(classes)
    joint = np.bincount(truth.ravel().astype(np.int64) * count + predicted.ravel(), minlength=count * count)
    table = joint.reshape(count, count)
    both, found = table.sum(axis=1) + table.sum(axis=0), table.sum(axis=0)
    dice, volume = {}, {}
    for label, name in enumerate(classes):
        if label > 0:
            dice[name] = 2.0 * float(table[label, label]) / float(both[label]) if both[label] else 1.0
            volume[name] = float(found[label]) * voxel_ml
    return dice, volume


def drift(embedding: np.ndarray, reference: np.ndarray) -> float:
    """1 minus the cosine of two embeddings: 0 where they point alike, 1 where they are orthogonal, 2 at most."""
    one, other = on_sphere(torch.from_numpy(np.stack([embedding, reference])).double())
    # Half the squared distance on the unit sphere is the same number, without the rounding near 0.
    return float((one - other).square().sum() / 2)


def between_heads(references: np.ndarray) -> float | None:
    """Mean drift between the embeddings ``[head, feature]`` of different heads; None for a single head."""
    count = len(references)
    apart = [drift(references[i], references[j]) for i in range(count) for j in range(i)]
    return sum(apart) / len(apart) if apart else None


def found_again(references: np.ndarray, embeddings: np.ndarray) -> float | None:
    """How often the same head is the most similar one across the two protocols; None for a single head.

    Args:
        references: in one protocol, ``[head, feature]``.
        embeddings: in the other.
    """
    if len(references) < 2:
        return None
    both: Float[torch.Tensor, "anatomy contrast feature"]
    both = torch.from_numpy(np.stack([references, embeddings], axis=1)).double()
    return retrieval(both).accuracy


def variation(values: Sequence[float]) -> float | None:
    """Coefficient of variation: the standard deviation (of a sample) over the mean; None for fewer than two values."""
    numbers = np.asarray(values, dtype=np.float64)
    if len(numbers) < 2 or not numbers.mean() > 0:
        return None
    return float(numbers.std(ddof=1) / numbers.mean())
