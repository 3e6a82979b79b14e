"""Echo trains with refocusing flips below 180 degrees: extended phase graphs, tabulated for one protocol at a time.

The graph is that of a CPMG train with ideal crushers (Hennig 1988, doi:10.1016/0022-2364(88)90128-X; Weigel 2015,
doi:10.1002/jmri.24619). It falls into two parts that never mix: what the excitation made transverse along the axis of
the refocusing pulses, which forms the echoes (its longitudinal states are imaginary), and what the excitation left
longitudinal, together with what recovers during the train (its transverse states are imaginary). Both are real
arithmetic. The second forms no echo, but it decides with how much magnetisation the train ends.

The tables run over R1, TE R2 and the refocusing flip. Against the graph itself the echo errs by less than 2 % for T2
from 12 ms, T1 from 0.2 s and any flip between half and one and a half of the nominal one, wherever it keeps 1 % of the
magnetisation; tests hold that.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from qontrast.physics.echo_train_loops import amplitudes, residues
from qontrast.physics.feasible import Parameter

R1_NODES = (0.2, 1.6, 5.0)  # 1/s: a parabola runs through them
FLIP_NODES, DECAY_NODES, RESIDUE_NODES = 33, 57, 17
LONGEST_DECAY = 14.0  # TE R2 at the tables' end: an echo of exp(-14) of the magnetisation is nothing
WEAKEST = 0.3  # of the nominal refocusing flip: the tables' other end
SOFTENING = 1.5  # amplitude times exp(TE R2) below which the echo is read linearly, above it by its logarithm
MOST_ORDERS = 16  # of the part without echoes: what has climbed higher does not come back before it has decayed


class Train(NamedTuple):
    """What a train does, per voxel ``[batch, 1, x, y, z]``.

    Args:
        echo: amplitude of the echo at the effective TE, a share of what the excitation made transverse.
        kept: share of the longitudinal magnetisation after the excitation that is longitudinal at the train's end.
        gained: longitudinal magnetisation recovered during the train, in units of the equilibrium.
    """

    echo: Tensor
    kept: Tensor
    gained: Tensor


def echo_amplitudes(r1: Tensor, r2: Tensor, flip_angle: Tensor, echo_spacing: Tensor | float, echoes: int) -> Tensor:
    """Each echo of a CPMG train as a share of the transverse magnetisation that the excitation made.

    Args:
        r1: 1/s, any shape.
        r2: 1/s, of a shape that broadcasts with ``r1``.
        flip_angle: of the refocusing pulses, rad, likewise.
        echo_spacing: s.
        echoes: how many to follow.

    Returns:
        ``[..., echoes]``.
    """
    e1, e2, sine, cosine = _factors(r1, r2, flip_angle, echo_spacing)
    states = torch.zeros((*torch.broadcast_shapes(e1.shape, e2.shape, sine.shape)[:-1], echoes + 1)).to(e2)
    up = torch.cat((torch.ones_like(states[..., :1]), states[..., 1:]), dim=-1)
    down, along, found = up, states, []
    stays, turns = 0.5 * (1.0 + cosine), 0.5 * (1.0 - cosine)
    for _ in range(echoes):
        up, down = _dephase(up, down, e2)
        along = along * e1
        up, down, along = (
            stays * up + turns * down + sine * along,
            turns * up + stays * down - sine * along,
            cosine * along - 0.5 * sine * (up - down),
        )
        up, down = _dephase(up, down, e2)
        along = along * e1
        found.append(up[..., 0])
    return torch.stack(found, dim=-1)


def residue(
    r1: Tensor, r2: Tensor, flip_angle: Tensor, echo_spacing: Tensor | float, echoes: int
) -> tuple[Tensor, Tensor]:
    """What a CPMG train keeps of longitudinal magnetisation, and what it gains by recovery; see :class:`Train`.

    Arguments as of :func:`echo_amplitudes`; both results have the shape of the broadcast arguments.
    """
    e1, e2, sine, cosine = _factors(r1, r2, flip_angle, echo_spacing)
    shape = torch.broadcast_shapes(e1.shape, e2.shape, sine.shape)[:-1]
    # Two trains at once: one that starts with Mz = 1 and does not recover, one that starts with none and recovers.
    states = torch.zeros((2, *shape, min(MOST_ORDERS, 2 * echoes + 1))).to(e2)
    up = down = states
    along = torch.cat(
        (torch.tensor([1.0, 0.0]).to(e2).reshape(2, *[1] * len(shape), 1).expand_as(states[..., :1]), states[..., 1:]),
        dim=-1,
    )
    recovery = torch.zeros_like(states)
    recovery[1, ..., :1] = 1.0 - e1
    stays, turns = 0.5 * (1.0 + cosine), 0.5 * (1.0 - cosine)
    for _ in range(echoes):
        up, down = _dephase(up, down, e2)
        along = along * e1 + recovery
        up, down, along = (
            stays * up - turns * down - sine * along,
            stays * down - turns * up - sine * along,
            cosine * along + 0.5 * sine * (up + down),
        )
        up, down = _dephase(up, down, e2)
        along = along * e1 + recovery
    return along[0, ..., 0], along[1, ..., 0]


def _factors(r1: Tensor, r2: Tensor, flip_angle: Tensor, echo_spacing: Tensor | float) -> tuple[Tensor, ...]:
    e1, e2 = torch.exp(-0.5 * echo_spacing * r1), torch.exp(-0.5 * echo_spacing * r2)
    return e1[..., None], e2[..., None], torch.sin(flip_angle)[..., None], torch.cos(flip_angle)[..., None]


def _dephase(up: Tensor, down: Tensor, e2: Tensor) -> tuple[Tensor, Tensor]:
    """Half an echo spacing: rising states climb one order, falling ones descend, and the two meet at order zero."""
    zeroth = down[..., 1:2]
    up = torch.cat((zeroth, up[..., :-1]), dim=-1) * e2
    down = torch.cat((zeroth, down[..., 2:], torch.zeros_like(zeroth)), dim=-1) * e2
    return up, down


def echo_train(
    r1: Tensor,
    r2: Tensor,
    b1: Tensor | None,
    refocusing_flip: Parameter,
    echo_time: Parameter,
    echo_spacing: Parameter,
    echo_train_length: Parameter,
) -> Train:
    """What the protocol's train does to each voxel, read from its tables.

    Where TE lies between two echoes, k-space's centre does too: between both, by their distance.

    Args:
        r1: 1/s, ``[batch, 1, x, y, z]``.
        r2: 1/s, likewise.
        b1: transmit field relative to nominal, likewise; None means 1.
        refocusing_flip: nominal, rad; a number, or a tensor ``[batch]``, as the next three.
        echo_time: s.
        echo_spacing: s.
        echo_train_length: number of echoes.
    """
    protocols = list(zip(*_per_subject(refocusing_flip, echo_time, echo_spacing, echo_train_length), strict=True))
    tables = [_tables(*protocol, uniform=b1 is None) for protocol in protocols]
    flip, time = (_column([p[i] for p in protocols], r1) for i in (0, 1))
    decay = time * r2
    across = 2.0 * torch.sqrt((decay / LONGEST_DECAY).clamp(1e-9, 1.0)) - 1.0
    if b1 is None:
        along = torch.zeros_like(across)
    else:
        off = (math.pi - flip * b1).abs() / (math.pi - WEAKEST * flip)
        along = 2.0 * torch.exp(torch.log(off.clamp(1e-9, 1.0)) * (2.0 / 3.0)) - 1.0  # faster than a power
    batch, _, x, y, z = r1.shape
    where = torch.stack((across, along), dim=-1).reshape(batch, x, y * z, 2)

    def read(kind: int, quantities: int) -> list[Tensor]:
        each = [pair[kind].to(r1) for pair in tables]
        table = torch.stack(each) if len(each) > 1 else each[0][None].expand(batch, -1, -1, -1)
        values = torch.nn.functional.grid_sample(table, where, align_corners=True, padding_mode="border")
        parts = values.reshape(batch, quantities, len(R1_NODES), 1, x, y, z)
        return [q[:, 0] + r1 * (q[:, 1] + r1 * q[:, 2]) for q in parts.unbind(1)]

    (log,) = read(0, 1)
    kept, gained = read(1, 2)
    return Train(SOFTENING * torch.sinh(log) * torch.exp(-decay), kept, gained)


def _per_subject(*values: Parameter) -> list[list[float | Tensor]]:
    """The parameters of every subject whose protocol differs: one where all are alike."""
    count = max(v.numel() if isinstance(v, Tensor) else 1 for v in values)
    return [list(v.flatten().expand(count)) if isinstance(v, Tensor) else [v] * count for v in values]


def _column(values: list[float | Tensor], like: Tensor) -> Tensor:
    stacked = torch.stack([torch.as_tensor(v, dtype=like.dtype, device=like.device) for v in values])
    return stacked.reshape(-1, 1, 1, 1, 1)


def _tables(
    flip: float | Tensor, time: float | Tensor, spacing: float | Tensor, length: float | Tensor, *, uniform: bool
) -> tuple[Tensor, Tensor]:
    numbers = (flip, time, spacing)
    count = round(float(torch.as_tensor(length).detach()))
    if any(isinstance(v, Tensor) and v.requires_grad for v in numbers):
        first, second, third = (torch.as_tensor(v, dtype=torch.float64) for v in numbers)
        return _make_tables(first, second, third, count, uniform)
    return _kept_tables(float(flip), float(time), float(spacing), count, uniform)


@lru_cache(maxsize=64)
def _kept_tables(flip: float, time: float, spacing: float, count: int, uniform: bool) -> tuple[Tensor, Tensor]:
    first, second, third = (torch.tensor(v, dtype=torch.float64) for v in (flip, time, spacing))
    return _make_tables(first, second, third, count, uniform)


def _make_tables(flip: Tensor, time: Tensor, spacing: Tensor, count: int, uniform: bool) -> tuple[Tensor, Tensor]:
    """Coefficients of the parabolas over R1: the echo's ``[3, flip, decay]`` and the residue's ``[6, flip, decay]``.

    Decay is spaced by its square root; flips are spaced from 180 degrees on by their distance from it to the 2/3.
    """
    flips = flip[None]
    if not uniform:
        flips = math.pi - (math.pi - WEAKEST * flip) * torch.linspace(0, 1, FLIP_NODES, dtype=torch.float64) ** 1.5
    rates = torch.tensor(R1_NODES, dtype=torch.float64)
    inverse = torch.linalg.inv(torch.stack([rates**k for k in range(len(R1_NODES))], dim=1))
    column, row = rates[:, None, None], flips[None, :, None]

    decay = LONGEST_DECAY * torch.linspace(0, 1, DECAY_NODES, dtype=torch.float64) ** 2
    before = max(1, math.floor(float((time / spacing).detach()) + 1e-6))
    past = (time / spacing - before).clamp(0.0, 1.0)
    echoes = before + (1 if past.requires_grad or float(past) > 1e-6 else 0)
    learned = any(v.requires_grad for v in (flip, time, spacing))
    follow, left = (echo_amplitudes, residue) if learned else (_last_echoes, _residue_by_loops)
    train = follow(column, (decay / time)[None, None], row, spacing, echoes)
    log = torch.asinh(train * torch.exp(decay)[:, None] / SOFTENING)
    echo = log[..., -1]
    if echoes > before:
        echo = (1.0 - past) * log[..., -2] + past * echo

    decay = LONGEST_DECAY * torch.linspace(0, 1, RESIDUE_NODES, dtype=torch.float64) ** 2
    both = torch.stack(tuple(left(column, (decay / time)[None, None], row, spacing, count)))
    return (
        torch.einsum("kr,rfd->kfd", inverse, echo),
        torch.einsum("kr,qrfd->qkfd", inverse, both).flatten(0, 1),
    )


def _last_echoes(r1: Tensor, r2: Tensor, flip_angle: Tensor, echo_spacing: Tensor, echoes: int) -> Tensor:
    """The last two of :func:`echo_amplitudes` (of a single echo a 0 before it), by loops and without gradients."""
    out = torch.empty(2, r1.numel(), flip_angle.numel(), r2.numel(), dtype=torch.float64)
    amplitudes(*_rows(r1, r2, flip_angle, echo_spacing), echoes, out.numpy())
    return out.movedim(0, -1)


def _residue_by_loops(r1: Tensor, r2: Tensor, flip_angle: Tensor, echo_spacing: Tensor, echoes: int) -> Tensor:
    """Both of :func:`residue`, ``[2, r, f, d]``, likewise."""
    out = torch.empty(2, r1.numel(), flip_angle.numel(), r2.numel(), dtype=torch.float64)
    orders = min(MOST_ORDERS, 2 * echoes + 1)
    residues(*_rows(r1, r2, flip_angle, echo_spacing), echoes, orders, out.numpy())
    return out


def _rows(*tissue_and_train: Tensor) -> list[np.ndarray]:
    return [factor.double().flatten().numpy() for factor in _factors(*tissue_and_train)]
