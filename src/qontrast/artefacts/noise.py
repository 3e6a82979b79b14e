"""Thermal noise: Gaussian in the real and imaginary channels, so that the magnitude is Rician."""

from dataclasses import dataclass

import torch
from torch import Tensor

from qontrast.basics.errors import InputError
from qontrast.basics.randomness import derive, derive_seed
from qontrast.basics.shapes import ComplexVolume, Volume


@dataclass(frozen=True)
class ComplexNoise:
    """Add independent Gaussian noise of one standard deviation to the real and the imaginary part.

    The magnitude of the result is Rician (Gudbjartsson and Patz 1995, doi:10.1002/mrm.1910340618).

    Args:
        snr: mean magnitude of the signal where there is any, divided by the noise's standard deviation.
        seed: of the noise itself, so that the record can be replayed.
    """

    snr: float
    seed: int

    def __post_init__(self) -> None:
        if not self.snr > 0:
            raise InputError("noise", f"an SNR of {self.snr:g}", "a number above 0", "Infinity means no noise.")

    def sigma(self, signal: Volume) -> Tensor:
        """The noise's standard deviation for each image of the batch, ``[batch, 1, 1, 1, 1]``."""
        magnitude = signal.abs().amax(dim=1, keepdim=True)
        top = magnitude.amax(dim=(2, 3, 4), keepdim=True)
        inside = magnitude > 0.05 * top
        total = (magnitude * inside).sum(dim=(1, 2, 3, 4), keepdim=True)
        return total / inside.sum(dim=(1, 2, 3, 4), keepdim=True).clamp(min=1) / self.snr

    def __call__(self, signal: Volume) -> ComplexVolume:
        generator = derive(self.seed)
        noise = torch.randn((2, *signal.shape), generator=generator, dtype=signal.dtype).to(signal.device)
        sigma = self.sigma(signal)
        return torch.complex(signal + sigma * noise[0], sigma * noise[1])

    def describe(self) -> str:
        """For a caption."""
        return f"SNR {self.snr:.0f}"


def draw_noise(snr: float, generator: torch.Generator) -> ComplexNoise:
    """Noise at a stated SNR, its own seed drawn from ``generator``."""
    seed = int(torch.randint(2**62, (), generator=generator))
    return ComplexNoise(snr, derive_seed(seed, "noise"))
