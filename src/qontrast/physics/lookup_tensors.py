"""What :mod:`qontrast.physics.lookup_loops` does, in operations on whole tensors: for a GPU."""

import torch
from jaxtyping import Float, Int16
from torch import Tensor

from qontrast.physics.lookup_loops import R1_BITS, R1_STEP, R2_BITS, R2_STEP

Bits = Int16[Tensor, "x y z"]
"""Positive numbers in half precision by their bits."""


def limits(pd: Bits, rate: Bits) -> tuple[int, int]:
    """The smallest and the largest bits of a rate where there are protons."""
    there = pd > 0
    ends = torch.stack((torch.where(there, rate, 32767).amin(), torch.where(there, rate, 0).amax())).tolist()
    return ends[0], ends[1]


def scan(
    pd: Bits,
    rates: tuple[Bits, Bits],
    transmit: Float[Tensor, "u v w"],
    table: Float[Tensor, "plane r1 r2"],
    lowest: tuple[int, int],
) -> Float[Tensor, "x y z"]:
    """PD times the table's value between its nodes.

    Args:
        pd: proton density.
        rates: R1 and R2.
        transmit: place of the transmit field among the table's nodes; not looked at if there is one.
        table: two nodes or more of both rates.
        lowest: bits of the rates' first nodes.
    """
    planes, nodes, across = table.shape
    flat = table.flatten()
    i, down = _place(rates[0], lowest[0], nodes, R1_BITS, R1_STEP)
    j, right = _place(rates[1], lowest[1], across, R2_BITS, R2_STEP)
    node = i * across + j

    def between(start: Tensor) -> Tensor:
        above = torch.lerp(flat[start], flat[start + 1], right)
        return torch.lerp(above, torch.lerp(flat[start + across], flat[start + across + 1], right), down)

    if planes == 1:
        value = between(node)
    else:
        place = transmit.clamp(0, planes - 1)
        plane = place.int().clamp(0, planes - 2)
        start = node + plane * (nodes * across)
        value = torch.lerp(between(start), between(start + nodes * across), place - plane)
    return value.mul_(_number(pd))


def decay(
    rates: tuple[Bits, Bits, Bits],
    faster: Float[Tensor, " r1"],
    lowest: int,
    ratio: float,
    echo_time: float,
) -> Float[Tensor, "x y z"]:
    """exp(-TE R2*), with R2* in another field (see :func:`qontrast.physics.field.transverse_at_field`).

    Args:
        rates: R1, R2 and R2*.
        faster: by which factor R2 grows with the field, at each node of R1.
        lowest: bits of the first of them.
        ratio: by which factor R2* beyond R2 does.
        echo_time: s.
    """
    n, share = _place(rates[0], lowest, len(faster), R1_BITS, R1_STEP)
    r2, r2star = _number(rates[1]), _number(rates[2])
    beyond = r2star - r2
    rate = beyond + beyond.clamp(min=0) * (ratio - 1) + r2 * torch.lerp(faster[n], faster[n + 1], share)
    return torch.exp(rate.clamp(min=0) * -echo_time)


def _place(bits: Bits, lowest: int, nodes: int, low: int, step: int) -> tuple[Tensor, Tensor]:
    """The node below a number, and which share of the step to the next lies between them."""
    above = (bits.int() - lowest).clamp(0, (nodes - 1) * step - 1)
    return above >> low, (above & (step - 1)).float() / step


def _number(bits: Bits) -> Float[Tensor, "x y z"]:
    return bits.clamp(min=0).view(torch.float16).float()
