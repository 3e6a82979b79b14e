"""Whole heads, scanned to test on."""

import numpy as np
import pytest
import torch

from qontrast.geometry.sample import whole
from qontrast.physics.presets import PRESETS
from qontrast.views.labelled import person
from qontrast.views.whole_scan import simulate_scan, whole_head


def scan(head, name="mprage", spacing=2.0, snr=40.0, seed=0):
    return simulate_scan(head, PRESETS[name], spacing, snr, seed)


@pytest.mark.parametrize(("spacing", "shape"), [(2.0, (40, 40, 40)), (4.0, (20, 20, 20)), (3.0, (27, 27, 27))])
def test_a_scan_covers_the_head_on_the_grid_that_it_states(head, spacing, shape):
    made = scan(head, spacing=spacing)
    assert made.grid.shape == shape
    assert made.image.shape == (1, 1, *shape)
    assert made.classes.shape == shape
    assert made.grid.spacing == pytest.approx((spacing,) * 3)
    middle = [g.affine[:3, :3] @ ((np.array(g.shape) - 1) / 2) + g.affine[:3, 3] for g in (made.grid, head.grid)]
    assert middle[0] == pytest.approx(middle[1], abs=1e-6)


def test_its_voxels_lie_where_its_grid_says(head):
    warp, grid = whole_head(head.grid, 3.0)
    index = warp.coordinates().numpy()
    world = index @ head.grid.affine[:3, :3].T + head.grid.affine[:3, 3]
    own = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), axis=-1)
    assert world == pytest.approx(own @ grid.affine[:3, :3].T + grid.affine[:3, 3], abs=1e-4)


def test_at_the_heads_own_spacing_the_truth_is_the_label_map(head):
    assert torch.equal(scan(head).classes, head.classes(whole(head.grid.shape)))


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_sequence_gives_a_finite_image_that_tells_grey_from_white_matter(head, name):
    made = scan(head, name, snr=200.0)
    assert torch.isfinite(made.image).all()
    grey, white, fluid = (made.image[0, 0][made.classes == c].median() for c in (1, 2, 3))
    other = fluid if name == "bssfp" else white  # T2/T1, its weighting, is nearly that of white matter in grey matter
    assert abs(float(grey - other)) > 0.02 * float(made.image.abs().max())


def test_a_scan_replays_and_another_seed_is_another_scan(head):
    assert torch.equal(scan(head).image, scan(head).image)
    assert not torch.equal(scan(head).image, scan(head, seed=1).image)


def test_a_person_has_one_tissue_in_every_scan(head, heads):
    def rates(subject, seed):
        return person(subject, seed).block(((10, 30),) * 3).r1

    assert torch.equal(rates(head, 0), rates(head, 0))
    assert not torch.equal(rates(head, 0), rates(head, 1))
    assert not torch.equal(rates(heads[0], 0), rates(heads[1], 0))


def test_noise_is_as_strong_as_asked(head):
    quiet = scan(head, snr=1e6).image
    spread = [float((scan(head, snr=snr).image - quiet)[quiet > 0.3 * quiet.max()].std()) for snr in (20.0, 40.0)]
    assert spread[0] / spread[1] == pytest.approx(2, rel=0.05)
    signal = float(quiet[quiet > 0.05 * quiet.max()].mean())
    assert signal / spread[0] == pytest.approx(20, rel=0.1)
