"""Checks that a protocol could run on a scanner; each message says which inequality failed and the remedy."""

import math

import torch
from torch import Tensor

from qontrast.basics.errors import ProtocolError

Parameter = float | Tensor
"""A number for the whole batch, or a tensor ``[batch]`` with one number per subject."""


def per_voxel(value: Parameter) -> Parameter:
    """A parameter shaped so that it broadcasts against ``[batch, 1, x, y, z]``."""
    return value.reshape(-1, 1, 1, 1, 1) if isinstance(value, Tensor) else value


def at_least(
    sequence: str, larger: Parameter, larger_name: str, smaller: Parameter, smaller_name: str, *, unit: str = "s"
) -> None:
    """Refuse unless ``larger >= smaller`` for every subject of the batch.

    Raises:
        ProtocolError: with both values and the nearest feasible one.
    """
    gap = torch.as_tensor(larger, dtype=torch.float64) - torch.as_tensor(smaller, dtype=torch.float64)
    if bool((gap >= -1e-9).all()):
        return
    worst = int(gap.flatten().argmin())
    have, bound = _entry(larger, worst), _entry(smaller, worst)
    raise ProtocolError(
        sequence,
        f"{larger_name} = {have:.6g} {unit} below {smaller_name} = {bound:.6g} {unit}",
        f"{larger_name} >= {smaller_name}",
        f"The nearest feasible {larger_name} is {bound:.6g} {unit}.",
    )


def positive(sequence: str, **values: Parameter) -> None:
    """Refuse any value that is not a finite number above zero.

    Raises:
        ProtocolError: naming the first value at fault.
    """
    for name, value in values.items():
        numbers = torch.as_tensor(value, dtype=torch.float64)
        if not bool((torch.isfinite(numbers) & (numbers > 0)).all()):
            raise ProtocolError(
                sequence, f"{name} = {float(numbers.min()):.6g}", "a finite number above 0", "Times are in seconds."
            )


def seconds(sequence: str, longest: float, **values: Parameter) -> None:
    """Refuse times that are not positive or longer than ``longest`` seconds: those were given in milliseconds.

    Raises:
        ProtocolError: naming the first time at fault.
    """
    positive(sequence, **values)
    for name, value in values.items():
        most = float(torch.as_tensor(value).max())
        if most > longest:
            raise ProtocolError(
                sequence,
                f"{name} = {most:.6g} s",
                f"at most {longest:g} s",
                f"Times are in seconds: {most:.6g} ms is {most / 1000:.6g} s.",
            )


def radians(sequence: str, **values: Parameter) -> None:
    """Refuse flip angles that are not positive or above 2 pi: those were given in degrees.

    Raises:
        ProtocolError: naming the first angle at fault.
    """
    positive(sequence, **values)
    for name, value in values.items():
        most = float(torch.as_tensor(value).max())
        if most > 2 * math.pi:
            raise ProtocolError(
                sequence,
                f"{name} = {most:.6g} rad",
                "at most 2 pi rad",
                f"Flip angles are in radians: {most:.6g} degrees is {math.radians(most):.4g} rad.",
            )


def _entry(value: Parameter, index: int) -> float:
    numbers = torch.as_tensor(value).flatten()
    return float(numbers[index if len(numbers) > 1 else 0])
