"""A protocol as a row of numbers, for a network that is told what to foretell."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from qontrast.physics.catalogue import SEQUENCES
from qontrast.physics.sequence import Sequence

TIMES = {"EchoTime": (0.0124, 1.26), "RepetitionTime": (0.53, 2.6), "InversionTime": (0.92, 0.9)}
"""Geometric mean (s) and standard deviation of the natural logarithm over 1080 drawn protocols: a scale again."""
PROTOCOL = (*SEQUENCES, *TIMES, "FlipAngle", "MagneticFieldStrength")
"""What each number of a protocol's code stands for."""


def protocol_code(sequence: Sequence | None) -> Float[Tensor, " number"]:
    """A protocol as the numbers of ``PROTOCOL``: its name as ones and zeros, logarithms of its times, flip and field.

    Zeros for a scan whose protocol is not known.
    """
    if sequence is None:
        return torch.zeros(len(PROTOCOL))
    stated = sequence.bids()
    code = [float(name == sequence.name) for name in SEQUENCES]
    for name, (centre, width) in TIMES.items():
        value = _one(stated.get(name, 0.0))
        code.append(math.log(value / centre) / width if value > 0 else 0.0)
    code.append(_one(stated.get("FlipAngle", 90.0)) / 90.0)
    code.append(math.log(_one(stated["MagneticFieldStrength"]) / 3.0))
    return torch.tensor(code)


def _one(value: object) -> float:
    return float(value[0] if isinstance(value, (list, tuple)) else value)  # type: ignore[arg-type]
