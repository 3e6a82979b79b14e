"""What is left out of k-space: its outer lines (resolution, Gibbs ringing) or nearly half of it (partial Fourier)."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from qontrast.artefacts.lines import AXES, along, line_numbers, mirrored, up_to
from qontrast.artefacts.planes import Planes
from qontrast.artefacts.voxel_loops import take_phase, turn
from qontrast.basics.compiled import by_loops
from qontrast.basics.errors import InputError
from qontrast.basics.shapes import AnyVolume, ComplexVolume
from qontrast.basics.spline import draw_spline, spline_spread, upsample_spline

Treatment = Literal["zero-filled", "conjugate", "homodyne"]
TREATMENTS: tuple[Treatment, ...] = ("zero-filled", "conjugate", "homodyne")
NOTHING = 1e-9  # of a wave, which rounding leaves where none is


@dataclass(frozen=True)
class Resolution:
    """Acquire k-space along one axis up to 1 / (2 ``acquired``) and fill the rest with zeros.

    The image is limited in band, not blurred: edges ring (Gibbs) as in a scan that the scanner interpolated. A raw-data
    filter tapers the outer lines and trades the ringing for blur (Bernstein et al. 2004, Handbook of MRI Pulse
    Sequences, 13.1).

    Args:
        axis: 0, 1 or 2 (right, anterior, superior).
        acquired: acquired voxel size along the axis, mm: half of the wavelength at the cut-off.
        voxel: voxel size of the grid, mm.
        taper: outer share of the lines that a cosine-squared filter takes down to 0; 0 is no filter.
    """

    axis: int
    acquired: float
    voxel: float
    taper: float = 0.0

    def __post_init__(self) -> None:
        if not (self.acquired >= self.voxel > 0 and math.isfinite(self.acquired)):
            raise InputError(
                "resolution",
                f"acquired voxels of {self.acquired:g} mm on a grid of {self.voxel:g} mm",
                "acquired voxels that are no smaller than the grid's",
                "The grid holds nothing finer.",
            )
        if not 0 <= self.taper <= 1:
            raise InputError("resolution", f"a taper of {self.taper:g}", "a share from 0 to 1")

    @property
    def kept(self) -> float:
        """Share of the grid's k-space lines that were acquired."""
        return self.voxel / self.acquired

    def transfer(self, count: int) -> Tensor:
        """What is kept of each of the ``2 count`` lines (see :func:`line_numbers`)."""
        lines = line_numbers(count).abs()
        edge = self.kept * count
        transfer = up_to(lines, edge)
        if self.taper > 0:
            beyond = ((lines - (1 - self.taper) * edge) / (self.taper * edge)).clamp(0, 1)
            transfer = transfer * torch.cos(0.5 * math.pi * beyond) ** 2
        return transfer

    def matrix(self, count: int) -> Tensor:
        """The operation as a matrix ``[count, count]``."""
        return mirrored(self.transfer(count))

    def __call__(self, signal: AnyVolume) -> AnyVolume:
        return along(signal, self.matrix(signal.shape[self.axis + 2]), self.axis)

    def describe(self) -> str:
        """For a caption."""
        filtered = f", filtered {self.taper:.0%}" if self.taper else ""
        return f"{self.acquired:.1f} mm {AXES[self.axis]}{filtered}"


@dataclass(frozen=True)
class BackgroundPhase:
    """Multiply by exp(i phase), smooth: what coils, eddy currents and off-resonance leave on every image.

    Args:
        control: control values ``[k, k, k]`` of a cubic B-spline over the image, rad.
    """

    control: Tensor

    def __call__(self, signal: AnyVolume) -> ComplexVolume:
        return self.apart(Planes.of(signal)).joined()

    def apart(self, image: Planes) -> Planes:
        """The same for the planes of an image."""
        x, y, z = image.real.shape[-3:]
        phase = upsample_spline(self.control[None].to(image.real), (x, y, z))[0]
        if image.imaginary is None and by_loops(phase) and phase.dtype == torch.float32:
            real, imaginary = torch.empty((2, *image.real.shape))
            given, *made = (each.reshape(-1, x * y * z).numpy() for each in (image.real, real, imaginary))
            turn(given, phase.view(-1).numpy(), *made)
            return Planes(real, imaginary)
        cosine, sine = torch.cos(phase), torch.sin(phase)
        if image.imaginary is None:
            return Planes(image.real * cosine, image.real * sine)
        real = (image.real * cosine).addcmul_(image.imaginary, sine, value=-1)
        return Planes(real, (image.real * sine).addcmul_(image.imaginary, cosine))

    def describe(self) -> str:
        """For a caption."""
        return f"phase ±{math.degrees(spline_spread(self.control[None])):.0f}°"


