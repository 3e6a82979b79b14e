"""Whether the features of a voxel find the same voxel in another contrast of the same head."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from qontrast.basics.errors import InputError
from qontrast.metrics.representation import on_sphere, share_found

Places = Float[Tensor, "place 3"]
"""Voxel coordinates in an image, whose first voxel is at 0."""


@dataclass(frozen=True)
class Correspondence:
    """Shares of voxels whose partner is found, each with what chance alone would give.

    Args:
        exact: the most similar candidate is the partner.
        within: it lies within the tolerance of the partner.
        chance: of the first, 1 / candidates.
        chance_within: of the second, the mean share of candidates within the tolerance.
    """

    exact: float
    within: float
    chance: float
    chance_within: float


def correspondence(
    a: Float[Tensor, "query feature"], b: Float[Tensor, "_ _"], places: Places, tolerance: float = 2.0
) -> Correspondence:
    """Finding each voxel of one image among sampled voxels of another, by the cosine of their features.

    Args:
        a: features of the voxels in one image, ``[place, feature]``.
        b: features of their partners in the other, row by row: all of them are candidates for each.
        places: where the partners lie, voxels of the other image.
        tolerance: in voxels. Of k candidates that are equally similar each counts 1/k.

    Raises:
        InputError: for fewer than two voxels, shapes that differ or features that are not finite.
    """
    if a.shape != b.shape or len(a) != len(places) or len(a) < 2:
        shapes = f"features of {tuple(a.shape)} and {tuple(b.shape)} at {len(places)} places"
        raise InputError("correspondence", shapes, "features of the same two or more voxels, row by row")
    similarity = on_sphere(a) @ on_sphere(b).T
    near = (torch.cdist(places.double(), places.double()) <= tolerance).to(similarity)
    found = share_found(similarity)
    return Correspondence(
        exact=float(found.diagonal().mean()),
        within=float((found * near).sum(dim=1).mean()),
        chance=1 / len(a),
        chance_within=float(near.mean()),
    )
