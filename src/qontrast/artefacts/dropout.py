"""What an inhomogeneous static field does to a gradient echo: spins of one voxel lose their common phase."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from qontrast.basics.errors import InputError
from qontrast.basics.randomness import chance, uniform
from qontrast.basics.shapes import AnyVolume, Volume

GAMMA = 42.577e6
"""Gyromagnetic ratio of the proton over 2 pi, Hz/T (CODATA 2018)."""

AIR_TO_TISSUE = 9.4e-6
"""Difference of the volume susceptibilities of air and tissue (Schenck 1996, doi:10.1118/1.597854)."""

SLAB = 1 << 16
"""Voxels at a time."""


@dataclass(frozen=True)
class AirCavity:
    """A ball of air in tissue, as sinuses and ear canals are: the field of a dipole around it.

    Args:
        position: of its centre relative to the image's, right, anterior, superior, mm.
        radius: mm.
    """

    position: tuple[float, float, float]
    radius: float


@dataclass(frozen=True)
class Dephasing:
    """Multiply by sinc(df TE) along each axis, df the difference of frequency (Hz) across an acquired voxel.

    sinc(x) = sin(pi x) / (pi x): the mean of the phases of evenly spread spins. With df = gamma/2pi G d this is
    sinc(gamma G d TE / 2) of the textbooks (Haacke et al. 1999, Magnetic Resonance Imaging, 20). A map of the
    tissue's own field is taken where there is one; else the field is that of cavities: (X/3) B0 (a/r)^3 (3 cos^2 - 1),
    X the difference of susceptibilities, the main field along the third axis.

    Args:
        echo_time: s.
        acquired: size of the acquired voxel along each axis, mm; the longest side loses most.
        voxel: voxel size of the grid along each axis, mm.
        field_strength: tesla.
        cavities: where there is no map.
        readout: axis along which spins are displaced by their frequency; None for no displacement.
        bandwidth: of the readout, Hz per voxel of the grid.
    """

    echo_time: float
    acquired: tuple[float, float, float]
    voxel: tuple[float, float, float]
    field_strength: float
    cavities: tuple[AirCavity, ...] = ()
    readout: int | None = None
    bandwidth: float = 200.0

    def __post_init__(self) -> None:
        if not 0 <= self.echo_time < 1:
            raise InputError("dropout", f"an echo time of {self.echo_time:g} s", "0 to 1 s", "Times are in seconds.")
        if not self.bandwidth > 0:
            raise InputError("dropout", f"{self.bandwidth:g} Hz per voxel", "a number above 0")

    def frequency(self, shape: tuple[int, int, int]) -> Tensor:
        """The cavities' field ``[x, y, z]``, Hz; inside a cavity that of its surface."""
        axes = [
            (torch.arange(n, dtype=torch.float32) - (n - 1) / 2) * s for n, s in zip(shape, self.voxel, strict=True)
        ]
        out = torch.zeros(shape)
        for part in _slabs(shape):
            for cavity in self.cavities:
                x, y, z = (a - p for a, p in zip((axes[0][part], *axes[1:]), cavity.position, strict=True))
                # In units of the radius: a power of 3/2 is a product with a root, which is five times as fast.
                z2 = (z / cavity.radius).square()
                r2 = (x / cavity.radius).square()[:, None, None] + (y / cavity.radius).square()[:, None] + z2
                inverse = r2.clamp_(min=1).reciprocal_()
                angle = (3 * z2 * inverse).sub_(1).clamp_(max=2)
                out[part].addcmul_(angle.mul_(inverse), inverse.sqrt())
        return out.mul_(AIR_TO_TISSUE / 3 * self.field_strength * GAMMA)

    def remaining(self, frequency: Volume) -> Volume:
        """The share of the signal that is left (its sign turns where the phases spread by more than a cycle)."""
        left = torch.ones_like(frequency)
        count = frequency.shape[2]
        for part in _slabs(frequency.shape[2:]):
            low, length = max(0, part.start - 1), min(count, part.stop) - part.start
            around = frequency[:, :, low : part.stop + 1]
            for axis, (size, step) in enumerate(zip(self.acquired, self.voxel, strict=True)):
                if frequency.shape[axis + 2] > 1:
                    (across,) = torch.gradient(around, spacing=step, dim=axis + 2)
                    # sin(x) / x lacks 2 in 10 million of 1 at the least x.
                    x = (across.narrow(2, part.start - low, length) * (math.pi * size * self.echo_time)).abs_()
                    x.clamp_(min=1e-3)
                    left[:, :, part].mul_(torch.sin(x).div_(x))
        return left

    def __call__(self, signal: AnyVolume, b0: Volume | None = None) -> AnyVolume:
        """The dephased signal; ``b0`` is a map of off-resonance ``[batch, 1, x, y, z]`` on the same grid, Hz."""
        if b0 is None:
            x, y, z = signal.shape[-3:]
            own = self.frequency((x, y, z)).to(signal.device, signal.dtype.to_real())
            b0 = own.expand(len(signal), 1, x, y, z)
        signal = signal * self.remaining(b0)
        return signal if self.readout is None else displaced(signal, b0 / self.bandwidth, self.readout)

    def describe(self) -> str:
        """For a caption."""
        where = f", {len(self.cavities)} cavities" if self.cavities else ""
        return f"dropout TE {1000 * self.echo_time:.0f} ms {max(self.acquired):.1f} mm{where}"


