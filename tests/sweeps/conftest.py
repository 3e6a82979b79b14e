"""Models of a few lines, whose answers are known in closed form."""

import numpy as np
import pytest

from qontrast.sweeps.plan import ModelForm, SweepPlan

SMALL = {"points": 2, "fields": (3.0,), "clinical": False, "snr": None}


@pytest.fixture(scope="session")
def small_plan():
    """``small_plan(maps, **changes)``: two values along each axis at 3 T, no noise, 2 mm, no named protocols."""

    def make(maps, spacing=2.0, classes=(), **changes):
        fields = {**SMALL, "form": ModelForm(spacing=spacing, classes=classes), **changes}
        return SweepPlan(maps=str(maps), **fields)

    return make


class Threshold:
    """Class 1 where the image is brighter than a share of its maximum."""

    def __init__(self, share):
        self.share, self.calls = share, 0

    def __call__(self, volume, affine):
        self.calls += 1
        return (volume > self.share * volume.max()).astype(np.uint8)


@pytest.fixture
def threshold():
    """``threshold(0.5)`` makes a segmenter that counts its calls."""
    return Threshold


def constant(volume, affine):
    """The same vector for everybody."""
    return np.array([1.0, 2.0, 3.0])


@pytest.fixture(scope="session")
def constant_encoder():
    return constant
