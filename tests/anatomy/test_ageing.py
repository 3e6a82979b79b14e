import math

import numpy as np
import pytest
import torch

from qontrast.anatomy.ageing import aged, iron, sulcal_growth, ventricular_growth
from qontrast.anatomy.atrophy import dithered, flow
from qontrast.anatomy.label_rates import draw_rates
from qontrast.anatomy.pathology import PathologyRanges
from qontrast.anatomy.priors import PRIORS
from qontrast.anatomy.white_matter_burden import burden_at
from qontrast.basics.randomness import derive
from qontrast.geometry.sample import box_slices, whole

BOX = ((20, 61), (15, 70), (18, 50))
TISSUES = ["white matter", "pallidum", "putamen", "thalamus", "cerebrospinal fluid"]


def old(head, age, seed=1, **more):
    return head.draw(derive(seed, "x"), PathologyRanges(**{"lesions": 0.0, "ageing": 1.0, "ages": (age, age), **more}))


def at(age):
    return aged(draw_rates([PRIORS[t] for t in TISSUES], None), TISSUES, age)


def test_iron_follows_the_law_of_hallgren_and_sourander():
    assert iron("pallidum", 30) == pytest.approx(21.41 * (1 - math.exp(-2.7)) + 0.37)
    assert iron("putamen", 80) / iron("putamen", 30) == pytest.approx(1.36, abs=0.03)
    assert [round(iron(t, 0), 2) for t in ("pallidum", "putamen", "caudate")] == [0.37, 0.46, 0.33]


def test_deep_grey_darkens_on_t2star_with_age_and_fluid_and_thalamus_do_not_change():
    young, reference, aged_80 = at(20), at(30), at(80)
    for name in ("r2", "r2star"):
        assert float(young[name][2]) < float(reference[name][2]) < float(aged_80[name][2])
        assert torch.equal(aged_80[name][3:], reference[name][3:])
    assert 1.1 < float(aged_80["r2star"][2] / reference["r2star"][2]) < 1.4
    # The pallidum has most of its iron at 30 already.
    assert 1.0 < float(aged_80["r2star"][1] / reference["r2star"][1]) < 1.12
    for name, value in reference.items():
        torch.testing.assert_close(value, draw_rates([PRIORS[t] for t in TISSUES], None)[name])


def test_r1_of_white_matter_peaks_in_mid_life_and_mtsat_falls():
    r1 = [float(at(age)["r1"][0]) for age in (20, 42, 64, 85)]
    assert r1[1] == max(r1)
    assert r1[0] == pytest.approx(r1[2], rel=1e-3)  # mirror images
    assert 0.88 < r1[3] / r1[1] < 0.95
    assert 0.9 < float(at(80)["mt"][0] / at(40)["mt"][0]) < 0.95


@pytest.mark.parametrize(("ventricles", "sulci"), [(1.5, 1.0), (2.2, 1.1), (1.0, 1.15)])
def test_measured_growth_is_the_growth_that_was_asked(big_head, ventricles, sulci):
    flow = big_head.atrophy.to(ventricles, sulci)
    assert flow.factors == pytest.approx((ventricles, sulci))
    labels = big_head.labels(whole(big_head.grid.shape)).numpy()
    shrunk = labels[tuple(flow.source(whole(big_head.grid.shape)))]

    def growth(*wanted):
        return np.isin(shrunk, wanted).sum() / np.isin(labels, wanted).sum()

    assert growth(4, 43) == pytest.approx(ventricles, rel=0.1)
    assert growth(24) == pytest.approx(sulci, rel=0.05)
    assert growth(2, 41, 3, 42, 10, 49) < 1.0
    assert growth(258) == pytest.approx(1.0, abs=0.005)  # the scalp does not move
    assert growth(0) == pytest.approx(1.0, abs=0.005)


def test_the_deformation_can_be_undone(big_head):
    fields = big_head.atrophy.velocities.float()
    axes = [torch.arange(n, dtype=torch.float32) for n in fields.shape[2:]]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    velocity = 3.0 * fields[0] + 0.5 * fields[1]
    source = flow(velocity, points, 1.0, 8)
    jacobian = torch.stack(torch.gradient(source, dim=(1, 2, 3)), dim=1).movedim((0, 1), (-2, -1))
    determinant = torch.linalg.det(jacobian)
    assert float(determinant.min()) > 0.05
    assert float(determinant.max()) < 8
    back = flow(-velocity, source, 1.0, 8)
    assert float((back - points).abs().max()) < 0.1


def test_dithering_moves_a_border_by_the_fraction_that_it_was_displaced_and_not_at_all_without():
    box, shape = ((5, 45), (3, 43), (0, 40)), (60, 60, 60)
    own = torch.stack(torch.meshgrid(*(torch.arange(a, b) for a, b in box), indexing="ij"))
    assert torch.equal(dithered(torch.zeros(3, 40, 40, 40), box, shape), own)
    moved = dithered(torch.full((3, 40, 40, 40), 0.3), box, shape) - own
    assert set(moved.unique().tolist()) == {0, 1}
    for axis in range(3):
        assert float(moved[axis].float().mean()) == pytest.approx(0.3, abs=0.03)


def test_any_box_has_the_same_wave():
    displacement = 4 * torch.rand((3, 40, 40, 40), generator=derive(1)) - 2
    large = dithered(displacement, ((5, 45), (3, 43), (0, 40)), (60, 60, 60))
    small = dithered(displacement[:, 7:31, 2:39, 11:40], ((12, 36), (5, 42), (11, 40)), (60, 60, 60))
    assert torch.equal(small, large[:, 7:31, 2:39, 11:40])


def test_an_old_head_has_large_ventricles_and_white_matter_changes(big_head):
    box = whole(big_head.grid.shape)
    tissue = old(big_head, 80.0)
    assert tissue.pathology.age == 80
    assert tissue.pathology.describe().startswith("80 years, ventricles × ")
    fluid = (tissue.classes(box) == 3).sum() / (big_head.classes(box) == 3).sum()
    assert 1.05 < float(fluid) < 1.6
    assert int((tissue.lesion(box) == 4).sum()) * 0.008 > 1
    assert not old(big_head, 25.0).lesion(box).any()
    maps = tissue.block(box)
    assert all(bool(torch.isfinite(m).all()) for m in maps.present().values())


def test_a_block_of_an_old_head_is_a_part_of_the_whole(big_head):
    box = whole(big_head.grid.shape)
    tissue = old(big_head, 75.0)
    block, full = tissue.block(BOX), tissue.block(box)
    same = block.r1[0, 0] == full.r1[0, 0][box_slices(BOX)]
    assert float(same.float().mean()) > 0.98  # the flow is interpolated from points that the box places
    assert torch.equal(old(big_head, 75.0).block(BOX).r1, block.r1)


def test_growth_accelerates_with_age():
    ages = (30, 45, 60, 75, 90)
    for law in (ventricular_growth, sulcal_growth):
        values = [law(a) for a in ages]
        assert values[0] == 1.0
        rates = np.diff(np.log(values))
        assert (np.diff(rates) >= -1e-12).all()
        assert rates[-1] > 1.5 * rates[0]
    assert 2.0 < ventricular_growth(80) < 3.5
    assert burden_at(62) == pytest.approx(4.9)
    assert burden_at(30) < 0.6 < 10 < burden_at(80) < 30
