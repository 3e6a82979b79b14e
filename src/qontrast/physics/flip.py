"""What a pulse does to magnetisation: the sine of its flip angle, and what the cosine lacks of 1."""

import numpy as np
import torch
from torch import Tensor

from qontrast.basics.polynomial import fitted, polynomial
from qontrast.physics.feasible import Parameter, per_voxel
from qontrast.physics.tissue import TissueMaps

# In y^2, exact to 1e-8 for half flip angles y up to 2.5 rad.
_SINE = fitted(lambda square: np.sinc(np.sqrt(square) / np.pi), 0.0, 2.5**2, degree=5)  # sin(y) / y
# And (1 - cos(y)) / y^2.
_LOSS = fitted(
    lambda square: 0.5 * np.sinc(np.sqrt(square) / (2.0 * np.pi)) ** 2, 0.0, 2.5**2, degree=5
)  # (1 - cos(y)) / y^2


def pulse(tissue: TissueMaps, flip_angle: Parameter) -> tuple[Tensor, Tensor]:
    """Sine, and 1 minus the cosine, of the flip angle that B1+ makes of the nominal one.

    1 - cosine is exact for small angles too, where the difference would lose its digits.
    """
    nominal = 0.5 * per_voxel(flip_angle)
    angle = nominal if tissue.b1_transmit is None else nominal * tissue.b1_transmit
    half = torch.as_tensor(angle, dtype=tissue.r1.dtype, device=tissue.r1.device)
    if torch.compiler.is_compiling() and half.dtype == torch.float32:
        # A fused kernel waits for its trigonometry, not for memory: polynomials are several times faster.
        square = half * half
        sine, cosine = half * polynomial(_SINE, square), 1.0 - square * polynomial(_LOSS, square)
    else:
        sine, cosine = torch.sin(half), torch.cos(half)
    return 2.0 * sine * cosine, 2.0 * sine * sine
