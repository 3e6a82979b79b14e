import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.metrics import compute_hausdorff_distance
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist

from qontrast.basics.errors import InputError
from qontrast.metrics.segmentation import joint_box, score_segmentation

CLASSES = ["background", "lesion"]
SPACING = (1.0, 1.0, 1.0)


def box(shape, corner, size):
    labels = torch.zeros(shape, dtype=torch.int64)
    labels[tuple(slice(c, c + s) for c, s in zip(corner, size, strict=True))] = 1
    return labels


def blob(seed, shape=(12, 11, 10), classes=2):
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(classes, *shape)), (0, 2, 2, 2))
    return torch.from_numpy(noise.argmax(0))


def surface(mask):
    """Voxels of the mask with a face neighbour outside it, by looking at every voxel."""
    found = []
    for x, y, z in np.argwhere(mask):
        for step in ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)):
            near = (x + step[0], y + step[1], z + step[2])
            inside = all(0 <= n < size for n, size in zip(near, mask.shape, strict=True))
            if not inside or not mask[near]:
                found.append((x, y, z))
                break
    return np.array(found, dtype=float)


def slow_hd95(a, b, spacing):
    distance = cdist(surface(a) * spacing, surface(b) * spacing)
    return max(np.percentile(distance.min(1), 95), np.percentile(distance.min(0), 95))


def test_identical_maps_are_perfect():
    labels = blob(0, classes=4)
    names = ["background", "a", "b", "c"]
    for label, score in enumerate(score_segmentation(labels, labels, names, SPACING), 1):
        assert (score.name, score.dice, score.hd95_mm, score.note) == (names[label], 1.0, 0.0, "")
        assert score.truth_voxels == score.predicted_voxels == int((labels == label).sum())


def test_a_shifted_box_has_the_overlap_and_distance_one_can_count():
    truth, prediction = box((20, 8, 8), (2, 2, 2), (6, 4, 4)), box((20, 8, 8), (5, 2, 2), (6, 4, 4))
    (score,) = score_segmentation(prediction, truth, CLASSES, (2.0, 1.0, 1.0))
    assert score.dice == pytest.approx(0.5)
    assert score.hd95_mm == pytest.approx(6.0)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 1.0, 3.0)])
@pytest.mark.parametrize("seed", range(6))
def test_dice_and_hd95_equal_a_slow_reference(seed, spacing):
    prediction, truth = blob(seed), blob(seed + 100)
    (score,) = score_segmentation(prediction, truth, CLASSES, spacing)
    a, b = prediction.numpy() == 1, truth.numpy() == 1
    assert score.dice == pytest.approx(2 * (a & b).sum() / (a.sum() + b.sum()), rel=1e-6)
    assert score.hd95_mm == pytest.approx(slow_hd95(a, b, np.array(spacing)), rel=1e-5)


@pytest.mark.parametrize("corner", [(0, 0, 0), (5, 6, 7), (9, 10, 11)])
def test_cropping_changes_nothing(corner):
    spacing = (1.0, 2.0, 0.5)
    truth, prediction = (torch.zeros((20, 21, 22), dtype=torch.int64) for _ in range(2))
    place = tuple(slice(c, c + s) for c, s in zip(corner, (11, 11, 11), strict=True))
    truth[place], prediction[place] = blob(1, (11, 11, 11)), blob(2, (11, 11, 11))
    (score,) = score_segmentation(prediction, truth, CLASSES, spacing)
    whole = compute_hausdorff_distance(
        (prediction == 1)[None, None].float(),
        (truth == 1)[None, None].float(),
        include_background=True,
        percentile=95,
        spacing=list(spacing),
    )
    assert score.hd95_mm == float(whole)


def test_the_box_holds_every_voxel_and_its_margin():
    a, b = torch.zeros(9, 9, 9, dtype=torch.bool), torch.zeros(9, 9, 9, dtype=torch.bool)
    a[0, 4, 5], b[3, 4, 8] = True, True
    assert joint_box(a, b) == (slice(0, 5), slice(3, 6), slice(4, 10))


def test_empty_maps_follow_the_stated_rules():
    empty, full = torch.zeros(6, 8, 24, dtype=torch.int64), box((6, 8, 24), (1, 1, 1), (2, 2, 2))
    (both,) = score_segmentation(empty, empty, CLASSES, SPACING)
    (missed,) = score_segmentation(empty, full, CLASSES, (1.0, 1.0, 1.0))
    (invented,) = score_segmentation(full, empty, CLASSES, (2.0, 2.0, 2.0))
    assert (both.dice, both.hd95_mm, both.note) == (1.0, 0.0, "both empty")
    assert (missed.dice, missed.hd95_mm, missed.note) == (0.0, pytest.approx(26.0), "empty prediction")
    assert (invented.dice, invented.hd95_mm, invented.note) == (0.0, pytest.approx(52.0), "empty truth")
    assert (missed.truth_voxels, missed.predicted_voxels) == (8, 0)
    assert (invented.truth_voxels, invented.predicted_voxels) == (0, 8)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000), st.permutations([0, 1, 2]))
def test_scores_are_symmetric_and_follow_the_axes(first, second, order):
    a, b, spacing = blob(first, (7, 6, 5)), blob(second, (7, 6, 5)), (1.0, 2.0, 3.0)
    (forth,) = score_segmentation(a, b, CLASSES, spacing)
    (back,) = score_segmentation(b, a, CLASSES, spacing)
    (turned,) = score_segmentation(a.permute(order), b.permute(order), CLASSES, tuple(spacing[o] for o in order))
    assert (forth.dice, forth.hd95_mm) == (back.dice, back.hd95_mm)
    assert (forth.dice, forth.hd95_mm) == pytest.approx((turned.dice, turned.hd95_mm), rel=1e-5)
    assert forth.hd95_mm <= np.linalg.norm(np.array(a.shape) * spacing)


@pytest.mark.parametrize(
    ("prediction", "truth", "classes", "spacing", "word"),
    [
        (torch.zeros(3, 3, 3).long(), torch.zeros(3, 3, 4).long(), CLASSES, SPACING, r"\(3, 3, 4\)"),
        (torch.full((3, 3, 3), 2), torch.zeros(3, 3, 3).long(), CLASSES, SPACING, "prediction: found labels"),
        (torch.zeros(3, 3, 3).long(), torch.full((3, 3, 3), -1), CLASSES, SPACING, "truth: found labels from -1"),
        (torch.zeros(3, 3, 3).long(), torch.zeros(3, 3, 3).long(), ["lesion"], SPACING, "background"),
        (torch.zeros(3, 3, 3).long(), torch.zeros(3, 3, 3).long(), [*CLASSES, "lesion"], SPACING, "each name once"),
        (torch.zeros(3, 3, 3).long(), torch.zeros(3, 3, 3).long(), CLASSES, (1.0, 0.0, 1.0), "spacing"),
        (torch.zeros(3, 0, 3).long(), torch.zeros(3, 0, 3).long(), CLASSES, SPACING, "no voxels"),
    ],
)
def test_what_cannot_be_scored_is_refused(prediction, truth, classes, spacing, word):
    with pytest.raises(InputError, match=word):
        score_segmentation(prediction, truth, classes, spacing)
