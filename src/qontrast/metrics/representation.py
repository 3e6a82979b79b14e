"""What can be told of embeddings without any label: how many directions they use, how they spread, whom they find."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from qontrast.basics.errors import InputError
from qontrast.basics.shapes import Embeddings

TIE = 1e-12
"""Cosines that differ by less are equal: embeddings that are all the same find each other by chance alone."""


def effective_rank(embeddings: Embeddings) -> float:
    """How many directions the embeddings use: RankMe (Garrido et al. 2023, arXiv:2210.02885).

    exp(-sum p ln p) of p = s / sum(s), s the singular values of the matrix as it is (its mean is not taken away).
    From 1 (all lie on one line) to min(n, features): compare it only between sets of the same n. Neither rotations nor
    a common scale change it. The paper adds 1e-7 to every p against ln 0; here 0 ln 0 is 0. All zeros have rank 0.

    Args:
        embeddings: ``[n, feature]``.

    Raises:
        InputError: if there are none, or one is not finite.
    """
    values = torch.linalg.svdvals(finite(embeddings))
    total = values.sum()
    return float(torch.special.entr(values / total).sum().exp()) if float(total) > 0 else 0.0


def alignment(a: Embeddings, b: Float[Tensor, "_ _"], power: float = 2.0) -> float:
    """Mean distance between partners on the unit sphere, to a power: Wang and Isola 2020 (arXiv:2005.10242).

    E |u - v|^power with u, v = a / |a|, b / |b|. With power 2 it is 2 - 2 cos: 0 where partners are the same, 2 where
    they are orthogonal, 4 where they are opposite. Low is good, but a collapsed encoder has 0 too.

    Args:
        a, b: embeddings of partners, row by row, ``[n, feature]``.
        power: of the distance.

    Raises:
        InputError: if there are none, their shapes differ, or one is not finite.
    """
    if a.shape != b.shape:
        raise InputError("alignment", f"embeddings of {tuple(a.shape)} and {tuple(b.shape)}", "partners row by row")
    difference = on_sphere(a) - on_sphere(b)
    return float(difference.square().sum(dim=1).pow(power / 2).mean())


def uniformity(embeddings: Embeddings, sharpness: float = 2.0) -> float:
    """How evenly embeddings fill the unit sphere: Wang and Isola 2020 (arXiv:2005.10242).

    ln of the mean over all pairs i < j of exp(-sharpness |u - v|^2). 0 where all are the same; about -2 sharpness where
    they are spread evenly in many dimensions (pairs are then nearly orthogonal). Lower is more even.

    Args:
        embeddings: ``[n, feature]``.
        sharpness: t of the paper.

    Raises:
        InputError: for fewer than two embeddings, or one that is not finite.
    """
    if len(embeddings) < 2:
        raise InputError("uniformity", f"{len(embeddings)} embeddings", "two or more")
    squared = torch.pdist(on_sphere(embeddings)).square()
    return float(torch.logsumexp(-sharpness * squared, dim=0)) - math.log(len(squared))


@dataclass(frozen=True)
class Retrieval:
    """How often the right one is found, and how often it would be by chance."""

    accuracy: float
    chance: float


def retrieval(embeddings: Float[Tensor, "anatomy contrast feature"]) -> Retrieval:
    """Finding an anatomy in another contrast.

    For every ordered pair of two contrasts, each anatomy in the one is looked for among all anatomies in the other: it
    is found where its own embedding there has the highest cosine. Of k that are equally high each counts 1/k. The mean
    is over all anatomies and pairs of contrasts; chance is 1 / anatomies.

    Args:
        embeddings: ``[anatomy, contrast, feature]``.

    Raises:
        InputError: for fewer than two anatomies or contrasts, or an embedding that is not finite.
    """
    anatomies, contrasts, features = embeddings.shape
    if anatomies < 2 or contrasts < 2:
        raise InputError(
            "retrieval",
            f"{anatomies} anatomies in {contrasts} contrasts",
            "two or more of both, to find one in another",
        )
    unit = on_sphere(embeddings.reshape(-1, features)).reshape(embeddings.shape)
    cosine = torch.einsum("acf,bdf->cdab", unit, unit)
    others = ~torch.eye(contrasts, dtype=torch.bool, device=cosine.device)
    found = share_found(cosine[others]).diagonal(dim1=-2, dim2=-1)
    return Retrieval(float(found.mean()), 1 / anatomies)


def share_found(similarity: Float[Tensor, "*some query candidate"]) -> Float[Tensor, "*some query candidate"]:
    """How much of each query goes to each candidate: all of it to the most similar one, 1/k to each of k such."""
    best = (similarity >= similarity.amax(dim=-1, keepdim=True) - TIE).to(similarity)
    return best / best.sum(dim=-1, keepdim=True)


def on_sphere(embeddings: Embeddings) -> Embeddings:
    """Each embedding over its length, in double precision; zeros stay zeros.

    Raises:
        InputError: as :func:`finite`.
    """
    return torch.nn.functional.normalize(finite(embeddings), dim=1, eps=1e-300)


def finite(embeddings: Embeddings) -> Embeddings:
    """The embeddings in double precision.

    Raises:
        InputError: if there are none, or one is not finite.
    """
    values = embeddings.detach().double()
    if values.numel() == 0:
        raise InputError("embeddings", f"a shape of {tuple(values.shape)}", "one or more")
    if not bool(torch.isfinite(values).all()):
        bad = int((~torch.isfinite(values)).any(dim=1).sum())
        raise InputError("embeddings", f"{bad} of {len(values)} that are not finite", "finite numbers")
    return values
