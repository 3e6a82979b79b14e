"""Scores of a sweep: against the slower ones of the metrics, and against closed forms."""

import numpy as np
import pytest
import torch

from qontrast.metrics.segmentation import score_segmentation
from qontrast.sweeps.scores import between_heads, drift, found_again, overlaps, variation

CLASSES = ("background", "a", "b", "c")


@pytest.mark.parametrize("present", [(0, 1, 2, 3), (0, 1), (0, 1, 2)])
def test_dice_is_that_of_the_metrics_empty_classes_too(present):
    rng = np.random.default_rng(1)
    truth, predicted = rng.choice(present, (9, 8, 7)), rng.choice([0, 1, 3], (9, 8, 7))
    dice, volume = overlaps(predicted, truth, CLASSES, voxel_ml=0.008)
    for score in score_segmentation(torch.tensor(predicted), torch.tensor(truth), CLASSES, (2.0, 2.0, 2.0)):
        assert dice[score.name] == pytest.approx(score.dice, abs=1e-6)
        assert volume[score.name] == pytest.approx(0.008 * score.predicted_voxels)


def test_drift_is_one_minus_the_cosine():
    assert drift(np.array([1.0, 0.0]), np.array([5.0, 0.0])) == 0.0
    assert drift(np.array([1.0, 0.0]), np.array([0.0, 2.0])) == pytest.approx(1.0)
    assert drift(np.array([1.0, 0.0]), np.array([-3.0, 0.0])) == pytest.approx(2.0)
    assert drift(np.array([1.0, 1.0]), np.array([1.0, 0.0])) == pytest.approx(1 - 0.5**0.5)


def test_heads_are_found_again_where_they_point_alike():
    heads = np.eye(3)
    assert between_heads(heads) == pytest.approx(1.0)
    assert between_heads(heads[:1]) is None
    assert found_again(heads, heads + 0.1) == 1.0
    assert found_again(heads, heads[[1, 2, 0]]) == 0.0
    assert found_again(np.ones((4, 2)), np.ones((4, 2))) == pytest.approx(0.25)  # all alike: chance
    assert found_again(heads[:1], heads[:1]) is None


def test_variation_is_the_deviation_of_a_sample_over_the_mean():
    assert variation([9.0, 11.0]) == pytest.approx(2**0.5 / 10)
    assert variation([5.0, 5.0, 5.0]) == 0.0
    assert variation([5.0]) is None
    assert variation([0.0, 0.0]) is None
