"""From magnetic susceptibility to the static field: the dipole kernel, and the shim that a scanner would run.

A body of susceptibility chi in a field B0 along u perturbs it, as protons feel it (Lorentz sphere included), by
D(k) chi(k), D(k) = 1/3 - (k.u)^2 / k^2, in k-space (Salomir et al. 2003, doi:10.1002/cmr.b.10083; Marques and Bowtell
2005, doi:10.1002/cmr.b.20034). The convolution is periodic, so the body is padded with its surroundings.
"""

import torch
from jaxtyping import Bool, Float
from scipy.fft import next_fast_len
from torch import Tensor

GYROMAGNETIC = 42.577478  # MHz/T of the proton (CODATA 2018): ppm times MHz/T times T is Hz

ScalarField = Float[Tensor, "x y z"]
"""One number per voxel."""


def field_of(
    susceptibility: ScalarField,
    spacing: tuple[float, float, float],
    direction: tuple[float, float, float] = (0.0, 0.0, 1.0),
    *,
    surroundings: float = 0.0,
    padding: float = 2.0,
) -> ScalarField:
    """The perturbation of the static field, ppm, ``[x, y, z]``.

    Args:
        susceptibility: ppm (SI, volume), ``[x, y, z]``.
        spacing: voxel size along each axis, mm.
        direction: of the static field in the grid's axes; need not have length 1.
        surroundings: susceptibility around the grid, ppm.
        padding: the grid's edges are padded to so many times their length; below 2 the images of the body next door
            are felt inside it.

    Returns:
        The part that the body adds to the field of its surroundings; its mean over the padded box is zero.
    """
    shape = tuple(susceptibility.shape)
    large = tuple(next_fast_len(max(n, round(n * padding)), real=True) for n in shape)
    spectrum = torch.fft.rfftn((susceptibility - surroundings).float(), s=large)
    unit = torch.tensor(direction, dtype=torch.float32)
    unit = unit / unit.norm()
    frequencies = [torch.fft.fftfreq(n, d=s) for n, s in zip(large, spacing, strict=True)]
    frequencies[2] = torch.fft.rfftfreq(large[2], d=spacing[2])
    x, y, z = frequencies[0][:, None, None], frequencies[1][None, :, None], frequencies[2][None, None, :]
    along = (unit[0] * x + unit[1] * y + unit[2] * z) ** 2
    squared = x**2 + y**2 + z**2
    kernel = 1.0 / 3.0 - along / squared.clamp(min=1e-30)
    kernel[0, 0, 0] = 0.0
    return torch.fft.irfftn(spectrum * kernel, s=large)[: shape[0], : shape[1], : shape[2]]


def shimmed(field: ScalarField, where: Bool[Tensor, "x y z"], spacing: tuple[float, float, float]) -> ScalarField:
    """``field`` less the solid harmonics up to second order that fit it best (least squares) in ``where``.

    What a second-order shim removes: a constant, three gradients, and xy, yz, xz, x^2 - y^2, 2z^2 - x^2 - y^2
    (Gruetter 1993, doi:10.1002/mrm.1910290613). Outside ``where`` the same harmonics are taken off.

    Args:
        field: any unit, ``[x, y, z]``.
        where: voxels that are shimmed over, at least 9 of them for a fit that means anything.
        spacing: mm.
    """
    edges = [
        s * (torch.arange(n, dtype=torch.float64) - (n - 1) / 2) for n, s in zip(field.shape, spacing, strict=True)
    ]
    scale = max(float(e.abs().max()) for e in edges) or 1.0
    x, y, z = torch.meshgrid(*(e / scale for e in edges), indexing="ij")
    terms = [torch.ones_like(x), x, y, z, x * y, y * z, x * z, x**2 - y**2, 2 * z**2 - x**2 - y**2]
    harmonics = torch.stack(terms, dim=-1)
    wanted = field[where].double()[:, None]
    weights = torch.linalg.lstsq(harmonics[where], wanted, driver="gelsd").solution
    return (field.double() - (harmonics @ weights)[..., 0]).float()
