"""How often scans suffer from what, counted over many draws, against the table and the plan's factors.

Counts are compared within four standard deviations of a binomial distribution, strengths within 5 %.
"""

import math
from dataclasses import replace

import pytest
import torch

from qontrast.artefacts.kspace import Resolution
from qontrast.artefacts.prevalence import NEAR_AIR, PREVALENCE, SHADED, SUM_OF_SQUARES
from qontrast.artefacts.slices import SliceStack
from qontrast.basics.randomness import derive
from qontrast.physics.presets import PRESETS
from qontrast.views.plan import ArtefactRanges
from qontrast.views.spoiling import draw_spoiling

WITHIN = 0.05
KNOBS = ("motion", "thick_slices", "gibbs", "partial_fourier", "dropout", "sum_of_squares", "erasure")
DRAWN = 2000


pytestmark = pytest.mark.usefixtures("one_thread")


def spoilt(count, **ranges):
    sequence, plan = replace(PRESETS["gre"], field_strength=3.0), ArtefactRanges(**ranges)
    return [draw_spoiling(plan, sequence, (24, 24, 24), (2.0, 2.0, 2.0), derive(s, "often")) for s in range(count)]


HAS = {
    "motion": lambda s: s.motion is not None,
    "thick_slices": lambda s: any(isinstance(p, SliceStack) for p in s.encoding.parts),
    "gibbs": lambda s: any(isinstance(p, Resolution) for p in s.encoding.parts),
    "partial_fourier": lambda s: s.partial_fourier is not None,
    "dropout": lambda s: s.dropout is not None,
    "sum_of_squares": lambda s: s.noise.coils > 1,
    "erasure": lambda s: s.erasure is not None,
}


RATES = {
    "motion": PREVALENCE["gre"].motion,
    "thick_slices": PREVALENCE["gre"].slices,
    "gibbs": PREVALENCE["gre"].gibbs,
    "partial_fourier": PREVALENCE["gre"].partial_fourier,
    "dropout": NEAR_AIR,  # the static field is not known here
    "sum_of_squares": SUM_OF_SQUARES,
    "erasure": ArtefactRanges().erasure,
}
"""What the table and the plan's own default say."""


def as_often(found, knob, rate):
    count, expected = sum(HAS[knob](s) for s in found), rate * len(found)
    assert abs(count - expected) <= 4 * math.sqrt(expected * (1 - rate)), (knob, count, expected)


@pytest.fixture(scope="module")
def usual():
    """What gradient echoes, which suffer from everything, suffer from as often as usual."""
    return spoilt(DRAWN)


def test_two_thousand_scans_suffer_as_often_as_the_table_says(usual):
    for knob, rate in RATES.items():
        as_often(usual, knob, rate)
    shaded = sum(s.coils is not None for s in usual)
    assert abs(shaded - SHADED * DRAWN) < 4 * math.sqrt(DRAWN * SHADED * (1 - SHADED))


@pytest.mark.parametrize("factor", [0.0, 0.5])
def test_factors_scale_how_often_scans_suffer(factor):
    found = spoilt(round(100 + 900 * factor), **{knob: factor * getattr(ArtefactRanges(), knob) for knob in KNOBS})
    for knob, rate in RATES.items():
        as_often(found, knob, factor * rate)


def test_the_strength_scales_them_all():
    found = spoilt(550, strength=0.5)
    for knob, rate in RATES.items():
        as_often(found, knob, 0.5 * rate)


@pytest.mark.parametrize("knob", KNOBS)
def test_a_factor_scales_its_own_artefact_and_no_other(usual, knob):
    half = spoilt(100, **{knob: 0.5 * getattr(ArtefactRanges(), knob)})
    pairs = list(zip(half, usual, strict=False))
    assert 0 < sum(HAS[knob](one) for one, _ in pairs) < sum(HAS[knob](two) for _, two in pairs)
    for other in KNOBS:
        # Axes without slices are open to coarse voxels, which shifts the later draws of the encoding.
        if other != knob and not (knob == "thick_slices" and other == "gibbs"):
            assert all(HAS[other](one) == HAS[other](two) for one, two in pairs)


def test_bias_and_snr_are_drawn_from_the_ranges_of_the_plan_and_the_table(usual):
    ones = torch.ones(1, 1, 12, 12, 12)
    spread = torch.stack([s.bias(ones).log().std() for s in usual[::2]])
    largest = ArtefactRanges().bias
    assert float(spread.max()) == pytest.approx(largest, rel=WITHIN)
    assert float(spread.mean()) == pytest.approx(largest / 2, rel=WITHIN)
    low, high = PREVALENCE["gre"].snr
    snr = torch.tensor([s.noise.snr for s in usual])
    assert float(snr.log().mean().exp()) == pytest.approx(math.sqrt(low * high), rel=WITHIN)
    assert [float(snr.min()), float(snr.max())] == pytest.approx([low, high], rel=WITHIN)
