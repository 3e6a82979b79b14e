"""Receive bias: a smooth multiplicative field, drawn at random or made by an array of coils."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from qontrast.artefacts.voxel_loops import shade
from qontrast.basics.compiled import by_loops
from qontrast.basics.shapes import AnyVolume
from qontrast.basics.spline import basis, draw_spline, linear_weights, spline_spread

COARSE = 12
"""Points along each axis at which coil sensitivities are computed: they are smooth on this scale."""
SLAB = 1 << 17  # voxels whose gain is made at a time: it then stays in the second-level cache
Factors = tuple[Tensor, Tensor]
"""Two matrices, ``[x, k]`` and ``[k, y z]``, whose product is a smooth field."""


def shaded(image: AnyVolume, *shadings: "BiasField | CoilArray") -> AnyVolume:
    """Multiply an image by all these gains at once: their logarithms, of mean 0, are added before one exponential."""
    x, y, z = image.shape[-3:]
    pairs = [shading.log_gain_on((x, y, z)) for shading in shadings]
    left, right = torch.cat([p[0] for p in pairs], dim=1), torch.cat([p[1] for p in pairs])
    left, right = (factor.to(image.device, image.dtype.to_real()) for factor in (left, right))
    if not by_loops(image) or image.dtype != torch.float32:
        return (image * (left @ right).exp_().reshape(x, y, z)).contiguous()
    out = torch.empty_like(image, memory_format=torch.contiguous_format)
    before, after = (each.view(-1, x, y * z) for each in (image.contiguous(), out))
    planes = max(1, SLAB // (y * z))
    for start in range(0, x, planes):
        part = slice(start, start + planes)
        given, wanted = (each[:, part].view(len(each), -1).numpy() for each in (before, after))
        shade(given, (left[part] @ right).view(-1).numpy(), wanted)
    return out


def _factors(values: Tensor, weights: list[Tensor]) -> Factors:
    """The field that three matrices ``[n, k]`` make of values ``[k, k, k]`` has its mean taken off."""
    x, y, z = (w.double() for w in weights)
    middle = values.double() @ z.mean(dim=0) @ y.mean(dim=0) @ x.mean(dim=0)
    flat = (y @ ((values.double() - middle) @ z.T)).flatten(1)  # weights sum to 1
    return x, flat


@dataclass(frozen=True)
class BiasField:
    """Multiply by exp of a cubic B-spline through a coarse grid of random log gains.

    Args:
        log_gain: control values ``[k, k, k]`` of the natural logarithm of the gain.
    """

    log_gain: Tensor

    def log_gain_on(self, shape: tuple[int, int, int]) -> Factors:
        """See :func:`shaded`."""
        return _factors(self.log_gain, [basis(n, k) for n, k in zip(shape, self.log_gain.shape, strict=True)])

    def field(self, shape: tuple[int, int, int]) -> Tensor:
        """The gain ``[x, y, z]``, its mean logarithm removed so that brightness as a whole stays."""
        return shaded(torch.ones(1, 1, *shape), self)[0, 0]

    def __call__(self, image: AnyVolume) -> AnyVolume:
        return shaded(image, self)

    def describe(self) -> str:
        """For a caption."""
        return f"bias ±{spline_spread(self.log_gain[None]):.0%}"


def draw_bias(strength: float, generator: torch.Generator, control_points: int = 4) -> BiasField:
    """Draw a bias field whose log gain has the standard deviation ``strength`` over the image."""
    return BiasField(draw_spline(strength, control_points, generator)[0])


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

    def log_gain_on(self, shape: tuple[int, int, int]) -> Factors:
        """See :func:`shaded`."""
        coarse = [min(n, COARSE) for n in shape]
        axes = [
            ((torch.arange(m, dtype=torch.float32) + 0.5) / m - 0.5) * n * s
            for m, n, s in zip(coarse, shape, self.voxel, strict=True)
        ]
        points = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).unsqueeze(-2)
        near = 1 / (1 + (points - self.positions).square().sum(dim=-1) / self.radius**2)
        power = (near * near * near).sum(dim=-1)
        places = [(torch.arange(n) + 0.5) * (m / n) - 0.5 for n, m in zip(shape, coarse, strict=True)]
        weights = [linear_weights(at, m) for at, m in zip(places, coarse, strict=True)]
        return _factors(0.5 * self.exponent * power.log(), weights)

    def field(self, shape: tuple[int, int, int]) -> Tensor:
        """The gain ``[x, y, z]``, its mean logarithm removed."""
        return shaded(torch.ones(1, 1, *shape), self)[0, 0]

    def __call__(self, image: AnyVolume) -> AnyVolume:
        return shaded(image, self)

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
    """Draw loops on a helmet about a head whose centre lies within ``off_centre`` mm of the image's along each axis.

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
