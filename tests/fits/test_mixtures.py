"""A scan's intensities decide where they can, and leave to the network what they cannot tell."""

import pytest
import torch
from torch.nn import functional

from qontrast.basics.randomness import derive
from qontrast.fits.mixture import by_intensity

SIZE = 40
TISSUES = ("background", "white matter", "cerebrospinal fluid", "cerebrospinal fluid")


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


def test_a_few_broken_voxels_do_not_make_tissues_look_alike():
    scan, probabilities, truth = scene()
    scan[20, 20, ::8] = 1e6
    found = by_intensity(scan, probabilities, 2.0)
    rest = torch.ones_like(truth, dtype=torch.bool)
    rest[20, 20, ::8] = False
    assert float((found.argmax(dim=0) != truth)[rest & (truth > 0)].float().mean()) < 0.01


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


def radius():
    axes = torch.meshgrid(*[torch.arange(SIZE, dtype=torch.float32) - 20] * 3, indexing="ij")
    return torch.stack(axes).square().sum(dim=0).sqrt()


@pytest.fixture(scope="module")
def caps():
    """Tissue in fluid, about a ventricle with a bright lesion around it that the network takes for more of it."""
    truth = torch.bucketize(radius(), torch.tensor([4.0, 7.0, 15.0, 19.0]))  # ventricle, lesion, tissue, fluid, air
    scan = torch.tensor([1.0, 4.0, 3.0, 1.0, 0.0])[truth] + 0.1 * torch.randn(truth.shape, generator=derive(0))
    # tissue, fluid, ventricle; of the lesion it is not sure
    network = torch.tensor([
        [0.0, 0.0, 0.0, 0.0, 1.0],
        [0.01, 0.2, 0.98, 0.01, 0.0],
        [0.01, 0.0, 0.01, 0.98, 0.0],
        [0.98, 0.8, 0.01, 0.01, 0.0],
    ])  # fmt: skip
    return scan, network[:, truth], truth


def test_a_lesion_about_a_ventricle_is_no_fluid(caps):
    scan, probabilities, truth = caps
    found = by_intensity(scan, probabilities, 2.0, tissues=TISSUES, cavities=(3,)).argmax(dim=0)
    wanted = torch.tensor([3, 1, 1, 2, 0])[truth]
    assert float((found == wanted).float().mean()) > 0.999
    alone = by_intensity(scan, probabilities, 2.0).argmax(dim=0)
    assert (alone == 3)[truth == 1].float().mean() > 0.5


@pytest.mark.parametrize("bright", [1.0, 5.0])
def test_fluid_is_found_under_a_receive_field(caps, bright):
    _, probabilities, truth = caps
    received = 1 + 0.3 * (torch.arange(SIZE) - 20) / 20
    scan = torch.tensor([bright, 3.0, 3.0, bright, 0.0])[truth] + 0.1 * torch.randn(truth.shape, generator=derive(0))
    found = by_intensity(received[:, None, None] * scan, probabilities, 2.0, tissues=TISSUES, cavities=(3,))
    wanted = torch.tensor([3, 1, 1, 2, 0])[truth]
    assert float((found.argmax(dim=0) == wanted).float().mean()) > 0.999


def test_what_no_class_explains_is_tissue_sooner_than_a_cavity(caps):
    scan, probabilities, truth = caps
    network = torch.tensor([0.0, 0.003, 0.0, 0.997])  # sure, but not as much as one in a thousand
    probabilities = torch.where(truth == 1, network[:, None, None, None], probabilities)
    scan = torch.where(truth == 1, 9.0, scan)
    found = [
        by_intensity(scan, probabilities, 2.0, tissues=TISSUES, cavities=cavities).argmax(dim=0)
        for cavities in ((), (3,))
    ]
    assert (found[0] == 3)[truth == 1].all()
    assert (found[1] == 1)[truth == 1].all()


def test_tissue_that_the_network_takes_for_fluid_does_not_teach_how_bright_fluid_is(caps):
    scan, probabilities, truth = caps
    band = (radius() > 12) & (truth == 2)  # three voxels of tissue below the fluid
    likely = torch.tensor([0.0, 0.1, 0.9, 0.0])[:, None, None, None]
    probabilities = torch.where(band, likely, probabilities)
    found = by_intensity(scan, probabilities, 2.0, tissues=TISSUES, cavities=(3,)).argmax(dim=0)
    assert (found[band] == 1).float().mean() > 0.9


def test_a_scan_of_fluid_alone_is_left_to_the_network():
    scan = torch.randn(20, 20, 20, generator=derive(0))
    probabilities = torch.tensor([0.0, 0.0, 0.7, 0.3])[:, None, None, None].expand(4, 20, 20, 20).contiguous()
    found = by_intensity(scan, probabilities, 2.0, tissues=TISSUES, cavities=(3,))
    assert torch.isfinite(found).all()
    assert (found.argmax(dim=0) == 2).all()


def test_a_ventricle_that_is_not_as_bright_as_what_is_called_fluid_about_the_brain_stays(caps):
    _, probabilities, truth = caps
    scan = torch.tensor([3.0, 3.0, 3.0, 1.0, 0.0])[truth] + 0.1 * torch.randn(truth.shape, generator=derive(0))
    network = probabilities.clone()
    network[:, truth == 0] = torch.tensor([0.0, 0.1, 0.0, 0.9])[:, None]
    for elsewhere, likely in ((1, [0.0, 0.99, 0.01, 0.0]), (2, [0.0, 0.99, 0.01, 0.0]), (3, [0.0, 0.01, 0.99, 0.0])):
        network[:, truth == elsewhere] = torch.tensor(likely)[:, None]
    found = by_intensity(scan, network, 2.0, tissues=TISSUES, cavities=(3,)).argmax(dim=0)
    assert (found[truth == 0] == 3).all()
    assert (found[truth == 3] == 2).all()
