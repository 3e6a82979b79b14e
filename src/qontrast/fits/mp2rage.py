"""T1 of an MP2RAGE's UNI image by its lookup table: Marques et al. 2010 (doi:10.1016/j.neuroimage.2009.10.002)."""

from dataclasses import dataclass

import numpy as np
import torch

from qontrast.physics.inversion_trains import MP2RAGE
from qontrast.physics.tissue import TissueMaps

SHORTEST_T1, LONGEST_T1 = 0.05, 6.0  # s
POINTS = 4000
B1_STEP = 0.01
LOWEST_B1, HIGHEST_B1 = 0.2, 2.0


@dataclass(frozen=True)
class Lookup:
    """T1 by UNI at one transmit field, on the branch that falls as T1 grows.

    Args:
        uni: ascending, ``[point]``, -0.5 to 0.5.
        t1: s, ``[point]``.
    """

    uni: np.ndarray
    t1: np.ndarray


def lookup(sequence: MP2RAGE, b1: float = 1.0) -> Lookup:
    """The table at a transmit field ``b1`` relative to nominal.

    UNI rises with T1 for the shortest T1 and, with some protocols, for the longest: only the falling branch about the
    brain's T1 can be inverted.
    """
    t1 = np.geomspace(SHORTEST_T1, LONGEST_T1, POINTS)
    r1 = torch.from_numpy(1.0 / t1)[None, None, :, None, None]
    maps = TissueMaps(pd=torch.ones_like(r1), r1=r1, b1_transmit=torch.full_like(r1, b1))
    uni = sequence.image(sequence.signal(maps)).numpy().reshape(-1)
    # The branch through T1 = 1 s, the middle of the brain's.
    middle, falls = int(np.searchsorted(t1, 1.0)), np.diff(uni) < 0
    first = middle - int(np.argmin(np.append(falls[:middle][::-1], False)))
    last = middle + int(np.argmin(np.append(falls[middle:], False)))
    return Lookup(uni[first : last + 1][::-1].copy(), t1[first : last + 1][::-1].copy())


def t1_of_uni(
    sequence: MP2RAGE, uni: np.ndarray, sigma: np.ndarray | float = 0.0, b1: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """T1 of UNI values.

    Args:
        sequence: the protocol.
        uni: -0.5 to 0.5, ``[voxel]``.
        sigma: standard error of ``uni``, a number or ``[voxel]``.
        b1: relative transmit field, ``[voxel]``; None for nominal.

    Returns:
        T1 in s, its standard error in s, and where UNI lies within the table, ``[voxel]`` each; 0 where it does not.
    """
    sigma = np.broadcast_to(np.asarray(sigma, dtype=np.float64), uni.shape)
    if b1 is None:
        return _invert(lookup(sequence), uni, sigma)
    place = (np.clip(b1, LOWEST_B1, HIGHEST_B1) - LOWEST_B1) / B1_STEP
    level = place.astype(int)
    part = place - level
    t1, error, valid = np.zeros(uni.shape), np.zeros(uni.shape), np.zeros(uni.shape, dtype=bool)
    for each in np.unique(level):
        here = level == each
        below, above = (lookup(sequence, LOWEST_B1 + B1_STEP * n) for n in (each, each + 1))
        low, high = _invert(below, uni[here], sigma[here]), _invert(above, uni[here], sigma[here])
        share = part[here]
        valid[here] = low[2] & high[2]
        t1[here] = low[0] + share * (high[0] - low[0])
        error[here] = low[1] + share * (high[1] - low[1])
    return np.where(valid, t1, 0.0), np.where(valid, error, 0.0), valid


def _invert(table: Lookup, uni: np.ndarray, sigma: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    valid = (uni >= table.uni[0]) & (uni <= table.uni[-1])
    t1 = np.interp(uni, table.uni, table.t1)
    slope = np.interp(uni, table.uni, np.abs(np.gradient(table.t1, table.uni)))
    return np.where(valid, t1, 0.0), np.where(valid, slope * sigma, 0.0), valid


def uni_of_parts(first: np.ndarray, second: np.ndarray, sigma: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """UNI of the two complex inversion images, and its standard error.

    UNI = Re(S1* S2) / P with P = |S1|^2 + |S2|^2; to first order its error is
    s (|S2 - 2 UNI S1|^2 + |S1 - 2 UNI S2|^2)^(1/2) / P.

    Args:
        first, second: complex images of the inversions, any shape.
        sigma: of the noise in real and imaginary part.
    """
    power = np.square(np.abs(first)) + np.square(np.abs(second))
    uni = np.divide((first.conj() * second).real, power, out=np.zeros(power.shape), where=power > 0)
    slope = np.square(np.abs(second - 2 * uni * first)) + np.square(np.abs(first - 2 * uni * second))
    error = np.divide(sigma * np.sqrt(slope), power, out=np.zeros(power.shape), where=power > 0)
    return uni, error
