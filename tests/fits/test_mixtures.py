"""A scan's intensities decide where they can, and leave to the network what they cannot tell."""

import pytest
import torch
from torch.nn import functional

from qontrast.basics.randomness import derive
from qontrast.fits.mixture import by_intensity

SIZE = 40


def scene(*, gap=1.0, noise=0.1, field=0.0):
    """Stripes of two tissues in a ball, the network's blurred idea of them, and the scan."""
    x, y, z = torch.meshgrid(*[torch.arange(SIZE, dtype=torch.float32)] * 3, indexing="ij")
    ball = (x - 20) ** 2 + (y - 20) ** 2 + (z - 20) ** 2 < 17**2
    second = torch.sin(x / 1.6) + torch.sin(y / 2.1) > 0
    truth = ball.long() * (1 + second.long())
    certain = functional.one_hot(truth, 3).movedim(-1, 0).float()
    blurred = functional.avg_pool3d(certain[None], 7, stride=1, padding=3, count_include_pad=False)[0]
    probabilities = torch.where(ball, blurred, certain)
    probabilities[0] = (~ball).float()
    probabilities /= probabilities.sum(dim=0)
    received = 1 + field * (x - 20) / 20
    scan = received * (truth > 0) * (2 + gap * (truth == 2)) + noise * torch.randn(truth.shape, generator=derive(0))
    return scan, probabilities, truth


def wrong(probabilities, truth):
    return float((probabilities.argmax(dim=0) != truth)[truth > 0].float().mean())


@pytest.mark.parametrize("gap", [1.0, -1.0])
@pytest.mark.parametrize("field", [0.0, 0.15])
@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (4000.0, -700.0)])
def test_borders_that_the_scan_shows_come_out_in_any_contrast_field_and_unit(gap, field, scale, shift):
    scan, probabilities, truth = scene(gap=gap, field=field)
    assert wrong(probabilities, truth) > 0.1
    assert wrong(by_intensity(scale * scan + shift, probabilities, 2.0), truth) < 0.01


def test_classes_of_one_brightness_are_left_to_the_network():
    scan, probabilities, _ = scene(gap=0.0)
    found = by_intensity(scan, probabilities, 2.0)
    sure = probabilities.amax(dim=0) > 0.6
    assert torch.equal(found.argmax(dim=0)[sure], probabilities.argmax(dim=0)[sure])


def test_probabilities_stay_probabilities_and_the_background_as_it_was():
    scan, probabilities, _ = scene()
    found = by_intensity(scan, probabilities, 2.0)
    assert torch.equal(found[0], probabilities[0])
    assert found.sum(dim=0) == pytest.approx(torch.ones(SIZE, SIZE, SIZE), abs=1e-5)
    assert float(found.min()) >= 0


def test_what_no_class_explains_is_left_to_the_network():
    scan, probabilities, truth = scene()
    lesion = torch.zeros_like(truth, dtype=torch.bool)
    lesion[18:22, 18:22, 18:22] = True
    probabilities[:, lesion] = torch.tensor([0.0, 0.9, 0.1])[:, None]
    scan[lesion] = 30.0
    assert (by_intensity(scan, probabilities, 2.0).argmax(dim=0)[lesion] == 1).all()


def test_a_network_that_is_sure_is_not_outweighed_by_a_lesion_as_bright_as_another_tissue():
    scan, probabilities, truth = scene()
    lesion = torch.zeros_like(truth, dtype=torch.bool)
    lesion[18:22, 18:22, 18:22] = True
    probabilities[:, lesion] = torch.tensor([0.0, 0.999, 0.001])[:, None]
    scan[lesion] = 3.0  # as the other class
    assert (by_intensity(scan, probabilities, 2.0).argmax(dim=0)[lesion] == 1).all()


def test_a_class_of_a_few_voxels_is_neither_lost_nor_grown():
    scan, probabilities, truth = scene()
    few = torch.zeros_like(truth, dtype=torch.bool)
    few[20, 20, 18:22] = True
    more = torch.cat([probabilities, torch.zeros(1, SIZE, SIZE, SIZE)])
    more[:, few] = torch.tensor([0.0, 0.0, 0.0, 1.0])[:, None]
    assert torch.equal(by_intensity(scan, more, 1.0).argmax(dim=0) == 3, few)


def test_a_scan_of_one_brightness_changes_nothing():
    scan, probabilities, _ = scene()
    assert torch.equal(by_intensity(torch.ones_like(scan), probabilities, 2.0), probabilities)
