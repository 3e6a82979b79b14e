"""What a pulse does to magnetisation: the sine of its flip angle, and what the cosine lacks of 1."""

import torch
from torch import Tensor

from qontrast.physics.feasible import Parameter, per_voxel
from qontrast.physics.tissue import TissueMaps

# Taylor's, of the sine over y and of 1 - cosine over y^2, in powers of y^2: exact to single precision up to 2.5 rad.
_SINE = (1.0, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800, 1 / 6227020800)
_LOSS = (1 / 2, -1 / 24, 1 / 720, -1 / 40320, 1 / 3628800, -1 / 479001600, 1 / 87178291200)


def pulse(tissue: TissueMaps, flip_angle: Parameter) -> tuple[Tensor, Tensor]:
    """Sine, and 1 minus the cosine, of the flip angle that B1+ makes of the nominal one.

    1 - cosine is exact for small angles too, where the difference would lose its digits.
    """
    angle = per_voxel(flip_angle) if tissue.b1_transmit is None else per_voxel(flip_angle) * tissue.b1_transmit
    half = 0.5 * torch.as_tensor(angle, dtype=tissue.r1.dtype, device=tissue.r1.device)
    if torch.compiler.is_compiling() and half.dtype == torch.float32:
        # A fused kernel waits for its trigonometry, not for memory: polynomials are several times faster.
        square = half * half
        sine, cosine = half * _horner(_SINE, square), 1.0 - square * _horner(_LOSS, square)
    else:
        sine, cosine = torch.sin(half), torch.cos(half)
    return 2.0 * sine * cosine, 2.0 * sine * sine


def _horner(coefficients: tuple[float, ...], x: Tensor) -> Tensor:
    value = x * coefficients[-1] + coefficients[-2]
    for coefficient in coefficients[-3::-1]:
        value = value * x + coefficient
    return value
