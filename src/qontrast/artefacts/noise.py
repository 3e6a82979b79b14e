"""Thermal noise: Gaussian in every coil's real and imaginary channel, so that magnitudes are Rician or chi."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from qontrast.basics.errors import InputError
from qontrast.basics.randomness import derive, derive_seed
from qontrast.basics.shapes import AnyVolume, ComplexVolume

Step = Callable[[AnyVolume], AnyVolume]


def unchanged(image: AnyVolume) -> AnyVolume:
    """The image itself."""
    return image


MANY = 1 << 18  # voxels


@dataclass(frozen=True)
class ComplexNoise:
    """Add independent Gaussian noise of one standard deviation to the real and the imaginary part of every coil.

    With one coil (or coils that were combined with their phases) the magnitude of the result is Rician (Gudbjartsson
    and Patz 1995, doi:10.1002/mrm.1910340618). The sum of squares of n coils follows a non-central chi distribution of
    2n degrees of freedom (Constantinides et al. 1997, doi:10.1002/mrm.1910380524; coils that share noise, or GRAPPA,
    act like fewer coils: Aja-Fernandez et al. 2011, Magn Reson Med 65, 1195).

    The SNR is the mean magnitude of the signal where there is any, divided by the standard deviation of the noise in
    one channel, both in the acquired voxel: before interpolation, and as if k-space were complete. Averaging over
    larger voxels therefore does not raise it.

    Args:
        snr: as above.
        seed: of the noise itself, so that the record can be replayed.
        coils: how many are combined by the sum of squares; 1 for a complex image.
        level: mean magnitude of the signal that the SNR refers to, where it is known for the whole head; None takes it
            from the image itself.
    """

    snr: float
    seed: int
    coils: int = 1
    level: float | None = None

    def __post_init__(self) -> None:
        if not self.snr > 0:
            raise InputError("noise", f"an SNR of {self.snr:g}", "a number above 0", "Infinity means no noise.")
        if self.coils < 1:
            raise InputError("noise", f"{self.coils} coils", "1 coil or more")
        if self.level is not None and not 0 <= self.level < math.inf:
            raise InputError("noise", f"a mean signal of {self.level:g}", "0 or more")

    def sigma(self, signal: AnyVolume) -> Tensor:
        """The noise's standard deviation for each image of the batch, ``[batch, 1, 1, 1, 1]``."""
        if self.level is not None:
            shape, kind = (signal.shape[0], 1, 1, 1, 1), signal.dtype.to_real()
            return torch.full(shape, self.level / self.snr, dtype=kind, device=signal.device)
        if signal.shape[2:].numel() > MANY:
            signal = signal[..., ::2, ::2, ::2]  # every eighth voxel of so many gives the mean within a thousandth
        magnitude = signal.abs()
        if magnitude.shape[1] > 1:
            magnitude = magnitude.amax(dim=1, keepdim=True)
        top = magnitude.amax(dim=(2, 3, 4), keepdim=True)
        inside = magnitude > 0.05 * top
        total = (magnitude * inside).sum(dim=(1, 2, 3, 4), keepdim=True)
        return total / inside.sum(dim=(1, 2, 3, 4), keepdim=True).clamp(min=1) / self.snr

    def __call__(self, signal: AnyVolume, colour: Step = unchanged, reconstruct: Step = unchanged) -> ComplexVolume:
        """The noisy image; its magnitude is that of the combined coils, its phase that of the image.

        Args:
            signal: what the coils received, ``[batch, component, x, y, z]``; each component has noise of its own.
            colour: from white noise to that of the acquired voxels on the image's grid (see ``Encoding.noise``).
            reconstruct: what the scanner does before it combines the coils (partial Fourier).
        """
        sigma = self.sigma(signal)
        noise = sigma * colour(self._white(signal, "noise"))
        imaginary = sigma * colour(self._white(signal, "imaginary"))
        image = reconstruct(signal + torch.complex(noise, imaginary))
        if self.coils == 1:
            return image
        others = self._others(signal, sigma, colour)
        power = image.real**2 + image.imag**2
        return torch.where(power > 0, image * ((power + others) / power).sqrt(), others.sqrt() + 0j)

    def magnitude(self, signal: AnyVolume, colour: Step = unchanged) -> AnyVolume:
        """The magnitude of the noisy image of a real signal, without a complex number: a third of the time."""
        sigma = self.sigma(signal)
        power = (sigma * colour(self._white(signal, "noise"))).add_(signal).square_()
        imaginary = sigma * colour(self._white(signal, "imaginary"))
        power.addcmul_(imaginary, imaginary)
        if self.coils > 1:
            power += self._others(signal, sigma, colour)
        return power.sqrt_()

    def _others(self, signal: AnyVolume, sigma: Tensor, colour: Step) -> Tensor:
        """The power of the channels that hold noise alone."""
        return sigma**2 * _chi_squared(2 * self.coils - 2, colour(self._white(signal, "coils")))

    def _white(self, signal: AnyVolume, purpose: str) -> Tensor:
        generator = derive(self.seed, purpose)
        noise = torch.randn(signal.shape, generator=generator, dtype=signal.dtype.to_real())
        return noise.to(signal.device)

    def describe(self) -> str:
        """For a caption."""
        strength = f"SNR {self.snr:.0f}" if math.isfinite(self.snr) else "no noise"
        return strength + (f", {self.coils} coils" if self.coils > 1 else "")


def _chi_squared(freedom: int, normal: Tensor) -> Tensor:
    """Chi-squared draws from standard normal ones: k (1 - 2/(9k) + z sqrt(2/(9k)))^3.

    Wilson and Hilferty 1931 (doi:10.1073/pnas.17.12.684). Of n coils, all but the two channels along the signal hold
    nothing but noise: their power is chi-squared, and one draw stands for all of them.
    """
    share = 2.0 / (9.0 * freedom)
    return freedom * (1.0 - share + math.sqrt(share) * normal).clamp(min=0) ** 3


def draw_noise(snr: float, generator: torch.Generator, coils: int = 1) -> ComplexNoise:
    """Noise at a stated SNR, its own seed drawn from ``generator``."""
    seed = int(torch.randint(2**62, (), generator=generator))
    return ComplexNoise(snr, derive_seed(seed, "noise"), coils)
