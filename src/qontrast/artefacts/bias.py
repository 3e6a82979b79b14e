"""Receive bias: a smooth multiplicative field, drawn at random or made by an array of coils."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from qontrast.basics.shapes import AnyVolume
from qontrast.basics.spline import sample_along_axes, upsample_spline

COARSE = 12
"""Points along each axis at which coil sensitivities are computed: they are smooth on this scale."""


@dataclass(frozen=True)
class BiasField:
    """Multiply by exp of a cubic B-spline through a coarse grid of random log gains.

    Args:
        log_gain: control values ``[k, k, k]`` of the natural logarithm of the gain.
    """

    log_gain: Tensor

    def field(self, shape: tuple[int, int, int]) -> Tensor:
        """The gain ``[x, y, z]``, its mean logarithm removed so that brightness as a whole stays."""
        log_gain = upsample_spline(self.log_gain[None], shape)[0]
        return torch.exp(log_gain - log_gain.mean())

    def __call__(self, image: AnyVolume) -> AnyVolume:
        x, y, z = image.shape[-3:]
        return image * self.field((x, y, z)).to(image.device)

    def describe(self) -> str:
        """For a caption."""
        return f"bias ±{float(self.field((COARSE,) * 3).log().std()):.0%}"


def draw_bias(strength: float, generator: torch.Generator, control_points: int = 4) -> BiasField:
    """Draw a bias field whose log gain has the standard deviation ``strength`` over the image."""
    control = torch.randn((control_points,) * 3, generator=generator)
    # A spline is far smoother than its control values: without this a field would be a sixth as strong as asked.
    spread = upsample_spline(control[None], (COARSE,) * 3).std()
    return BiasField(control * (strength / spread))


@dataclass(frozen=True)
class CoilArray:
    """Multiply by the root of the sum of squares of loop coils that look at the head from all sides.

    Each loop's sensitivity is taken as its field on its axis: (1 + (d/a)^2)^(-3/2) at distance d for radius a (Roemer
    et al. 1990, doi:10.1002/mrm.1910160203, for the sum of squares); bright at the rim, dark in the middle.

    Args:
        positions: of the loops relative to the image's centre, ``[loop, 3]``, mm.
        radius: of each loop, mm.
        voxel: voxel size of the grid along each axis, mm.
        exponent: 1 for the array itself; less where the scanner has corrected part of the shading.
    """

    positions: Tensor
    radius: float
    voxel: tuple[float, float, float]
    exponent: float = 1.0

    def field(self, shape: tuple[int, int, int]) -> Tensor:
        """The gain ``[x, y, z]``, its mean logarithm removed."""
        coarse = tuple(min(n, COARSE) for n in shape)
        axes = [
            ((torch.arange(m, dtype=torch.float32) + 0.5) / m - 0.5) * n * s
            for m, n, s in zip(coarse, shape, self.voxel, strict=True)
        ]
        points = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
        power = torch.zeros(coarse)
        for position in self.positions:
            power += (1 + (points - position).square().sum(dim=-1) / self.radius**2) ** -3
        log_gain = 0.5 * self.exponent * power.log()
        places = [(torch.arange(n) + 0.5) * (m / n) - 0.5 for n, m in zip(shape, coarse, strict=True)]
        fine = sample_along_axes(log_gain[None], places)[0]
        return torch.exp(fine - fine.mean())

    def __call__(self, image: AnyVolume) -> AnyVolume:
        x, y, z = image.shape[-3:]
        return image * self.field((x, y, z)).to(image.device, image.dtype.to_real())

    def describe(self) -> str:
        """For a caption."""
        return f"{len(self.positions)} loops, shading {self.exponent:.0%}"


def draw_coil_array(
    voxel: tuple[float, float, float],
    generator: torch.Generator,
    *,
    exponent: float = 1.0,
    loops: tuple[int, int] = (6, 24),
    off_centre: float = 30.0,
) -> CoilArray:
    """Draw loops on a helmet about a head whose centre lies within ``off_centre`` mm of the image's.

    The helmet is an ellipsoid of 105 x 125 x 120 mm without its lowest part (the neck). Our guess at a common array.
    """
    low, high = loops
    count = low + int(torch.randint(high - low + 1, (), generator=generator))
    middle = off_centre * (2 * torch.rand(3, generator=generator) - 1)
    # Points of a spiral spread evenly over a sphere (Saff and Kuijlaars 1997, doi:10.1007/BF03024331).
    height = 1 - 1.6 * (torch.arange(count) + 0.5) / count
    angle = math.pi * (3 - math.sqrt(5)) * torch.arange(count) + 2 * math.pi * torch.rand((), generator=generator)
    ring = (1 - height**2).sqrt()
    sphere = torch.stack((ring * torch.cos(angle), ring * torch.sin(angle), height), dim=1)
    positions = sphere * torch.tensor([105.0, 125.0, 120.0]) + middle
    radius = 210.0 / math.sqrt(count)  # loops that just cover the helmet: larger ones where there are few
    return CoilArray(positions, radius, voxel, exponent)
