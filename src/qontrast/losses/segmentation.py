"""Dice plus cross-entropy, from MONAI (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z)."""

import torch
from monai.losses import DiceCELoss
from torch import Tensor, nn

from qontrast.basics.shapes import Volume


class DiceCrossEntropy(nn.Module):
    """Soft Dice over the classes except background, plus cross-entropy over all; in single precision."""

    def __init__(self) -> None:
        super().__init__()
        self.loss = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True, batch=True)

    def forward(self, logits: Volume, classes: Tensor) -> Tensor:
        """Logits ``[batch, class, x, y, z]`` against whole-number classes ``[batch, 1, x, y, z]``."""
        with torch.autocast(logits.device.type, enabled=False):
            return self.loss(logits.float(), classes)
