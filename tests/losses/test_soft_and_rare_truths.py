"""Losses of shares, of rare foreground and of images, each against its definition."""

import pytest
import torch

from qontrast.losses.restoration import Restoration
from qontrast.losses.segmentation import SEGMENTATION_LOSSES, DiceCrossEntropy, DiceFocal, Tversky, as_shares

SHAPE = (6, 5, 4)
OVER = (0, 2, 3, 4)


def logits(classes, seed=0):
    return torch.randn((2, classes, *SHAPE), generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=["hard", "soft"])
def shares(request):
    generator = torch.Generator().manual_seed(3)
    if request.param == "soft":
        return torch.rand((2, 3, *SHAPE), generator=generator).mul(3).softmax(dim=1)
    return as_shares(torch.randint(3, (2, 1, *SHAPE), generator=generator), 3)


def dice(p, t):
    p, t = p.double(), t.double()
    return 1 - ((2 * (p * t).sum(OVER) + 1e-5) / (p.sum(OVER) + t.sum(OVER) + 1e-5))[1:].mean()


def test_dice_and_cross_entropy_of_shares(shares):
    p = logits(3).double().softmax(dim=1)
    entropy = -(shares * p.log()).sum(dim=1).mean()
    found = DiceCrossEntropy()(logits(3), shares)
    assert float(found) == pytest.approx(float(dice(p, shares) + entropy), rel=1e-5)


@pytest.mark.parametrize("kind", list(SEGMENTATION_LOSSES))
def test_hard_classes_and_their_shares_are_one_loss(kind):
    truth = torch.randint(3, (2, 1, *SHAPE), generator=torch.Generator().manual_seed(1))
    loss = SEGMENTATION_LOSSES[kind]()
    assert float(loss(logits(3), truth)) == pytest.approx(float(loss(logits(3), as_shares(truth, 3))), rel=1e-5)


def test_cross_entropy_of_shares_is_least_at_the_shares_themselves():
    wanted = torch.rand((1, 3, *SHAPE), generator=torch.Generator().manual_seed(5)).mul(2).softmax(dim=1)
    guess = wanted.log().requires_grad_()
    entropy = DiceCrossEntropy().soft.cross_entropy(guess, wanted)
    entropy.backward()
    assert float(guess.grad.abs().max()) < 1e-6


def test_dice_plus_focal_by_hand(shares):
    p = logits(3).double().softmax(dim=1)
    focal = -((1 - p) ** 2 * shares * p.log()).sum(dim=1).mean()
    assert float(DiceFocal()(logits(3), shares)) == pytest.approx(float(dice(p, shares) + focal), rel=1e-5)


def test_tversky_by_hand_and_a_missed_voxel_costs_more_than_an_invented_one(shares):
    p, t = logits(3).double().softmax(dim=1)[:, 1:], shares.double()[:, 1:]
    hit, invented, missed = (p * t).sum(OVER), (p * (1 - t)).sum(OVER), ((1 - p) * t).sum(OVER)
    wanted = 1 - ((hit + 1e-5) / (hit + 0.3 * invented + 0.7 * missed + 1e-5)).mean()
    assert float(Tversky()(logits(3), shares)) == pytest.approx(float(wanted), rel=1e-5)
    truth = torch.zeros(1, 1, *SHAPE, dtype=torch.int64)
    truth[..., :2, :2, :2] = 1
    larger, smaller = truth.clone(), truth.clone()
    larger[..., 2, :2, :2], smaller[..., 1, :2, :2] = 1, 0
    costs = [float(Tversky()(30 * (as_shares(v, 2) - 0.5), truth)) for v in (larger, smaller)]
    assert costs[0] < costs[1]


@pytest.mark.parametrize("kind", list(SEGMENTATION_LOSSES))
def test_a_batch_without_any_foreground_has_a_finite_gradient(kind):
    truth = torch.zeros(2, 1, *SHAPE, dtype=torch.int64)
    for scale in (0.0, 1.0, 50.0):
        guess = (scale * logits(2)).requires_grad_()
        loss = SEGMENTATION_LOSSES[kind]()(guess, truth)
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(guess.grad).all()


@pytest.mark.parametrize("kind", list(SEGMENTATION_LOSSES))
def test_descending_finds_a_rare_foreground(kind):
    truth = torch.zeros(2, 1, *SHAPE, dtype=torch.int64)
    truth[0, 0, 2, 2, 2:] = 1
    guess = torch.zeros(2, 2, *SHAPE, requires_grad=True)
    optimizer = torch.optim.Adam([guess], 0.5)
    for _ in range(40):
        optimizer.zero_grad()
        SEGMENTATION_LOSSES[kind]()(guess, truth).backward()
        optimizer.step()
    assert torch.equal(guess.argmax(dim=1, keepdim=True), truth)


def test_half_precision_images_are_reckoned_in_single():
    one, other = logits(1), logits(1, seed=9)
    for kind, power in (("mse", 2), ("l1", 1)):
        wanted = float((one - other).abs().pow(power).mean())
        assert float(Restoration(kind)(one, other)) == pytest.approx(wanted, rel=1e-5)
        assert Restoration(kind)(one.bfloat16(), other).dtype == torch.float32
