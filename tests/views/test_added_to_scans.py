"""What is added to scans that were really made is as strong, and as frequent, as the plan asks for."""

import math

import pytest
import torch

from qontrast.basics.randomness import derive
from qontrast.views.plan import ArtefactRanges
from qontrast.views.spoiling import ADDED_SNR, draw_added

SHAPE, DRAWS = (16, 16, 16), 1500
EVEN = torch.ones(1, 1, *SHAPE)


def drawn(ranges, count=DRAWS):
    return [draw_added(ranges, SHAPE, derive(number, "added")) for number in range(count)]


@pytest.mark.parametrize("limits", [(3.0, 10.0), (40.0, 60.0), (3.0, 150.0)])
def test_the_plans_limits_of_the_snr_hold(limits):
    found = [spoiling.noise.snr for spoiling in drawn(ArtefactRanges(snr=limits), 200)]
    assert min(found) >= limits[0]
    assert max(found) <= limits[1]
    if limits[1] < ADDED_SNR[0]:
        assert set(found) == {limits[1]}
    else:
        assert len(set(found)) > 20


@pytest.mark.parametrize("snr", [(20.0, 20.0), (8.0, 8.0)])
def test_noise_is_measured_as_strong_as_it_was_asked_for(snr):
    signal = torch.full((1, 1, *(48,) * 3), 100.0)
    for spoiling in drawn(ArtefactRanges(snr=snr), 3):
        image = spoiling.noise(signal)
        level = float(image.real.std() if image.is_complex() else image.std())
        assert 100.0 / level == pytest.approx(snr[0], rel=0.05)


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_bias_and_erasure_are_as_strong_and_as_frequent_as_asked(strength):
    ranges = ArtefactRanges(strength=strength, bias=0.3, erasure=0.4)
    found = drawn(ranges)
    spreads = torch.tensor([float(s.bias(EVEN).log().std(correction=0)) for s in found])
    assert float(spreads.max()) <= 0.3 * strength * 1.05
    assert float(spreads.mean()) == pytest.approx(0.15 * strength, rel=0.05)  # uniform from nothing to the most
    erased = sum(s.erasure is not None for s in found) / DRAWS
    assert erased == pytest.approx(0.4 * strength, abs=4 * math.sqrt(0.25 / DRAWS))


def test_nothing_is_added_where_nothing_is_asked_for():
    for spoiling in drawn(ArtefactRanges(strength=0.0), 20):
        assert math.isinf(spoiling.noise.snr)
        assert torch.equal(spoiling.bias(EVEN), EVEN)
        assert spoiling.erasure is None