@dataclass(frozen=True)
class PartialFourier:
    """Acquire only a fraction of k-space along one axis, from one end to past the centre.

    What is missing is left zero, or found from the other half by conjugate symmetry once the phase of the central
    lines is taken away: the weights of the lines change in a step where their partners go missing (*conjugate*) or in
    a ramp through the centre (*homodyne*); both in Noll et al. 1991 (doi:10.1109/42.79473). Where the phase changes
    faster than the central lines show, the two leave errors.

    Args:
        axis: 0, 1 or 2 (right, anterior, superior).
        fraction: of the lines that was acquired, above 0.5 and up to 1.
        treatment: of the missing lines.
        kept: share of the grid's lines that a complete acquisition would have (see :class:`Resolution`).
    """

    axis: int
    fraction: float
    treatment: Treatment = "zero-filled"
    kept: float = 1.0

    def __post_init__(self) -> None:
        if not 0.5 < self.fraction <= 1:
            raise InputError("partial Fourier", f"a fraction of {self.fraction:g}", "a number above 0.5 and up to 1")
        if self.treatment not in TREATMENTS:
            raise InputError("partial Fourier", repr(self.treatment), f"one of {', '.join(TREATMENTS)}")

    def acquired(self, count: int) -> Tensor:
        """Which share of each of the ``2 count`` lines (see :func:`line_numbers`) was acquired."""
        lines = line_numbers(count)
        return up_to(lines, (2 * self.fraction - 1) * self.kept * count) * up_to(-lines, self.kept * count)

    def __call__(self, signal: AnyVolume) -> ComplexVolume:
        return self.apart(Planes.of(signal)).joined()

    def apart(self, image: Planes, factor: Tensor | None = None) -> Planes:
        """The same for the planes of an image.

        Args:
            image: on the grid; with ``factor`` what was acquired along this axis in its place.
            factor: from that to the grid, ``[count, sample]``; see :meth:`Encoding.factor`.
        """
        count = image.real.shape[self.axis + 2] if factor is None else len(factor)
        acquired, lines = self.acquired(count), line_numbers(count)

        def weighted(weights: Tensor) -> Tensor:
            matrix = mirrored(weights)
            return matrix if factor is None else matrix @ factor.to(matrix)

        if self.treatment == "zero-filled":
            return image.along(weighted(acquired + 0j), self.axis)
        centre = (2 * self.fraction - 1) * self.kept * count
        if self.treatment == "conjugate":
            doubled = (2 - up_to(-lines, centre)) * up_to(-lines, self.kept * count)
            weights = torch.where(lines < 0, doubled, acquired)
        else:
            weights = (1 - (lines / max(centre, 0.5)).clamp(-1, 1)) * up_to(lines.abs(), self.kept * count)
        hann = torch.cos(0.5 * math.pi * (lines / max(centre, 1.0)).clamp(-1, 1)) ** 2
        central = weighted(hann)
        some = int((central.abs().amax(dim=0) > NOTHING).nonzero().max()) + 1  # waves: the slowest come first
        slow = image.each(lambda part: along(part.narrow(self.axis + 2, 0, some), central[:, :some], self.axis))
        found = image.along(weighted(weights + 0j), self.axis)
        assert found.imaginary is not None
        if slow.imaginary is None:  # the phase is 0 or pi
            return Planes(found.real, torch.zeros_like(found.real))
        # A line and its missing mirror image add up to twice the real part, once the phase is taken away.
        return _projected(found, slow)

    def describe(self) -> str:
        """For a caption."""
        return f"partial Fourier {self.fraction:.2f} {AXES[self.axis]} {self.treatment}"


def _projected(image: Planes, direction: Planes) -> Planes:
    """The part of an image, which may be overwritten, that has the phase of another, or its opposite."""
    real, imaginary, cosine, sine = image.real, image.imaginary, direction.real, direction.imaginary
    assert imaginary is not None
    assert sine is not None
    planes = [real, imaginary, cosine, sine]
    if by_loops(real) and all(p.dtype == torch.float32 and p.is_contiguous() for p in planes):
        take_phase(*(p.view(-1).numpy() for p in planes))
        return image
    size = (real * cosine).addcmul_(imaginary, sine)
    power = direction.power()
    size.div_(power.clamp_(min=torch.finfo(power.dtype).tiny))  # where there is no phase there is no signal either
    return Planes(cosine * size, sine * size)


def draw_phase(strength: float, generator: torch.Generator, control_points: int = 5) -> BackgroundPhase:
    """A background phase that has mean 0 and the standard deviation ``strength`` (rad) over the image."""
    return BackgroundPhase(draw_spline(strength, control_points, generator)[0])