def _slabs(shape: Sequence[int]) -> list[slice]:
    """Slices along the first axis of so few voxels that what is made of them stays in the second-level cache."""
    planes = max(1, SLAB // (shape[1] * shape[2]))
    return [slice(start, start + planes) for start in range(0, shape[0], planes)]


def displaced(signal: AnyVolume, voxels: Volume, axis: int) -> AnyVolume:
    """Put each voxel's signal ``voxels`` further along an axis, shared linearly between the two that it falls on.

    Signal is moved, not invented: where voxels pile up it is brighter (Jezzard and Balaban 1995,
    doi:10.1002/mrm.1910340111). What leaves the image is lost.
    """
    out = torch.zeros_like(signal)
    # In slabs that lie along the axis: each has to look only as far as its own voxels are displaced.
    first = (0, 1, 2) if axis > 0 else (1, 0, 2)
    for part in _slabs([signal.shape[2 + a] for a in first]):
        where = (slice(None), slice(None), *([part] if axis > 0 else [slice(None), part]))
        _displace(signal[where], voxels[where], axis + 2, out[where])
    return out


def _displace(signal: AnyVolume, voxels: Volume, dim: int, out: AnyVolume) -> None:
    count = signal.shape[dim]
    low, high = (float(edge) for edge in torch.aminmax(voxels))
    # By whole voxels, each with the share that falls there: several times as fast as adding voxel by voxel.
    for whole in range(max(1 - count, math.floor(low)), min(count - 1, math.ceil(high)) + 1):
        share = (voxels - whole).abs_().neg_().add_(1).clamp_(min=0)
        start, length = max(0, -whole), count - abs(whole)
        target = out.narrow(dim, start + whole, length)
        target.addcmul_(signal.narrow(dim, start, length), share.narrow(dim, start, length))


def draw_cavities(edges: tuple[float, float, float], generator: torch.Generator) -> tuple[AirCavity, ...]:
    """One or two cavities where sinuses and ears lie: below the image, in front of its middle or at its sides.

    ``edges`` are the image's, mm. Where a crop lies in the head is not known: a guess, mostly outside the crop. In an
    image of a whole head they lie at the base of the skull, 55 mm below the middle.
    """
    right, anterior, superior = (min(edge, 110.0) for edge in edges)
    found = []
    for _ in range(1 + int(chance(0.4, generator))):
        radius = uniform((6.0, 14.0), generator)
        low = -0.5 * superior - uniform((-0.3, 1.2), generator) * radius
        if chance(0.6, generator):  # sphenoid or frontal sinus
            place = (0.15 * right * uniform((-1, 1), generator), anterior * uniform((0.0, 0.5), generator), low)
        else:  # ear
            side = 1.0 if chance(0.5, generator) else -1.0
            place = (side * right * uniform((0.3, 0.5), generator), anterior * uniform((-0.2, 0.2), generator), low)
        found.append(AirCavity(place, radius))
    return tuple(found)
