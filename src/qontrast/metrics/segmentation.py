"""How well a predicted label map agrees with the truth: Dice and the 95th percentile Hausdorff distance, per class."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from monai.metrics import compute_dice, compute_hausdorff_distance
from torch import Tensor

from qontrast.basics.errors import InputError

BOTH_EMPTY = "both empty"
EMPTY_PREDICTION = "empty prediction"
EMPTY_TRUTH = "empty truth"


@dataclass(frozen=True)
class ClassScore:
    """Agreement of one class in one image.

    Args:
        name: the class.
        dice: overlap, 0 to 1.
        hd95_mm: 95th percentile Hausdorff distance, in millimetres.
        truth_voxels: number of voxels of the class in the truth.
        predicted_voxels: number of voxels of the class in the prediction.
        note: empty, or ``both empty``, ``empty prediction``, ``empty truth``.
    """

    name: str
    dice: float
    hd95_mm: float
    truth_voxels: int
    predicted_voxels: int
    note: str = ""


def score_segmentation(
    prediction: Int[Tensor, "x y z"],
    truth: Int[Tensor, "_ _ _"],
    classes: Sequence[str],
    spacing: tuple[float, float, float],
) -> list[ClassScore]:
    """Score every class but the background; no class is ever left out, so that means cannot flatter.

    Dice is ``2 |P and T| / (|P| + |T|)`` (Dice 1945, doi:10.2307/1932409). HD95 is the larger of the two directed 95th
    percentiles of the distance from each surface voxel of one map to the nearest surface voxel of the other
    (Huttenlocher et al. 1993, doi:10.1109/34.232073). A surface voxel has a face neighbour outside the class; what lies
    beyond the image counts as outside. Where a map lacks the class:

    * both empty: Dice 1, HD95 0, note ``both empty``;
    * only the prediction empty: Dice 0, HD95 the image's diagonal, note ``empty prediction``;
    * only the truth empty: Dice 0, HD95 the image's diagonal, note ``empty truth``.

    The diagonal is that of the image's full extent (voxels times spacing), which no HD95 in the image exceeds.

    Args:
        prediction: label map, ``[x, y, z]``, values 0 to ``len(classes) - 1``.
        truth: label map of the same shape.
        classes: name of each label; the first is ``background``.
        spacing: voxel size along x, y, z, in millimetres.

    Returns:
        One score per class after the background, in the order of ``classes``.

    Raises:
        InputError: if the shapes differ, a label has no name, or the names or the spacing make no sense.
    """
    _check_names(classes, spacing)
    _check_maps(prediction, truth, classes)
    prediction, truth = prediction.cpu(), truth.cpu()
    diagonal = math.hypot(*(n * s for n, s in zip(truth.shape, spacing, strict=True)))
    return [
        _score_class(name, prediction == label, truth == label, spacing, diagonal)
        for label, name in enumerate(classes)
        if label > 0
    ]


def joint_box(a: Bool[Tensor, "x y z"], b: Bool[Tensor, "x y z"], margin: int = 1) -> tuple[slice, slice, slice]:
    """The smallest box that holds both masks, with ``margin`` voxels around it where the image has them.

    At least one of the masks must have a voxel.
    """
    either = a | b
    slices = []
    for axis in range(3):
        others = [other for other in range(3) if other != axis]
        hit = either.any(dim=others[1]).any(dim=others[0]).nonzero().flatten()
        slices.append(slice(max(0, int(hit[0]) - margin), int(hit[-1]) + 1 + margin))
    return slices[0], slices[1], slices[2]


def _score_class(
    name: str,
    predicted: Bool[Tensor, "x y z"],
    true: Bool[Tensor, "x y z"],
    spacing: tuple[float, float, float],
    diagonal: float,
) -> ClassScore:
    in_truth, in_prediction = int(true.sum()), int(predicted.sum())
    if in_truth == 0 and in_prediction == 0:
        return ClassScore(name, 1.0, 0.0, 0, 0, BOTH_EMPTY)
    if in_prediction == 0:
        return ClassScore(name, 0.0, diagonal, in_truth, 0, EMPTY_PREDICTION)
    if in_truth == 0:
        return ClassScore(name, 0.0, diagonal, 0, in_prediction, EMPTY_TRUTH)
    box = joint_box(predicted, true)
    masks = predicted[box][None, None].float(), true[box][None, None].float()
    dice = float(compute_dice(*masks, include_background=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # MONAI calls an argument of its own that it deprecates
        distance = compute_hausdorff_distance(*masks, include_background=True, percentile=95, spacing=list(spacing))
    return ClassScore(name, dice, float(distance), in_truth, in_prediction)


def _check_names(classes: Sequence[str], spacing: tuple[float, float, float]) -> None:
    if not classes or classes[0] != "background":
        raise InputError("classes", f"{list(classes)}", "'background' first", "Name label 0 'background'.")
    if len(set(classes)) != len(classes):
        raise InputError("classes", f"{list(classes)}", "each name once", "Give every label a name of its own.")
    if not all(math.isfinite(s) and s > 0 for s in spacing):
        raise InputError("spacing", f"{spacing}", "three positive sizes in millimetres", "Check the image's affine.")


def _check_maps(prediction: Tensor, truth: Tensor, classes: Sequence[str]) -> None:
    if prediction.shape != truth.shape:
        raise InputError(
            "prediction",
            f"shape {tuple(prediction.shape)}",
            f"the truth's shape {tuple(truth.shape)}",
            "Bring the prediction to the truth's grid before scoring.",
        )
    for where, labels in (("prediction", prediction), ("truth", truth)):
        if labels.numel() == 0:
            raise InputError(where, f"no voxels, shape {tuple(labels.shape)}", "an image", "Check the crop.")
        low, high = (int(bound) for bound in torch.aminmax(labels))
        if low < 0 or high >= len(classes):
            raise InputError(
                where,
                f"labels from {low} to {high}",
                f"labels from 0 to {len(classes) - 1} ({', '.join(classes)})",
                "Map the file's labels to the classes of the task, or add the missing class names.",
            )
