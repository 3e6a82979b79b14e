"""Complex images as two real ones: what happens to both alike then costs half, and magnitudes a fifth."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from qontrast.artefacts.lines import along
from qontrast.basics.shapes import AnyVolume, Volume


@dataclass(frozen=True)
class Planes:
    """An image ``[batch, component, x, y, z]``.

    Args:
        real: its real part.
        imaginary: its imaginary part; None for a real image.
    """

    real: Volume
    imaginary: Volume | None = None

    @staticmethod
    def of(image: AnyVolume) -> "Planes":
        """The planes of an image, real or complex."""
        return Planes(image.real.contiguous(), image.imag.contiguous()) if image.is_complex() else Planes(image)

    def joined(self) -> AnyVolume:
        """The image, complex if there is an imaginary part."""
        return self.real if self.imaginary is None else torch.complex(self.real, self.imaginary)

    def each(self, function: Callable[[Volume], Volume]) -> "Planes":
        """With something done to both parts that treats them alike."""
        return Planes(function(self.real), None if self.imaginary is None else function(self.imaginary))

    def plus(self, other: "Planes") -> "Planes":
        """The sum of both."""
        if self.imaginary is None or other.imaginary is None:
            return Planes(self.real + other.real, other.imaginary if self.imaginary is None else self.imaginary)
        return Planes(self.real + other.real, self.imaginary + other.imaginary)

    def power(self) -> Volume:
        """The squared magnitude, in new memory."""
        power = self.real.square()
        return power if self.imaginary is None else power.addcmul_(self.imaginary, self.imaginary)

    def magnitude(self) -> Volume:
        """Of the image."""
        return self.real.abs() if self.imaginary is None else self.power().sqrt_()

    def along(self, matrix: Tensor, axis: int) -> "Planes":
        """Every line along ``axis`` (0 to 2) multiplied by a matrix, real or complex; see ``lines.along``."""
        if not matrix.is_complex():
            return self.each(lambda part: along(part, matrix, axis))
        if self.imaginary is None:
            return Planes(along(self.real, matrix.real, axis), along(self.real, matrix.imag, axis))
        # A complex product by three real ones instead of four (Gauss).
        both = along(self.real + self.imaginary, matrix.real, axis)
        first = along(self.real, matrix.imag - matrix.real, axis)
        second = along(self.imaginary, matrix.real + matrix.imag, axis)
        return Planes(both - second, first.add_(both))
