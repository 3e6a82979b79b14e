"""From a predicted image to one number: how far it lies from the true one."""

from typing import Literal

from torch import Tensor, nn

from qontrast.basics.shapes import Volume, full_precision

RestorationLoss = Literal["mse", "l1"]


class Restoration(nn.Module):
    """Mean squared (``mse``) or mean absolute (``l1``) difference, in single precision.

    The squared one is the default: PSNR is its logarithm, and what minimises it is the mean of all clean images that
    fit the noisy one. The absolute one asks for their median; edges come out sharper and PSNR a little lower.

    Args:
        kind: which.
    """

    def __init__(self, kind: RestorationLoss = "mse") -> None:
        super().__init__()
        self.loss = nn.MSELoss() if kind == "mse" else nn.L1Loss()

    def forward(self, predicted: Volume, true: Volume) -> Tensor:
        """Both ``[batch, 1, x, y, z]``."""
        return self.loss(full_precision(predicted), full_precision(true))
