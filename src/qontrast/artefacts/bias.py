"""Receive bias: a smooth multiplicative field."""

from dataclasses import dataclass

import torch
from torch import Tensor

from qontrast.basics.shapes import AnyVolume
from qontrast.basics.spline import upsample_spline


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
        return f"bias ±{float(self.log_gain.std()) * 100:.0f}%"


def draw_bias(strength: float, generator: torch.Generator, control_points: int = 4) -> BiasField:
    """Draw a bias field whose log gain has control values of standard deviation ``strength``."""
    return BiasField(strength * torch.randn((control_points,) * 3, generator=generator))
