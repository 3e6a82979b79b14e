"""Randomness that is handed down: every draw comes from a generator derived from the plan's seed."""

import hashlib
import math
from collections.abc import Sequence
from typing import TypeVar

import torch

T = TypeVar("T")

Range = tuple[float, float]
"""Lowest and highest value of a draw."""


def derive_seed(seed: int, *keys: int | str) -> int:
    """A 63-bit seed that depends on ``seed`` and every key, and on nothing else (BLAKE2b of their text)."""
    text = repr((int(seed), *keys)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def derive(seed: int, *keys: int | str) -> torch.Generator:
    """A generator for one purpose: ``derive(seed, subject, step)``; the global random state is never used."""
    return torch.Generator().manual_seed(derive_seed(seed, *keys))


def uniform(bounds: Range, generator: torch.Generator) -> float:
    """A number drawn evenly between the two bounds."""
    low, high = bounds
    return low + (high - low) * float(torch.rand((), generator=generator, dtype=torch.float64))


def log_uniform(bounds: Range, generator: torch.Generator) -> float:
    """A positive number whose logarithm is drawn evenly between those of the bounds."""
    low, high = bounds
    return math.exp(uniform((math.log(low), math.log(high)), generator))


def normal(generator: torch.Generator) -> float:
    """A draw from the standard normal distribution."""
    return float(torch.randn((), generator=generator, dtype=torch.float64))


def chance(probability: float, generator: torch.Generator) -> bool:
    """True with the given probability."""
    return float(torch.rand((), generator=generator, dtype=torch.float64)) < probability


def choice(options: Sequence[T], generator: torch.Generator) -> T:
    """One of the options, each equally likely."""
    return options[int(torch.randint(len(options), (), generator=generator))]
