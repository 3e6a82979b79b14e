"""Which lesions were found, as pieces rather than as voxels."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from scipy import ndimage
from torch import Tensor

from qontrast.basics.errors import InputError

TOUCHING = np.ones((3, 3, 3), dtype=bool)
"""Voxels that share a face, an edge or a corner belong to one lesion."""


@dataclass(frozen=True)
class Detection:
    """Lesions of one image, counted.

    Args:
        truth: lesions that there are.
        predicted: lesions that were predicted.
        found: those of the truth that a predicted voxel lies in.
        invented: those predicted that no true voxel lies in.
        f1: ``found / (found + (missed + invented) / 2)``, 0 to 1.
    """

    truth: int
    predicted: int
    found: int
    invented: int
    f1: float


def detect_lesions(prediction: Bool[Tensor, "x y z"], truth: Bool[Tensor, "_ _ _"]) -> Detection:
    """Count connected components (26 neighbours) that meet in at least one voxel.

    The lesion-wise F1 of the ISLES challenge (Hernandez Petzsche et al. 2022, doi:10.1038/s41597-022-01875-5). Where
    neither image has a lesion it is 1; where only one has, 0.

    Args:
        prediction: where a lesion was predicted.
        truth: where there is one, of the same shape.

    Raises:
        InputError: if the shapes differ.
    """
    if prediction.shape != truth.shape:
        raise InputError(
            "prediction", f"shape {tuple(prediction.shape)}", f"the truth's shape {tuple(truth.shape)}", "Resample it."
        )
    predicted, true = prediction.cpu().numpy(), truth.cpu().numpy()
    true_pieces, true_count = ndimage.label(true, structure=TOUCHING)
    own_pieces, own_count = ndimage.label(predicted, structure=TOUCHING)
    both = predicted & true
    found, met = len(np.unique(true_pieces[both])), len(np.unique(own_pieces[both]))
    wrong = (true_count - found) + (own_count - met)
    f1 = 1.0 if true_count == own_count == 0 else found / (found + wrong / 2)
    return Detection(true_count, own_count, found, own_count - met, f1)
