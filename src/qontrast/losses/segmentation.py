"""From a predicted segmentation to one number, of MONAI's losses; the truth is hard classes or shares of a voxel."""

import torch
from monai.losses import DiceCELoss, DiceLoss, FocalLoss, TverskyLoss
from torch import Tensor, nn

from qontrast.basics.shapes import Volume

MISSED, INVENTED = 0.7, 0.3
"""Weights of voxels that are missed and of those that are invented, of Salehi et al. 2017."""


class DiceCrossEntropy(nn.Module):
    """Soft Dice over the classes except background, plus cross-entropy over all (nnU-Net's; single precision).

    Isensee et al. 2021 (doi:10.1038/s41592-020-01008-z). Dice is that of the whole batch, so that a crop without a
    lesion weighs on it by what is wrongly found there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hard = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True, batch=True)
        self.soft = DiceCELoss(include_background=False, to_onehot_y=False, softmax=True, batch=True)

    def forward(self, logits: Volume, truth: Tensor) -> Tensor:
        """The loss of a batch.

        Args:
            logits: ``[batch, class, x, y, z]``.
            truth: whole-number classes ``[batch, 1, x, y, z]``, or shares ``[batch, class, x, y, z]`` that sum to 1.
        """
        with torch.autocast(logits.device.type, enabled=False):
            if truth.is_floating_point():
                return self.soft(logits.float(), truth.float())
            return self.hard(logits.float(), truth)


class DiceFocal(nn.Module):
    """Soft Dice over the classes except background, plus the focal loss over all, for foreground that is rare.

    Lin et al. 2017 (doi:10.1109/ICCV.2017.324), with gamma = 2: voxels that are right already hardly count.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dice = DiceLoss(include_background=False, softmax=True, batch=True)
        self.focal = FocalLoss(include_background=True, use_softmax=True, gamma=2.0)

    def forward(self, logits: Volume, truth: Tensor) -> Tensor:
        """See :meth:`DiceCrossEntropy.forward`."""
        with torch.autocast(logits.device.type, enabled=False):
            logits, shares = logits.float(), as_shares(truth, logits.shape[1])
            # MONAI's mean is over classes, too: the sum over them is what a voxel costs.
            return self.dice(logits, shares) + logits.shape[1] * self.focal(logits, shares)


class Tversky(nn.Module):
    """Tversky's index over the classes except background: a missed voxel costs 0.7, an invented one 0.3.

    Salehi et al. 2017 (doi:10.1007/978-3-319-67389-9_44).
    """

    def __init__(self) -> None:
        super().__init__()
        self.loss = TverskyLoss(include_background=False, softmax=True, alpha=INVENTED, beta=MISSED, batch=True)

    def forward(self, logits: Volume, truth: Tensor) -> Tensor:
        """See :meth:`DiceCrossEntropy.forward`."""
        with torch.autocast(logits.device.type, enabled=False):
            return self.loss(logits.float(), as_shares(truth, logits.shape[1]))


SEGMENTATION_LOSSES: dict[str, type[nn.Module]] = {
    "dice-ce": DiceCrossEntropy,
    "dice-focal": DiceFocal,
    "tversky": Tversky,
}


def as_shares(truth: Tensor, classes: int) -> Tensor:
    """Hard classes ``[batch, 1, x, y, z]`` as shares ``[batch, class, x, y, z]``; shares as they are."""
    if truth.is_floating_point():
        return truth.float()
    return torch.nn.functional.one_hot(truth[:, 0].long(), classes).movedim(-1, 1).float()
