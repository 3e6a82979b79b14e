"""Longitudinal magnetisation through a sequence of events, each of them an affine map, up to the steady state.

In units of the equilibrium magnetisation: waiting t multiplies by E = exp(-t R1) and adds 1 - E; an inversion
multiplies by -e; n excitations by a angle with spacing T multiply by (cos(a) E1)^n and add
(1 - E1) (1 - (cos(a) E1)^n) / (1 - cos(a) E1). The steady state is the fixed point of the whole repetition
(Mugler and Brookeman 1990, doi:10.1002/mrm.1910150117; Marques et al. 2010, doi:10.1016/j.neuroimage.2009.10.002,
appendix).
"""

from typing import NamedTuple

from torch import Tensor

from qontrast.physics.feasible import Parameter, per_voxel
from qontrast.physics.relaxation import fallen, log_kept, recovery


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
    recovered = recovery(r1, duration)
    return Passage(1.0 - recovered, recovered)


def excitations(lost: Tensor, r1: Tensor, spacing: Parameter, count: Parameter) -> Passage:
    """``count`` excitations, each followed by recovery for ``spacing`` seconds.

    Args:
        lost: 1 minus the cosine of the flip angle (see :func:`qontrast.physics.flip.pulse`).
        r1: 1/s.
        spacing: s.
        count: may be a half number.
    """
    # Below zero a fractional power has no real value: B1+ that makes a flip of over 90 degrees is taken as 90.
    lost, recovered = lost.clamp(max=1.0 - 1e-6), recovery(r1, spacing)
    gone = fallen(per_voxel(count) * (per_voxel(spacing) * r1 - log_kept(lost)))
    plateau = recovered / (lost + (1.0 - lost) * recovered).clamp(min=1e-9)  # (1 - E1) / (1 - cos(a) E1)
    return Passage(1.0 - gone, plateau * gone)
