"""InfoNCE between matched voxels: van den Oord et al. 2018 (arXiv:1807.03748), dense as in Wang et al. 2021
(arXiv:2011.09157).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from qontrast.basics.errors import InputError
from qontrast.basics.shapes import Bank, PointFeatures, full_precision

Places = Float[Tensor, "crop point 3"]


def dense_info_nce(
    a: PointFeatures,
    b: PointFeatures,
    places: Places,
    others: tuple[Bank, Bank],
    first: int = 0,
    temperature: float = 0.1,
    apart: float = 2.0,
) -> Tensor:
    """Mean over all points of -log(exp(s(i, i)/t) / sum over candidates k of exp(s(i, k)/t)), both ways.

    s is the cosine. The candidates for a point of one view are, in the other: its match; the points of the same crop
    that lie ``apart`` or further from it (nearer ones are the same tissue, or half of it); and those of other crops.
    In single precision whatever the input's.

    Args:
        a, b: features of matched points in the two views.
        places: of the points in view a, voxels.
        others: a few points' features of every crop of the whole batch, those of ``a`` and those of ``b``; of this
            batch's own crops they are left out.
        first: where in ``others`` the crops of ``a`` and ``b`` begin.
        temperature: t.
        apart: voxels.

    Raises:
        InputError: if the shapes differ, there is a single point or t is not positive.
    """
    if a.shape != b.shape or a.shape[:2] != places.shape[:2] or a.shape[1] < 2:
        found = f"points of {tuple(a.shape)}, {tuple(b.shape)} at {tuple(places.shape)}"
        raise InputError("dense InfoNCE", found, "as many in both, 2 or more")
    if not temperature > 0:
        raise InputError("dense InfoNCE", f"a temperature of {temperature:g}", "one above 0")
    with torch.autocast(a.device.type, enabled=False):
        one, other, bank_a, bank_b = (torch.nn.functional.normalize(full_precision(z), dim=-1) for z in (a, b, *others))
        near = _near(places, apart)
        forth = _one_way(one, other, near, bank_b, first, temperature)
        back = _one_way(other, one, near, bank_a, first, temperature)
        return 0.5 * (forth + back)


def _near(places: Places, apart: float) -> Tensor:
    """Which points lie too near to each other to be told apart, ``[crop, point, point]``; no point is so to itself."""
    distance = torch.cdist(places, places, compute_mode="donot_use_mm_for_euclid_dist")
    # A voxel that was drawn twice is at no distance from itself.
    near = (distance < apart) | (distance == 0)
    return near & ~torch.eye(places.shape[1], dtype=torch.bool, device=places.device)


def _one_way(
    anchors: PointFeatures, matches: PointFeatures, near: Tensor, bank: Bank, first: int, temperature: float
) -> Tensor:
    crops, points, _ = anchors.shape
    within = (anchors @ matches.transpose(1, 2)).masked_fill(near, float("-inf"))
    beyond = torch.einsum("cpf,osf->cpos", anchors, bank)
    own = torch.zeros(crops, 1, len(bank), 1, dtype=torch.bool, device=anchors.device)
    for crop in range(crops):
        own[crop, :, first + crop] = True
    beyond = beyond.masked_fill(own, float("-inf")).flatten(2)
    logits = torch.cat((within, beyond), dim=2) / temperature
    target = torch.arange(points, device=anchors.device).expand(crops, points)
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten())
