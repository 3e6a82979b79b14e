"""Linear operations along one axis, each a small matrix: composed by a product, applied by one multiplication.

Truncated k-space, a phase ramp and a stack of slices are all linear along one axis of ``count`` voxels. As ``[count,
count]`` matrices they compose before any image is touched, and a multiplication by 48 x 48 is cheaper than the two
Fourier transforms that it stands for.

A crop is a window of a larger field of view: a plain Fourier transform would join its opposite faces and ring there.
So k-space belongs to the crop continued by its mirror image: ``2 * count`` samples, lines ``-count`` to ``count - 1``.
"""

import math
from functools import cache

import torch
from torch import Tensor

from qontrast.basics.shapes import AnyVolume, Resampled

AXES = ("right", "anterior", "superior")


def line_numbers(count: int) -> Tensor:
    """Numbers ``[2 count]`` of the k-space lines of ``count`` mirrored voxels, in the order of a Fourier transform."""
    return torch.fft.fftfreq(2 * count, d=1 / (2 * count), dtype=torch.float64)


def up_to(lines: Tensor, edge: float) -> Tensor:
    """1 for line numbers below ``edge``, 0 above; the line that the edge cuts has the share that lies below.

    The lines of a real field of view lie closer than a crop's, so a cut-off may fall between two of the crop's.
    """
    return (edge + 0.5 - lines).clamp(0, 1)


def mirrored(transfer: Tensor) -> Tensor:
    """The matrix ``[count, count]`` that multiplies k-space by ``transfer`` ``[2 count]``.

    Complex unless the transfer is real and even.
    """
    count = len(transfer) // 2
    if not transfer.is_complex() and torch.equal(transfer[1:], transfer[1:].flip(0)):
        waves = cosines(count)
        return waves.T @ (transfer[:count, None] * waves)
    eye = torch.eye(count, dtype=torch.float64)
    spectrum = torch.fft.fft(torch.cat((eye, eye.flip(0))), dim=0)
    return torch.fft.ifft(transfer[:, None] * spectrum, dim=0)[:count]


def along(image: AnyVolume, matrix: Tensor, axis: int) -> Resampled:
    """Multiply every line of ``image`` ``[batch, component, x, y, z]`` along ``axis`` (0 to 2) by a matrix.

    It may make lines longer or shorter. In the image's precision; complex if either is.
    """
    precision = image.dtype.to_real()
    if matrix.is_complex() and not image.is_complex():  # two real products cost less than a complex one
        return torch.complex(along(image, matrix.real, axis), along(image, matrix.imag, axis))
    if image.is_complex() and not matrix.is_complex():
        return torch.complex(along(image.real, matrix, axis), along(image.imag, matrix, axis))
    matrix = matrix.to(device=image.device, dtype=precision.to_complex() if matrix.is_complex() else precision)
    if axis == 2:
        return image @ matrix.mT
    shape = image.shape
    flat = image.flatten(3) if axis == 0 else image
    return (matrix @ flat).reshape(*shape[: axis + 2], len(matrix), *shape[axis + 3 :])


@cache
def cosines(count: int) -> Tensor:
    """The orthonormal waves ``[line, voxel]`` of ``count`` mirrored voxels: line 0, then each with its negative."""
    place = torch.arange(count, dtype=torch.float64)
    waves = torch.cos(math.pi / count * place[:, None] * (place + 0.5)) * math.sqrt(2 / count)
    waves[0] /= math.sqrt(2)
    return waves
