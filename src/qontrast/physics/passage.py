"""Longitudinal magnetisation through a sequence of events, each of them an affine map, up to the steady state.

In units of the equilibrium magnetisation: waiting t multiplies by E = exp(-t R1) and adds 1 - E; an inversion
multiplies by -e; n excitations by a angle with spacing T multiply by (cos(a) E1)^n and add
(1 - E1) (1 - (cos(a) E1)^n) / (1 - cos(a) E1). The steady state is the fixed point of the whole repetition
(Mugler and Brookeman 1990, doi:10.1002/mrm.1910150117; Marques et al. 2010, doi:10.1016/j.neuroimage.2009.10.002,
appendix).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from qontrast.physics.feasible import Parameter, per_voxel


class Passage(NamedTuple):
    """The affine map M -> factor M + gain of longitudinal magnetisation through one or more events."""

    factor: Tensor
    gain: Tensor

    def then(self, later: "Passage") -> "Passage":
        """This passage followed by a later one."""
        return Passage(later.factor * self.factor, later.factor * self.gain + later.gain)

    def of(self, magnetisation: Tensor) -> Tensor:
        """The magnetisation after the passage."""
        return self.factor * magnetisation + self.gain

    def inverted(self, efficiency: Parameter) -> "Passage":
        """This passage followed by an inversion of the given efficiency."""
        kept = -per_voxel(efficiency)
        return Passage(kept * self.factor, kept * self.gain)

    def steady(self) -> Tensor:
        """The magnetisation that the passage, a whole repetition, returns to itself."""
        # The denominator is 0 only in air (R1 = 0), where there is no signal.
        return self.gain / (1.0 - self.factor).clamp(min=1e-12)


def wait(r1: Tensor, duration: Parameter) -> Passage:
    """Free recovery for ``duration`` seconds."""
    # expm1 keeps 1 - E exact where the wait is short, and E is 1 less that.
    recovered = -torch.expm1(-per_voxel(duration) * r1)
    return Passage(1.0 - recovered, recovered)


def excitations(lost: Tensor, r1: Tensor, spacing: Parameter, count: Parameter) -> Passage:
    """``count`` excitations, each followed by recovery for ``spacing`` seconds.

    Args:
        lost: 1 minus the cosine of the flip angle (see :func:`qontrast.physics.flip.pulse`).
        r1: 1/s.
        spacing: s.
        count: may be a half number.
    """
    one = wait(r1, spacing)
    # Below zero a fractional power has no real value: B1+ that makes a flip of over 90 degrees is taken as 90.
    step = ((1.0 - lost) * one.factor).clamp(min=1e-6)
    power = torch.exp(per_voxel(count) * torch.log(step))
    return Passage(power, one.gain * (1.0 - power) / (1.0 - step).clamp(min=1e-9))
