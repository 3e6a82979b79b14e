"""The loops of :mod:`qontrast.physics.echo_train`: the same graph for one tissue and flip after another.

Dephasing moves all rising states up by one order and all falling ones down: here the arrays stay and their beginnings
move. Orders that nothing has reached yet, or from which nothing comes back in time, are left out.
"""

import numpy as np

from qontrast.basics.compiled import compiled


@compiled
def amplitudes(
    e1: np.ndarray, e2: np.ndarray, sine: np.ndarray, cosine: np.ndarray, echoes: int, out: np.ndarray
) -> None:
    """The last two echoes of a train of ``echoes``.

    Args:
        e1: longitudinal decay over half an echo spacing, ``[r]``, 64-bit as all.
        e2: transverse decay over it, ``[d]``.
        sine: of the refocusing flips, ``[f]``.
        cosine: likewise.
        echoes: how many to follow.
        out: the last but one (of a single echo nothing) and the last, ``[2, r, f, d]``.
    """
    rising, falling, lying = np.empty(4 * echoes + 6), np.empty(4 * echoes + 6), np.empty(2 * echoes + 4)
    for r in range(len(e1)):
        for f in range(len(sine)):
            stays, turns, half = 0.5 * (1.0 + cosine[f]), 0.5 * (1.0 - cosine[f]), 0.5 * sine[f]
            for d in range(len(e2)):
                rising[:], falling[:], lying[:] = 0.0, 0.0, 0.0
                first, low, last, decay = 2 * echoes + 2, 0, 0.0, e2[d]
                rising[first] = falling[low] = 1.0
                for echo in range(echoes):
                    out[0, r, f, d] = last
                    low += 1
                    first -= 1
                    rising[first] = falling[low]
                    orders = min(2 * echo + 1, 2 * (echoes - echo)) + 1
                    up, down = rising[first : first + orders], falling[low : low + orders]
                    along = lying[:orders]
                    for k in range(orders):
                        u, v, a = up[k] * decay, down[k] * decay, along[k] * e1[r]
                        up[k] = (stays * u + turns * v + sine[f] * a) * decay
                        down[k] = (turns * u + stays * v - sine[f] * a) * decay
                        along[k] = (cosine[f] * a - half * (u - v)) * e1[r]
                    low += 1
                    first -= 1
                    rising[first] = last = falling[low]
                out[1, r, f, d] = last


@compiled
def residues(
    e1: np.ndarray,
    e2: np.ndarray,
    sine: np.ndarray,
    cosine: np.ndarray,
    echoes: int,
    orders: int,
    out: np.ndarray,
) -> None:
    """What a train keeps of longitudinal magnetisation, and what it gains by recovery.

    Args:
        e1: longitudinal decay over half an echo spacing, ``[r]``, 64-bit as all.
        e2: transverse decay over it, ``[d]``.
        sine: of the refocusing flips, ``[f]``.
        cosine: likewise.
        echoes: of the train.
        orders: to follow.
        out: kept and gained, ``[2, r, f, d]``.
    """
    size = 2 * echoes + 2
    rising, falling, lying = np.empty(size + orders + 1), np.empty(size + orders + 1), np.empty(orders)
    for which in range(2):
        for r in range(len(e1)):
            recovery = 0.0 if which == 0 else 1.0 - e1[r]
            for f in range(len(sine)):
                stays, turns, half = 0.5 * (1.0 + cosine[f]), 0.5 * (1.0 - cosine[f]), 0.5 * sine[f]
                for d in range(len(e2)):
                    rising[:], falling[:], lying[:] = 0.0, 0.0, 0.0
                    lying[0] = 1.0 - which
                    first, low, decay = size, 0, e2[d]
                    for echo in range(echoes):
                        low += 1
                        first -= 1
                        rising[first] = falling[low]
                        reached = min(2 * echo + 2, orders)
                        up, down = rising[first : first + reached], falling[low : low + reached]
                        along = lying[:reached]
                        for k in range(reached):
                            along[k] *= e1[r]
                        along[0] += recovery
                        for k in range(reached):
                            u, v, a = up[k] * decay, down[k] * decay, along[k]
                            up[k] = (stays * u - turns * v - sine[f] * a) * decay
                            down[k] = (stays * v - turns * u - sine[f] * a) * decay
                            along[k] = (cosine[f] * a + half * (u + v)) * e1[r]
                        along[0] += recovery
                        low += 1
                        first -= 1
                        rising[first] = falling[low]
                    out[which, r, f, d] = lying[0]
