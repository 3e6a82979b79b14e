"""Checks that a protocol could run on a scanner; each message says which inequality failed and the remedy."""

import math

import torch
from torch import Tensor

from qontrast.basics.errors import ProtocolError

Parameter = float | Tensor
"""A number for the whole batch, or a tensor ``[batch]`` with one number per subject."""


LONGEST_ECHO_TIME = 1.0
"""Seconds; also of the echo spacing. No clinical echo is later, and hardly one is below 1 ms."""
LONGEST_TIME = 60.0
"""Seconds, of every other time: no repetition takes longer, and none is below 60 ms where times are in milliseconds."""


def per_voxel(value: Parameter) -> Parameter:
    """A parameter shaped so that it broadcasts against ``[batch, 1, x, y, z]``."""
    return value.reshape(-1, 1, 1, 1, 1) if isinstance(value, Tensor) else value


def at_least(sequence: str, larger: Parameter, larger_name: str, smaller: Parameter, smaller_name: str) -> None:
    """Refuse unless the time ``larger >= smaller`` for every subject of the batch.

    Raises:
        ProtocolError: with both values and the nearest feasible one.
    """
    if not isinstance(larger, Tensor) and not isinstance(smaller, Tensor) and larger - smaller >= -1e-9:
        return
    gap = _numbers(larger) - _numbers(smaller)
    if bool((gap >= -1e-9).all()):
        return
    worst = int(gap.flatten().argmin())
    have, bound = _entry(larger, worst), _entry(smaller, worst)
    raise ProtocolError(
        sequence,
        f"{larger_name} = {have:.6g} s below {smaller_name} = {bound:.6g} s",
        f"{larger_name} >= {smaller_name}",
        f"The nearest feasible value of {larger_name} is {bound:.6g} s.",
    )


def positive(sequence: str, **values: Parameter) -> None:
    """Refuse any value that is not a finite number above zero.

    Raises:
        ProtocolError: naming the first value at fault.
    """
    for name, value in values.items():
        if not isinstance(value, Tensor) and 0 < value < math.inf:
            continue
        numbers = _numbers(value)
        possible = torch.isfinite(numbers) & (numbers > 0)
        if not bool(possible.all()):
            raise ProtocolError(
                sequence,
                f"{name} = {float(numbers[~possible][0]):.6g}",
                "a finite number above 0",
                "Times are in seconds, flip angles in radians.",
            )


def seconds(sequence: str, longest: float, **values: Parameter) -> None:
    """Refuse times that are not positive or longer than ``longest`` seconds: those were given in milliseconds.

    Raises:
        ProtocolError: naming the first time at fault.
    """
    positive(sequence, **values)
    for name, value in values.items():
        most = _most(value)
        if most > longest:
            raise ProtocolError(
                sequence,
                f"{name} = {most:.6g} s",
                f"at most {longest:g} s",
                f"Times are in seconds: {most:.6g} ms is {most / 1000:.6g} s.",
            )


def radians(sequence: str, largest: float = math.pi, **values: Parameter) -> None:
    """Refuse flip angles that are not positive or above ``largest`` rad; those above pi were given in degrees.

    Raises:
        ProtocolError: naming the first angle at fault.
    """
    positive(sequence, **values)
    for name, value in values.items():
        most = _most(value)
        if largest + 1e-6 < most <= math.pi + 1e-6:
            raise ProtocolError(
                sequence,
                f"{name} = {most:.6g} rad ({math.degrees(most):.4g} degrees)",
                f"at most {largest:.4g} rad ({math.degrees(largest):.4g} degrees)",
                f"The nearest feasible value is {largest:.6g} rad.",
            )
        if most > math.pi + 1e-6:  # 180 degrees in single precision is above pi
            raise ProtocolError(
                sequence,
                f"{name} = {most:.6g} rad",
                "at most pi rad",
                f"Flip angles are in radians: {most:.6g} degrees is {math.radians(most):.4g} rad.",
            )


def efficiency(sequence: str, inversion_efficiency: Parameter) -> None:
    """Refuse an inversion efficiency outside 0 to 1.

    Raises:
        ProtocolError: with the value found.
    """
    numbers = _numbers(inversion_efficiency)
    possible = (numbers >= 0) & (numbers <= 1)
    if not bool(possible.all()):
        found = f"inversion_efficiency = {float(numbers[~possible][0]):.6g}"
        raise ProtocolError(sequence, found, "a fraction from 0 to 1", "1 is a perfect inversion; 96 % is 0.96.")


def _numbers(value: Parameter) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64).detach()


def _most(value: Parameter) -> float:
    return float(_numbers(value).max()) if isinstance(value, Tensor) else float(value)


def _entry(value: Parameter, index: int) -> float:
    numbers = _numbers(value).flatten()
    return float(numbers[index if len(numbers) > 1 else 0])
