"""NT-Xent, the contrastive loss of SimCLR: Chen et al. 2020 (arXiv:2002.05709)."""

import torch
from torch import Tensor

from qontrast.basics.errors import InputError
from qontrast.basics.shapes import Embeddings, full_precision
from qontrast.losses.moments import paired


def nt_xent(a: Embeddings, b: Embeddings, temperature: float = 0.5) -> Tensor:
    """Mean over all 2N embeddings of -log(exp(s(i, j)/t) / sum over k != i of exp(s(i, k)/t)).

    s is the cosine; j is the other view of i's subject; the 2N - 2 other embeddings of the batch are negatives. In
    single precision whatever the input's. Without any agreement it is about ln(2N - 1).

    Args:
        a, b: embeddings of the two views, row by row of the same subjects, ``[N, feature]``.
        temperature: t.

    Raises:
        InputError: if the batch has a single subject (no negatives), the shapes differ or t is not positive.
    """
    paired("NT-Xent", a, b)
    if not temperature > 0:
        raise InputError("NT-Xent", f"a temperature of {temperature:g}", "one above 0")
    with torch.autocast(a.device.type, enabled=False):
        z = torch.nn.functional.normalize(full_precision(torch.cat((a, b))), dim=1)
        similarity = z @ z.T / temperature
        similarity = similarity.masked_fill(torch.eye(len(z), dtype=torch.bool, device=z.device), float("-inf"))
        partner = torch.arange(len(z), device=z.device).roll(len(a))
        return torch.nn.functional.cross_entropy(similarity, partner)
