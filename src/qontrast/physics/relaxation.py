"""Exponential decay and recovery, exact where they are small and fast where they are fused."""

import math

import numpy as np
import torch
from torch import Tensor

from qontrast.basics.polynomial import fitted, polynomial
from qontrast.physics.feasible import Parameter, per_voxel

_LOG2_E = 1.4426950408889634
_LN_2 = 0.6931471805599453
_MANTISSA = 2.0**23  # single precision keeps the exponent above this bit
_EXPONENT = -1 << 23  # the bits above it
_ROOT_HALF = 0x3F3504F3  # the bits of 1 / sqrt(2): mantissas go from there to sqrt(2)
_SERIES = [1 / math.factorial(k) for k in range(13, 1, -1)]  # of (exp(x) - 1 - x) / x^2
_BEYOND_LINEAR = fitted(lambda x: np.polyval(_SERIES, x), -0.3466, 0.3466, degree=3)
_LOG = fitted(lambda x: np.log1p(x) / x, -0.2929, 0.4143, degree=8)


def decay(rate: Tensor, time: Parameter) -> Tensor:
    """exp(-time rate): what relaxation at ``rate`` (1/s, ``[batch, 1, x, y, z]``) leaves after ``time`` (s)."""
    exponent = per_voxel(time) * rate
    if not _fused(exponent):
        return torch.exp(-exponent)
    power, beyond = _split(exponent)
    return power + power * beyond


def recovery(rate: Tensor, time: Parameter) -> Tensor:
    """1 - exp(-time rate), exact where it is tiny; arguments as for :func:`decay`."""
    return fallen(per_voxel(time) * rate)


def fallen(exponent: Tensor) -> Tensor:
    """1 - exp(-exponent) for an exponent of at least 0, any shape."""
    if not _fused(exponent):
        return -torch.expm1(-exponent)
    power, beyond = _split(exponent)
    return (1.0 - power) - power * beyond


def log_kept(lost: Tensor) -> Tensor:
    """log(1 - lost) for a share ``lost`` of less than 1, exact where it is tiny."""
    if not _fused(lost):
        return torch.log1p(-lost)
    kept = 1.0 - lost
    bits = kept.view(torch.int32)
    doublings = (bits - _ROOT_HALF) & _EXPONENT
    excess = (bits - doublings).view(torch.float32) - 1.0
    rounded_off = (1.0 - kept) - lost
    return doublings.to(torch.float32) * (_LN_2 / _MANTISSA) + (excess * polynomial(_LOG, excess) + rounded_off)


def _fused(values: Tensor) -> bool:
    """Whether a kernel is being compiled: it would wait for the library's exponential, and not for memory."""
    return torch.compiler.is_compiling() and values.dtype == torch.float32


def _split(exponent: Tensor) -> tuple[Tensor, Tensor]:
    """exp(-exponent) as 2^n and exp(x) - 1, where x is what whole halvings leave; the bits of 2^n are n + 127."""
    halvings = torch.round(exponent * -_LOG2_E)
    rest = halvings * -_LN_2 - exponent
    power = (halvings * _MANTISSA + 127.0 * _MANTISSA).to(torch.int32).clamp(min=0).view(torch.float32)
    return power, polynomial(_BEYOND_LINEAR, rest) * (rest * rest) + rest
