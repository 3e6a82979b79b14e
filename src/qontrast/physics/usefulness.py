"""Whether an image would be of any use: a protocol that shows no tissue is drawn again, and counted."""

import math
from functools import lru_cache

import torch

from qontrast.physics.field import at_field
from qontrast.physics.presets import CSF_T1
from qontrast.physics.protocols import draw_protocol
from qontrast.physics.sequence import Sequence
from qontrast.physics.tissue import TissueMaps

LEAST_SIGNAL = 0.01  # of PD, of the brightest of grey matter, white matter and fluid
LEAST_CONTRAST = 2.0
"""Difference between the brightest and the darkest of the three over the noise's standard deviation. Rose's criterion
asks for 5 in a single voxel (doi:10.1364/JOSA.38.000196); the many voxels of a structure show what one does not."""
MOST_REJECTED = 100  # then whatever comes is taken: at an SNR near 0 nothing is of use


@lru_cache
def reference_brain(field_strength: float) -> TissueMaps:
    """White matter, grey matter and fluid, one voxel each along x, at a field; the values of ``anatomy.priors``."""

    def row(*values: float) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float64).reshape(1, 1, 3, 1, 1)

    at_3_tesla = TissueMaps(
        pd=row(0.70, 0.82, 1.0),
        r1=1.0 / row(0.85, 1.45, CSF_T1),
        r2=1.0 / row(0.072, 0.089, 1.9),
        r2star=1.0 / row(0.050, 0.060, 0.7),
        mt=row(0.0165, 0.0087, 0.0002),
    )
    return at_field(at_3_tesla, field_strength)


def useless(sequence: Sequence, snr: float = math.inf) -> str:
    """Why an image of this protocol is useless; an empty text if it is not.

    Args:
        sequence: the protocol, at its own field strength.
        snr: mean signal of white matter, grey matter and fluid over the noise's standard deviation.
    """
    signal = sequence.signal(reference_brain(float(sequence.field_strength)))
    strongest = float(signal.abs().max())
    if strongest < LEAST_SIGNAL:
        return f"signal of {strongest:.2%} of PD, below {LEAST_SIGNAL:.0%}"
    # MP2RAGE's ratio has no noise of its own scale: its contrast is judged in its two images.
    shades = sequence.image(signal) if sequence.components == 1 else signal
    spread = float((shades.amax(dim=2) - shades.amin(dim=2)).max())
    contrast = spread / float(signal.abs().mean()) * snr
    if contrast < LEAST_CONTRAST:
        return f"contrast between tissues of {contrast:.2g} times the noise, below {LEAST_CONTRAST:g}"
    return ""


def draw_useful_protocol(
    name: str, field_strength: float, generator: torch.Generator, *, mt_known: bool = True, snr: float = math.inf
) -> tuple[Sequence, int]:
    """Draw protocols until one is of use; see :func:`qontrast.physics.protocols.draw_protocol`.

    Returns:
        The protocol, and how many were rejected before it.
    """
    rejected = 0
    while True:
        sequence = draw_protocol(name, field_strength, generator, mt_known=mt_known)
        if rejected == MOST_REJECTED or not useless(sequence, snr):
            return sequence, rejected
        rejected += 1
