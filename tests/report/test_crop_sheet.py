"""The sheet of training crops: image, truth over it, truth alone, and the classes in their colours."""

import numpy as np
from matplotlib.colors import to_rgb

from qontrast.report.crop_sheet import CropRow, label_sheet, noise_sheet
from qontrast.report.paint import overlay_colour
from qontrast.report.sheet import PANELS
from qontrast.report.slices import middle_slices, window

CLASSES = ("background", *(f"a class with a long name, number {n}" for n in range(1, 9)))


def images(figure):
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes]


def test_labels_are_laid_over_the_crop_and_shown_alone():
    image, truth = np.random.default_rng(0).random((6, 6, 6)), np.zeros((6, 6, 6), int)
    truth[2:5, 2:5, 3] = 2
    figure = label_sheet("t", [CropRow("1 · sub-01", image, truth, "FSE 3 T; SNR 9; turned 3°; 70 years, ms")], CLASSES)
    shown = images(figure)
    assert len(shown) == PANELS
    for plane, panel in zip(middle_slices(window(image)), shown[:3], strict=True):
        assert np.array_equal(panel, plane.T)
    over, alone, colour = shown[3], shown[6], to_rgb(overlay_colour(2))
    assert np.array_equal(alone[3, 3], colour)
    assert not alone[0, 0].any()
    assert np.array_equal(over[0, 0], np.repeat(shown[0][0, 0], 3))
    assert np.allclose(over[3, 3], 0.6 * shown[0][3, 3] + 0.4 * np.array(colour))


def test_every_class_is_named_in_its_colour_within_the_page():
    figure = label_sheet("t", [CropRow("1", np.ones((4, 4, 4)), np.zeros((4, 4, 4), int), "FSE")], CLASSES)
    marks = {text.get_text(): text for text in figure.texts if text.get_text() in CLASSES}
    assert [marks[name].get_color() for name in CLASSES[1:]] == [overlay_colour(n) for n in range(1, 9)]
    figure.canvas.draw()
    boxes = [mark.get_window_extent() for mark in marks.values()]
    assert all(0 <= box.x0 < box.x1 <= figure.bbox.width for box in boxes)
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])


def test_noisy_and_clean_share_their_grey_levels():
    clean = np.random.default_rng(1).random((8, 8, 8))
    noisy = clean + 0.01
    figure = noise_sheet("t", [CropRow("1", noisy, clean, "FSE; SNR 9, bias ±2%; turned 3°", mirrored=True)])
    shown = images(figure)
    low, high = np.percentile([middle_slices(noisy)], (1, 99))
    assert np.allclose(shown[3], np.clip((clean[:, :, 4].T - low) / (high - low), 0, 1))
    assert np.allclose(shown[6], 0.5 - 0.04 / (high - low))
    assert [text.get_text() for text in figure.axes[0].texts] == ["R", "L"]
