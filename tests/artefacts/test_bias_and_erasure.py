"""The receive bias and erased boxes."""

import pytest
import torch

from qontrast.artefacts.bias import BiasField, CoilArray, draw_bias, draw_coil_array
from qontrast.artefacts.erasure import Erasure, draw_erasure
from qontrast.basics.randomness import derive

SHAPE = (14, 12, 10)


@pytest.mark.parametrize("strength", [0.05, 0.25, 0.6])
def test_a_bias_field_keeps_the_mean_log_brightness(strength):
    field = draw_bias(strength, derive(1)).field(SHAPE)
    assert field.shape == SHAPE
    assert (field > 0).all()
    assert float(field.log().mean()) == pytest.approx(0.0, abs=1e-5)
    assert float(field.log().std()) == pytest.approx(strength, rel=0.05)
    assert f"±{strength:.0%}" in draw_bias(strength, derive(1)).describe()


def test_a_bias_field_is_smooth():
    field = draw_bias(0.5, derive(2)).field((20, 20, 20)).log()
    spread = float(field.max() - field.min())
    for axis in range(3):
        assert float(field.diff(dim=axis).abs().max()) < 0.2 * spread


def test_a_stronger_bias_spreads_wider_and_none_changes_nothing():
    image = torch.rand(1, 1, *SHAPE)
    torch.testing.assert_close(draw_bias(0.0, derive(3))(image), image)
    weak, strong = (draw_bias(s, derive(3)).field(SHAPE).log() for s in (0.1, 0.3))
    torch.testing.assert_close(strong, 3 * weak, rtol=1e-3, atol=1e-5)


def test_a_bias_multiplies_every_component_and_subject_alike():
    bias = draw_bias(0.3, derive(4))
    image = torch.rand(2, 2, *SHAPE)
    torch.testing.assert_close(bias(image) / image, bias.field(SHAPE).expand_as(image))
    complex_image = torch.complex(image, -image)
    torch.testing.assert_close(bias(complex_image), complex_image * bias.field(SHAPE))


def test_an_even_log_gain_is_no_bias():
    flat = BiasField(torch.full((4, 4, 4), 0.8)).field(SHAPE)
    torch.testing.assert_close(flat, torch.ones(SHAPE))


def test_erasure_erases_its_boxes_and_nothing_else():
    image = torch.rand(2, 1, *SHAPE)
    boxes = (((1, 4), (0, 5), (2, 3)), ((10, 14), (8, 12), (7, 10)))
    erased = Erasure(boxes)(image)
    inside = torch.zeros(SHAPE, dtype=torch.bool)
    for (x0, x1), (y0, y1), (z0, z1) in boxes:
        inside[x0:x1, y0:y1, z0:z1] = True
    assert torch.equal(erased[..., ~inside], image[..., ~inside])
    for subject in range(2):
        fill = image[subject].mean().expand_as(erased[subject][..., inside])
        torch.testing.assert_close(erased[subject][..., inside], fill)


def test_overlapping_boxes_hold_the_mean_of_the_whole_image():
    image = torch.rand(1, 1, *SHAPE)
    box = ((0, 8), (0, 8), (0, 8))
    assert torch.equal(Erasure((box, box))(image), Erasure((box,))(image))


def test_no_box_erases_nothing():
    image = torch.rand(1, 1, *SHAPE)
    assert torch.equal(Erasure(())(image), image)


def test_drawn_boxes_lie_inside_and_have_the_stated_size():
    low, high = 0.2, 0.5
    starts = set()
    for seed in range(50):
        erasure = draw_erasure(SHAPE, 3, (low, high), derive(seed))
        assert len(erasure.boxes) == 3
        for box in erasure.boxes:
            for (start, stop), count in zip(box, SHAPE, strict=True):
                assert 0 <= start < stop <= count
                assert low * count - 0.5 <= stop - start <= high * count + 0.5
        starts.add(erasure.boxes[0][0][0])
    assert 0 in starts
    assert len(starts) > 5


def test_a_box_as_large_as_the_image_erases_all_of_it():
    erased = draw_erasure(SHAPE, 1, (1.0, 1.0), derive(0))(torch.rand(1, 1, *SHAPE))
    assert float(erased.std()) == pytest.approx(0.0, abs=1e-6)


def test_an_image_smaller_than_its_boxes_still_has_one_voxel_erased():
    assert draw_erasure((1, 1, 1), 1, (0.1, 0.3), derive(0)).boxes == (((0, 1), (0, 1), (0, 1)),)


def test_a_loop_alone_has_the_sensitivity_of_its_axis():
    """(1 + (d / a)^2)^(-3/2) at distance d from a loop of radius a."""
    array = CoilArray(torch.tensor([[0.0, 0.0, 60.0]]), 40.0, (2.0, 2.0, 2.0))
    field = array.field((3, 3, 12))[1, 1]
    away = 60 - 2 * (torch.arange(12) - 5.5)
    expected = (1 + (away / 40) ** 2) ** -1.5
    torch.testing.assert_close(field / field[0], expected / expected[0], rtol=2e-3, atol=0)


def test_a_coil_array_is_darkest_in_the_middle_and_smooth():
    array = draw_coil_array((4.0, 4.0, 4.0), derive(3), off_centre=0.0)
    field = array.field((40, 48, 40)).log()
    assert float(field.mean()) == pytest.approx(0, abs=1e-5)
    assert float(field[20, 24, 16]) < float(field[2, 24, 20]) - 0.3
    assert float(field[20, 24, 16]) < float(field[20, 46, 20]) - 0.3
    assert float(field.diff(dim=0).abs().max()) < 0.1 * float(field.max() - field.min())


def test_half_a_correction_leaves_half_of_the_shading():
    whole, half = (draw_coil_array((4.0, 4.0, 4.0), derive(3), exponent=e).field((20, 20, 20)).log() for e in (1, 0.5))
    torch.testing.assert_close(half, 0.5 * whole, rtol=1e-3, atol=1e-5)
