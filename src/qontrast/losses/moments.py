"""What losses that need no negatives ask of a batch's means and covariances."""

from torch import Tensor

from qontrast.basics.errors import InputError
from qontrast.basics.shapes import Embeddings


def paired(loss: str, a: Embeddings, b: Embeddings) -> None:
    """Refuse batches that are not alike, or of one row only.

    Raises:
        InputError: with both shapes.
    """
    if a.shape != b.shape or a.shape[0] < 2:
        raise InputError(loss, f"batches of {tuple(a.shape)} and {tuple(b.shape)}", "two alike with 2 rows or more")


def off_diagonal(square: Tensor) -> Tensor:
    """What lies beside the diagonal of ``[n, n]``, as ``[n - 1, n]``."""
    n = len(square)
    return square.flatten()[:-1].reshape(n - 1, n + 1)[:, 1:]
