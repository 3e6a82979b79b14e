"""Two scans of one session as the two views; and which voxel of one view is which of the other."""

import numpy as np
import pytest
import torch

from qontrast.anatomy.observed import ObservedHead, ObservedScan, to_head
from qontrast.basics.grid import Grid
from qontrast.geometry.warp import WarpRanges
from qontrast.views.acquisition import Observed
from qontrast.views.pair import make_pair
from qontrast.views.plan import ArtefactRanges
from qontrast.views.render import Place

APART = WarpRanges(shared=False)
QUIET = ArtefactRanges(strength=0.0)


def grid(shape, spacing, start):
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = start
    return Grid(shape, affine)


HEAD = grid((60, 56, 52), (2.0, 2.0, 2.0), (-60, -56, -52))
THICK = grid((70, 60, 34), (1.7, 1.9, 3.4), (-61, -58, -55))


def ramp(on, direction):
    """A scan that grows evenly along a direction of the world, from 0 to about 1."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in on.shape), indexing="ij"), axis=-1)
    world = index @ on.affine[:3, :3].T + on.affine[:3, 3]
    return (0.5 + world @ np.array(direction) / 240).astype(np.float32)


def head(direction=(0.6, -0.5, 0.7), names=("FLAIR", "T1w", "T2w")):
    grids = dict(zip(names, (THICK, HEAD, HEAD), strict=True))
    scans = {n: ObservedScan(n, ramp(g, direction), g, 100.0, to_head(g, HEAD)) for n, g in grids.items()}
    return ObservedHead("sub-01", scans, HEAD, ((15, 45), (14, 42), (13, 39)))


def shown(pair):
    return pair.a.acquisition.scan.contrast, pair.b.acquisition.scan.contrast


def test_the_arms_choose_among_the_scans(plan):
    subject = head()
    arms = ("base", "seqaug", "seqinv")
    chosen = {arm: [shown(make_pair(subject, plan(arm), 0, step)) for step in range(30)] for arm in arms}
    assert set(chosen["base"]) == {("T1w", "T1w")}
    assert set(chosen["seqaug"]) == {(n, n) for n in ("FLAIR", "T1w", "T2w")}
    assert all(a != b for a, b in chosen["seqinv"])
    assert len(set(chosen["seqinv"])) == 6


def test_a_pair_replays_and_says_what_it_shows(plan):
    pairs = [make_pair(head(), plan(), 3, 5) for _ in range(2)]
    assert torch.equal(pairs[0].a.image, pairs[1].a.image)
    assert "(observed)" in pairs[0].a.describe()
    assert "SNR" in pairs[0].a.describe()
    with pytest.raises(TypeError, match="no simulated sequence"):
        _ = pairs[0].a.sequence


@pytest.mark.parametrize("direction", [(1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0)])
def test_scans_of_other_grids_are_read_at_one_place_of_the_world(plan, direction):
    subject = head(direction)
    for step in range(4):
        pair = make_pair(subject, plan(artefacts=QUIET), 1, step)
        a, b = pair.a.clean[0, 0], pair.b.clean[0, 0]
        inside = (slice(3, -3),) * 3
        assert float((a - b)[inside].abs().max()) < 0.02  # both are one normalised ramp


@pytest.mark.parametrize("geometry", [WarpRanges(), APART])
def test_views_of_scans_are_normalised(plan, geometry):
    pair = make_pair(head(), plan(geometry=geometry), 0, 0)
    for image in (pair.a.image, pair.b.image, pair.a.clean):
        assert image.shape == (1, 1, 16, 16, 16)
        assert float(image.mean()) == pytest.approx(0, abs=1e-4)
        assert float(image.std(correction=0)) == pytest.approx(1, abs=1e-3)
    assert isinstance(pair.a.acquisition, Observed)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("spacing", [1.5, 2.0, 3.0])
def test_a_matched_voxel_lands_within_a_hundredth_of_a_voxel(plan, shared, spacing):
    """The coordinate image, rendered as any scan is, has the same value in both views at matched voxels."""
    subject = head()
    axes = [torch.arange(n, dtype=torch.float32) for n in HEAD.shape]
    image = torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]
    compared = 0
    for step in range(6):
        pair = make_pair(subject, plan(crop=32, spacing=spacing, geometry=WarpRanges(shared=shared)), 2, step)
        views = []
        for view in (pair.a, pair.b):
            place = Place(HEAD, view.warp)
            x, y, z = (slice(a, b) for a, b in place.box)
            views.append((place.read(image[:, :, x, y, z])[0], place))
        match = pair.match(stride=3)
        assert match.shape == (11, 11, 11, 3)
        (one, place), (other, _) = views
        there = place.warp.coordinates()[::3, ::3, ::3]
        # Beyond the head's grid the image is zero: neighbours must not reach there.
        within = ((match >= 1) & (match <= 30)).all(dim=-1)
        within &= ((there > 5) & (there < torch.tensor(HEAD.shape) - 6)).all(dim=-1)
        points = (2 * match / 31 - 1).flip(-1)[None]
        found = torch.nn.functional.grid_sample(other[None], points, align_corners=True)[0]
        apart = (found - one[:, ::3, ::3, ::3]).norm(dim=0) * 2.0 / spacing
        assert float(apart[within].max()) < 0.01
        compared += int(within.sum())
    assert compared > 500


def test_a_match_outside_the_other_view_says_so(plan):
    far = make_pair(head(), plan(crop=32, spacing=1.5, geometry=APART), 2, 0).match()
    outside = ((far < 0) | (far > 31)).any(dim=-1)
    assert 0 < float(outside.float().mean()) < 1
