"""Voxels of two views that have the same coordinates in the subject are the same tissue."""

import numpy as np
import pytest
import torch

from qontrast.anatomy.qmri import QuantitativeSubject
from qontrast.basics.grid import Grid
from qontrast.geometry.warp import WarpRanges
from qontrast.physics.tissue import TissueMaps
from qontrast.views.pair import make_pair

SHAPE = (44, 40, 36)
APART = WarpRanges(shared=False)
STEPS = 4
WEIGHTED = ("mprage", "gre", "spgr", "fse", "flair")  # MP2RAGE divides the proton density out


def phantom(pd):
    """A head of one tissue whose proton density alone varies."""
    pd = pd.float()[None, None]
    rates = {"r1": 0.8, "r2": 12.0, "r2star": 18.0, "mt": 0.01}
    tissue = TissueMaps(pd=pd, **{name: torch.full_like(pd, value) for name, value in rates.items()})
    brain = np.zeros(SHAPE, bool)
    brain[14:30, 12:28, 10:26] = True
    return QuantitativeSubject("phantom", tissue, Grid(SHAPE, np.diag([2.0, 2.0, 2.0, 1.0])), brain, [])


def index():
    return torch.stack(torch.meshgrid(*(torch.arange(n).float() for n in SHAPE), indexing="ij"), dim=-1)


def inside(coordinates, margin=2.0):
    return ((coordinates > margin) & (coordinates < torch.tensor(SHAPE) - 1 - margin)).all(dim=-1)


def agreement(view, coordinates, direction):
    """Correlation of an image with the ramp along ``direction`` at the coordinates, where those lie in the head."""
    there = inside(coordinates) & inside(view.warp.coordinates())
    values = torch.stack((view.clean[0, 0][there], (coordinates @ direction)[there]))
    return float(torch.corrcoef(values)[0, 1])


@pytest.mark.parametrize("spacing", [2.0, 4.0])
@pytest.mark.parametrize("direction", [(1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0), (0.5, 0.7, -0.6)])
def test_both_views_follow_a_ramp_at_their_own_coordinates(plan, direction, spacing):
    direction = torch.tensor(direction)
    subject = phantom(0.5 + 0.008 * index() @ direction)
    swapped = []
    for step in range(STEPS):
        pair = make_pair(subject, plan("seqaug", geometry=APART, spacing=spacing, sequences=WEIGHTED), 1, step)
        for one, other in ((pair.a, pair.b), (pair.b, pair.a)):
            assert agreement(one, one.warp.coordinates(), direction) > 0.995
            swapped.append(agreement(one, other.warp.coordinates(), direction))
    assert min(swapped) < 0.98  # with the other view's coordinates it is not so


@pytest.mark.parametrize("place", [(15.0, 23.0, 18.0), (28.0, 14.0, 22.0)])
def test_a_landmark_has_the_same_coordinates_in_both_views(plan, place):
    place = torch.tensor(place)
    subject = phantom(0.1 + 0.9 * torch.exp(-0.5 * ((index() - place) / 1.5).square().sum(dim=-1)))
    moved = []
    for step in range(STEPS):
        pair = make_pair(subject, plan("seqinv", geometry=APART, crop=32, spacing=2.0, sequences=WEIGHTED), 1, step)
        voxels = []
        for view in (pair.a, pair.b):
            bright = view.clean[0, 0] > 0.9 * view.clean.max()
            found = view.warp.coordinates()[bright].mean(dim=0)
            assert float((found - place).norm()) < 0.5
            voxels.append(torch.nonzero(bright).float().mean(dim=0))
        moved.append(float((voxels[0] - voxels[1]).norm()))
    assert max(moved) > 2  # although it is elsewhere in the two images
