"""Polynomials in place of a library's functions, where a fused kernel would wait for those and not for memory."""

from collections.abc import Callable

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial
from torch import Tensor


def fitted(function: Callable[[np.ndarray], np.ndarray], low: float, high: float, degree: int) -> tuple[float, ...]:
    """Coefficients, lowest power first, of the polynomial that meets ``function`` at Chebyshev's points of an interval.

    The largest error there is within a few times the smallest that any polynomial of this degree has.
    """
    fit = Chebyshev.interpolate(function, degree, domain=[low, high])
    return tuple(float(c) for c in fit.convert(kind=Polynomial).coef)


def polynomial(coefficients: tuple[float, ...], x: Tensor) -> Tensor:
    """The polynomial with these coefficients, that of the lowest power first."""
    value = x * coefficients[-1] + coefficients[-2]
    for coefficient in coefficients[-3::-1]:
        value = value * x + coefficient
    return value
