"""Thermal noise: Gaussian in every coil's real and imaginary channel, so that magnitudes are Rician or chi."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from qontrast.artefacts.encoding import Encoding
from qontrast.artefacts.kspace import PartialFourier
from qontrast.artefacts.planes import Planes
from qontrast.artefacts.voxel_loops import take_magnitude
from qontrast.basics.compiled import by_loops
from qontrast.basics.errors import InputError
from qontrast.basics.randomness import derive_seed
from qontrast.basics.shapes import AnyVolume, ComplexVolume, Volume
from qontrast.basics.white_noise import complex_white_noise, white_noise

MANY, FEW = 1 << 18, 48  # voxels, and along an axis
PLAIN = Encoding()


@dataclass(frozen=True)
class ComplexNoise:
    """Add independent Gaussian noise of one standard deviation to the real and the imaginary part of every coil.

    With one coil (or coils that were combined with their phases) the magnitude of the result is Rician (Gudbjartsson
    and Patz 1995, doi:10.1002/mrm.1910340618). The sum of squares of n coils follows a non-central chi distribution of
    2n degrees of freedom (Constantinides et al. 1997, doi:10.1002/mrm.1910380524; coils that share noise, or GRAPPA,
    act like fewer coils: Aja-Fernandez et al. 2011, Magn Reson Med 65, 1195).

    The SNR is the mean magnitude of the signal where there is any, in the slices before k-space is cut (what rings in
    air is none), divided by the standard deviation of the noise in one channel, in the acquired voxel: before
    interpolation, and as if k-space were complete. Averaging over larger voxels therefore does not raise it.

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
        return self._sigma(Planes.of(signal))

    def _sigma(self, image: Planes) -> Tensor:
        if self.level is not None:
            return image.real.new_full((len(image.real), 1, 1, 1, 1), self.level / self.snr)
        if image.real.shape[2:].numel() > MANY:
            # Every other voxel along each axis that has many gives the mean within half a percent; slices are few.
            x, y, z = (slice(None, None, 2 if n > FEW else 1) for n in image.real.shape[2:])
            image = image.each(lambda part: part[:, :, x, y, z].contiguous())
        magnitude = image.magnitude()
        if magnitude.shape[1] > 1:
            magnitude = magnitude.amax(dim=1, keepdim=True)
        top = magnitude.amax(dim=(2, 3, 4), keepdim=True)
        inside = (magnitude > 0.05 * top).to(magnitude)
        total = (magnitude * inside).sum(dim=(1, 2, 3, 4), keepdim=True)
        return total / inside.sum(dim=(1, 2, 3, 4), keepdim=True).clamp(min=1) / self.snr

    def __call__(
        self, signal: AnyVolume, encoding: Encoding = PLAIN, partial: PartialFourier | None = None
    ) -> ComplexVolume:
        """The encoded image with noise; its magnitude is that of the combined coils, its phase that of the image.

        Args:
            signal: what the coils receive, ``[batch, component, x, y, z]``; each component has noise of its own.
            encoding: of the voxels.
            partial: what the scanner makes of a k-space with a part left out, before it combines the coils.
        """
        return self.apart(Planes.of(signal), encoding, partial).joined()

    def apart(self, image: Planes, encoding: Encoding = PLAIN, partial: PartialFourier | None = None) -> Planes:
        """The same for the planes of an image."""
        sigma, noisy = self._received(image, encoding, partial)
        if self.coils == 1:
            return noisy
        power, others = noisy.power(), self._others(image, sigma, encoding)
        gain = ((power + others) / power).sqrt_()
        # Where the image is exactly 0 it has no phase that the other channels' power could be given.
        alone = torch.where(power > 0, 0.0, others.sqrt_())
        noisy = noisy.each(lambda part: torch.where(power > 0, part * gain, 0.0))
        return Planes(noisy.real + alone, noisy.imaginary)

    def magnitude(self, image: Planes, encoding: Encoding = PLAIN, partial: PartialFourier | None = None) -> Volume:
        """The magnitude of the noisy image alone; arguments as above."""
        sigma, noisy = self._received(image, encoding, partial)
        assert noisy.imaginary is not None
        if self.coils == 1 and noisy.real.dtype == torch.float32 and by_loops(noisy.real):
            take_magnitude(noisy.real.view(-1).numpy(), noisy.imaginary.view(-1).numpy())
            return noisy.real
        power = noisy.real.square_().addcmul_(noisy.imaginary, noisy.imaginary)
        if self.coils > 1:
            power += self._others(image, sigma, encoding)
        return power.sqrt_()

    def _received(self, image: Planes, encoding: Encoding, partial: PartialFourier | None) -> tuple[Tensor, Planes]:
        """The noise's standard deviation, and the image: noise joins the samples, and both become an image together."""
        slices = image.each(encoding.sliced)
        sigma = self._sigma(slices)
        samples = slices.each(encoding.sampled)
        real, seed = samples.real, derive_seed(self.seed, "noise")
        noise = complex_white_noise(real.shape, seed, real.device).to(real)
        noise *= sigma * encoding.grain(image.real.shape)
        noise[0] += real
        if samples.imaginary is not None:
            noise[1] += samples.imaginary
        shape, left = image.real.shape, None if partial is None else partial.axis
        both = encoding.reconstructed(noise.flatten(0, 1), shape, but=left).unflatten(0, (2, -1))
        received = Planes(both[0], both[1])
        if partial is None:
            return sigma, received
        # What was acquired along its axis becomes an image in the same step.
        return sigma, partial.apart(received, encoding.factor(partial.axis, shape[partial.axis + 2]))

    def _others(self, image: Planes, sigma: Tensor, encoding: Encoding) -> Tensor:
        """The power of the channels that hold noise alone."""
        seed = derive_seed(self.seed, "coils")
        where = image.real.device
        normal = encoding.noise(lambda shape: white_noise(shape, seed, where).to(image.real), image.real.shape)
        return sigma**2 * _chi_squared(2 * self.coils - 2, normal)

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
    root = (normal * math.sqrt(share)).add_(1.0 - share).clamp_(min=0)
    return root.square().mul_(root).mul_(freedom)


def draw_noise(snr: float, generator: torch.Generator, coils: int = 1) -> ComplexNoise:
    """Noise at a stated SNR, its own seed drawn from ``generator``."""
    seed = int(torch.randint(2**62, (), generator=generator))
    return ComplexNoise(snr, derive_seed(seed, "noise"), coils)
