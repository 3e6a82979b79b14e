"""What an inhomogeneous static field does to a gradient echo: spins of one voxel lose their common phase."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from qontrast.artefacts import dropout_tensors
from qontrast.artefacts.dropout_loops import add_dipole, displace, spread_phases
from qontrast.basics.compiled import by_loops
from qontrast.basics.errors import InputError
from qontrast.basics.randomness import chance, uniform
from qontrast.basics.shapes import AnyVolume, Device, Volume

GAMMA = 42.577e6
"""Gyromagnetic ratio of the proton over 2 pi, Hz/T (CODATA 2018)."""

AIR_TO_TISSUE = 9.4e-6
"""Difference of the volume susceptibilities of air and tissue (Schenck 1996, doi:10.1118/1.597854)."""


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

    def frequency(self, shape: tuple[int, int, int], device: Device = "cpu") -> Tensor:
        """The cavities' field ``[x, y, z]``, Hz; inside a cavity that of its surface."""
        axes = [
            (torch.arange(n, dtype=torch.float32, device=device) - (n - 1) / 2) * s
            for n, s in zip(shape, self.voxel, strict=True)
        ]
        out = torch.zeros(shape, device=device)
        for cavity in self.cavities:
            radii = [(axis - p) / cavity.radius for axis, p in zip(axes, cavity.position, strict=True)]
            if by_loops(out):
                add_dipole(*(distance.numpy() for distance in radii), out.numpy())
            else:
                out += dropout_tensors.dipole(radii)
        return out.mul_(AIR_TO_TISSUE / 3 * self.field_strength * GAMMA)

    def __call__(self, signal: AnyVolume, b0: Volume | None = None) -> AnyVolume:
        """The dephased signal; ``b0`` is a map of off-resonance ``[batch, 1, x, y, z]`` on the same grid, Hz."""
        if signal.is_complex():
            return torch.complex(self(signal.real, b0), self(signal.imag, b0))
        x, y, z = signal.shape[-3:]
        field = self.frequency((x, y, z), signal.device) if b0 is None else b0[:, 0]
        field = field.to(signal.dtype).expand(len(signal), x, y, z).contiguous()
        cycles = [math.pi * self.echo_time * size / step for size, step in zip(self.acquired, self.voxel, strict=True)]
        if by_loops(signal):
            left = torch.empty_like(signal, memory_format=torch.contiguous_format)
            shares = np.array(cycles, left.numpy().dtype)
            spread_phases(signal.contiguous().numpy(), field.numpy(), shares, left.numpy())
        else:
            left = dropout_tensors.spread_phases(signal, field, cycles)
        return left if self.readout is None else displaced(left, field / self.bandwidth, self.readout)

    def describe(self) -> str:
        """For a caption."""
        where = f", {len(self.cavities)} cavities" if self.cavities else ""
        return f"dropout TE {1000 * self.echo_time:.0f} ms {max(self.acquired):.1f} mm{where}"


def displaced(signal: AnyVolume, voxels: Float[Tensor, "batch x y z"], axis: int) -> AnyVolume:
    """Put each voxel's signal ``voxels`` further along an axis, shared linearly between the two that it falls on.

    Signal is moved, not invented: where voxels pile up it is brighter (Jezzard and Balaban 1995,
    doi:10.1002/mrm.1910340111). What leaves the image is lost.
    """
    moved = voxels.expand(len(signal), *signal.shape[2:]).contiguous()
    if not by_loops(signal):
        return dropout_tensors.displace(signal, moved, axis)
    out = torch.zeros_like(signal, memory_format=torch.contiguous_format)
    displace(signal.contiguous().numpy(), moved.numpy(), axis, out.numpy())
    return out


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
