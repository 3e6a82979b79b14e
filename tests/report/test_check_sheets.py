"""Pictures beside results: the planes through what was found, in the right proportions, with every class named."""

import io

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from qontrast.report.check_sheet import denoising_sheet, segmentation_sheet
from qontrast.report.paint import overlay_colour
from qontrast.report.slices import AMPLIFIED, compared


def pixels(png):
    return imread(io.BytesIO(png))[..., :3]


def near(picture, colour, tolerance=0.02):
    return (np.abs(picture - np.array(to_rgb(colour))).max(axis=-1) < tolerance).any()


@pytest.fixture
def head():
    index = np.indices((40, 50, 20)) - np.array([20, 25, 12]).reshape(3, 1, 1, 1)
    radius = np.sqrt((index[0] / 18) ** 2 + (index[1] / 22) ** 2 + (index[2] / 7) ** 2)
    return (radius < 1).astype(np.float32) * 80 + 5, np.select([radius < 0.5, radius < 0.9], [2, 1], 0)


def test_every_class_is_shown_and_named(head):
    image, labels = head
    sheet = pixels(segmentation_sheet(image, labels, (1.0, 1.0, 2.0), ["", "grey matter 3 ml", "white matter 1 ml"]))
    assert near(sheet, overlay_colour(1))
    assert near(sheet, overlay_colour(2))
    alone = pixels(segmentation_sheet(image, np.where(labels == 1, 1, 0), (1.0, 1.0, 2.0), ["", "grey matter 3 ml"]))
    assert not near(alone, overlay_colour(2))
    plain = pixels(segmentation_sheet(image, np.zeros_like(labels), (1.0, 1.0, 2.0), [""]))
    assert (plain.std(axis=-1) < 0.01).all()  # grey, and no class to name


def test_slices_have_the_proportions_of_the_head(head):
    image, labels = head
    thin, thick = (pixels(segmentation_sheet(image, labels, (1.0, 1.0, z), ["", "a", "b"])).shape for z in (1.0, 3.0))
    assert thick[0] / thick[1] > 1.1 * thin[0] / thin[1]


def test_a_change_is_shown_as_many_times_as_strong_as_is_said():
    before, after = [np.array([[0.0, 100.0]])], [np.array([[1.0, 98.0]])]
    low, high = np.percentile(before, (1, 99))
    one, other, added = compared(before, after)
    for shown, plane in ((one, before), (other, after)):
        assert np.allclose(shown[0], np.clip((plane[0] - low) / (high - low), 0, 1))
    assert np.allclose(added[0], AMPLIFIED * np.array([[1.0, -2.0]]) / (high - low))


def test_what_was_taken_away_is_seen(head):
    image, _ = head
    clean = pixels(denoising_sheet(image, image, (1.0, 1.0, 1.0)))
    noisy = pixels(denoising_sheet(image + np.random.default_rng(0).normal(0, 5, image.shape), image, (1.0, 1.0, 1.0)))
    third = slice(int(0.72 * len(clean)), int(0.95 * len(clean)))
    assert noisy[third, 40:200].std() > 3 * clean[third, 40:200].std()
