"""How many windows slide over an image: no more than cover it, and none over the neck."""

from itertools import pairwise

import pytest
import torch

from qontrast.anatomy.classes import class_names
from qontrast.tasks import models
from qontrast.tasks.models import Segmenter
from qontrast.tasks.sliding import joined, slide
from qontrast.weights.contract import Contract

TISSUES = class_names("tissues")


@pytest.mark.parametrize(
    ("length", "least", "count"),
    [
        (20, 0.5, 1),
        (32, 0.5, 1),
        (33, 0.5, 2),
        (48, 0.5, 2),
        (49, 0.5, 3),
        (59, 1 / 6, 3),
        (58, 1 / 6, 2),
        (64, 0.0, 2),
        (34, 0.99, 3),
    ],
)
def test_the_fewest_windows_that_overlap_enough_cover_an_axis(length, least, count):
    seen = []

    def predict(windows):
        seen.extend(windows.clone())
        return windows.clone()  # what is returned is weighted in place

    image = torch.arange(length, dtype=torch.float32).reshape(1, 1, length, 1, 1).expand(-1, -1, -1, 32, 32) + 1
    found = slide(image, predict, 32, "cpu", least)
    torch.testing.assert_close(found, image)
    assert len(seen) == count
    if length > 32:
        ends = sorted((int(w[0, :, 0, 0].min()), int(w[0, :, 0, 0].max())) for w in seen)
        shared = [below[1] - above[0] + 1 for below, above in pairwise(ends)]
        assert min(shared) >= int(32 * least)
        assert max(shared) - min(shared) <= count  # evenly


class Above(torch.nn.Module):
    """A network that calls grey what is brighter than 100, and counts windows."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def forward(self, image):
        self.count += len(image)
        return torch.cat((torch.full_like(image, 100), image, *2 * [torch.full_like(image, -99.0)]), dim=1)


def head(bottom, spacing=2.0):
    """A head of 240 mm with a dim neck and a bright brain that ends ``bottom`` mm below the crown."""
    image = torch.full((1, 1, 80, 80, 120), 5.0)
    image[..., 20:60, 20:60, :] = 60 + 2 * torch.randn(40, 40, 120, generator=torch.Generator().manual_seed(0))
    image[..., 26:54, 26:54, 120 - round(bottom / spacing) : 112] += 100
    return image


@pytest.mark.parametrize(("bottom", "whole"), [(150.0, False), (174.0, True), (220.0, True)])
@pytest.mark.parametrize("classes", [TISSUES, ("background", "lesion", "cyst", "cavity")])
def test_windows_go_down_to_where_the_brain_ends(bottom, whole, classes, monkeypatch):
    monkeypatch.setattr(models, "normalise", lambda windows: windows)
    net = Above()
    segmenter = Segmenter(net, Contract("segmenter", (16,), 2.0, 48, "as in training", classes=classes), "cpu", 0.5)
    found = segmenter.probabilities(head(bottom))
    lowest = int((found[0, 1, 40, 40] > 0.5).nonzero()[0])
    assert lowest == pytest.approx(120 - bottom / 2, abs=1)
    tissue = classes == TISSUES
    net.count = 0
    segmenter._within(head(bottom), ((16, 64), (16, 64), (0, 120)))
    everything, net.count = net.count, 0
    segmenter.probabilities(head(bottom))
    assert (net.count < everything) == (tissue and not whole)
    assert net.count <= everything + tissue * everything // 3  # what is above is not gone over again


@pytest.mark.parametrize("bottom", [150.0, 190.0, 220.0])
@pytest.mark.parametrize("crop", [48, 112])
def test_a_brain_that_goes_on_is_found_as_if_in_one_go(bottom, crop, monkeypatch):
    monkeypatch.setattr(models, "normalise", lambda windows: windows)
    contract = Contract("segmenter", (16,), 2.0, crop, "as in training", classes=TISSUES)
    segmenter = Segmenter(Above(), contract, "cpu", 0.25)
    found = segmenter.probabilities(head(bottom))
    monkeypatch.setattr(models, "from_crown", lambda box, spacing: box)
    torch.testing.assert_close(found, segmenter.probabilities(head(bottom)))


def test_blocks_give_way_to_each_other_over_what_they_share():
    below, above = torch.zeros(1, 1, 2, 2, 5), torch.ones(1, 1, 2, 2, 6)
    found = joined(below, above, 3)[0, 0, 1, 1]
    torch.testing.assert_close(found, torch.tensor([0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0]))
