"""How far points reach along some directions."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from qontrast.basics.compiled import by_loops, compiled
from qontrast.basics.shapes import Coordinates

Ends = Float[Tensor, " direction"]


def span(coordinates: Coordinates, directions: Float[Tensor, "direction 3"]) -> tuple[Ends, Ends]:
    """The least and the largest product of any point with each direction."""
    if coordinates.dtype != torch.float32 or not by_loops(coordinates):  # the loop reads single precision
        products = directions.to(coordinates) @ coordinates.movedim(-1, 0).flatten(1)
        return products.amin(dim=1), products.amax(dim=1)
    low, high = torch.empty(2, len(directions))
    planes = [coordinates[..., axis].reshape(-1, coordinates.shape[2]).contiguous().numpy() for axis in range(3)]
    _span_rows(*planes, directions.float().contiguous().numpy(), low.numpy(), high.numpy())
    return low, high


@compiled
def _span_rows(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, directions: np.ndarray, low: np.ndarray, high: np.ndarray
) -> None:
    """The least and the largest products ``[direction]`` with the points ``[row, point]``."""
    count = x.shape[1]
    # The extremes of each column first: a single pair of them would have to be waited for at every point.
    least, most = (
        np.full((len(directions), count), np.inf, np.float32),
        np.full((len(directions), count), -np.inf, np.float32),
    )
    for r in range(x.shape[0]):
        p, q, s = x[r], y[r], z[r]
        for d in range(len(directions)):
            a, b, c = directions[d]
            for k in range(count):
                product = a * p[k] + b * q[k] + c * s[k]
                least[d, k], most[d, k] = min(least[d, k], product), max(most[d, k], product)
    for d in range(len(directions)):
        low[d], high[d] = least[d].min(), most[d].max()
