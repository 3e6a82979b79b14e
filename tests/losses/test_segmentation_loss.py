"""Dice plus cross-entropy of a segmentation."""

import math

import pytest
import torch

from qontrast.losses.segmentation import DiceCrossEntropy

CLASSES = 4
SHAPE = (6, 5, 4)


@pytest.fixture
def truth():
    return torch.randint(CLASSES, (2, 1, *SHAPE), generator=torch.Generator().manual_seed(0))


def logits(truth, confidence=20.0):
    """Logits that favour the true class everywhere."""
    return confidence * torch.nn.functional.one_hot(truth[:, 0], CLASSES).movedim(-1, 1).float()


def value(predicted, truth):
    return float(DiceCrossEntropy()(predicted, truth))


def by_hand(predicted, truth):
    share = torch.softmax(predicted.double(), dim=1)
    wanted = torch.nn.functional.one_hot(truth[:, 0], CLASSES).movedim(-1, 1).double()
    entropy = -(wanted * share.log()).sum(dim=1).mean()
    over = (0, 2, 3, 4)
    dice = (2 * (share * wanted).sum(over) + 1e-5) / (share.sum(over) + wanted.sum(over) + 1e-5)
    return float(1 - dice[1:].mean() + entropy)


def test_it_is_dice_over_the_foreground_plus_cross_entropy_over_all(truth):
    predicted = torch.randn((2, CLASSES, *SHAPE), generator=torch.Generator().manual_seed(1))
    assert value(predicted, truth) == pytest.approx(by_hand(predicted, truth), rel=1e-4)


def test_a_perfect_prediction_is_near_zero_and_a_worse_one_larger(truth):
    perfect = logits(truth)
    some = logits(torch.where(torch.rand(truth.shape) < 0.2, (truth + 1) % CLASSES, truth))
    wrong = logits((truth + 1) % CLASSES)
    unsure = torch.zeros_like(perfect)
    assert value(perfect, truth) < 1e-3
    assert value(perfect, truth) < value(unsure, truth) < value(wrong, truth)
    assert value(perfect, truth) < value(some, truth) < value(wrong, truth)


def test_without_any_opinion_the_entropy_is_the_logarithm_of_the_classes(truth):
    assert value(torch.zeros(2, CLASSES, *SHAPE), truth) > math.log(CLASSES)


@pytest.mark.parametrize("kept", [(0,), (0, 1), (2,)])
def test_absent_classes_keep_loss_and_gradient_finite(kept):
    truth = torch.tensor(kept)[torch.randint(len(kept), (2, 1, *SHAPE), generator=torch.Generator().manual_seed(0))]
    for confidence in (0.0, 20.0, 1e4):
        predicted = logits(truth, confidence).requires_grad_()
        loss = DiceCrossEntropy()(predicted, truth)
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(predicted.grad).all()
        if confidence >= 20:
            assert float(loss.detach()) < 1.01


def test_half_precision_is_reckoned_in_single(truth):
    predicted = torch.randn((2, CLASSES, *SHAPE), generator=torch.Generator().manual_seed(1)).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = DiceCrossEntropy()(predicted, truth)
    assert low.dtype == torch.float32
    assert float(low) == pytest.approx(value(predicted.float(), truth), rel=1e-6)


def test_descending_its_gradient_finds_the_truth(truth):
    predicted = torch.zeros(2, CLASSES, *SHAPE, requires_grad=True)
    optimizer = torch.optim.Adam([predicted], 0.5)
    for _ in range(30):
        optimizer.zero_grad()
        DiceCrossEntropy()(predicted, truth).backward()
        optimizer.step()
    assert torch.equal(predicted.argmax(dim=1, keepdim=True), truth)
