"""Label maps with lesions: crops about them or anywhere, soft truths, and one patient in all contrasts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from qontrast.anatomy.labelled_scans import LabelledScan
from qontrast.anatomy.lesions import CODES
from qontrast.anatomy.pathology import PathologyRanges
from qontrast.basics.grid import Grid
from qontrast.geometry.sample import whole
from qontrast.physics.presets import PRESETS
from qontrast.views.labelled import CropMaker, ScannedCase, SimulatedCase
from qontrast.views.lesioned import LesionedCase, lesion_box, marked, simulate_patient
from qontrast.views.plan import ArtefactRanges

STROKES = PathologyRanges(lesions=1.0, kinds=("chronic-stroke",), ageing=0.0)
HEALTH = PathologyRanges(lesions=0.0, ageing=0.0)


def share_with(case, plan, steps=10):
    return sum(bool(case.crop(plan, 0, step, 0)[1].any()) for step in range(steps)) / steps


def test_a_crop_has_an_image_and_where_the_lesion_is(head, plan):
    case = LesionedCase(head, ("flair", "fse"))
    image, truth, *_ = case.crop(plan(crop=32, spacing=2.0, pathology=STROKES), 0, 0, 0)
    assert image.shape == (1, 1, 32, 32, 32)
    assert truth.shape == (32, 32, 32)
    assert (case.classes, case.present()) == (("background", "lesion"), {0, 1})
    assert set(truth.unique().tolist()) <= {0, 1}


def test_crops_about_lesions_show_them_and_others_do_so_less(head, plan):
    small = plan(crop=16, spacing=2.0, pathology=STROKES)
    about, anywhere = (share_with(LesionedCase(head, ("fse",), centred=c), small) for c in (1.0, 0.0))
    assert about > 0.9
    assert anywhere < about - 0.25


def test_heads_without_a_lesion_are_crops_like_any_other(head, plan):
    case = LesionedCase(head, ("fse",), centred=1.0)
    image, truth, *_ = case.crop(plan(pathology=HEALTH), 0, 0, 0)
    assert not truth.any()
    assert torch.isfinite(image).all()
    assert float(image.std()) > 0.5


def test_only_the_kinds_of_the_plan_are_truth(head):
    both = PathologyRanges(lesions=1.0, kinds=("ms",), ageing=1.0, ages=(30.0, 30.0))
    tissue = head.draw(torch.Generator().manual_seed(0), both)
    everything = tissue.lesion(whole(head.grid.shape))
    assert everything.any()
    box = lesion_box(tissue, ("ms",))
    assert int(marked(tissue, box, ("ms",)).sum()) == int((everything == CODES["ms"]).sum())
    assert lesion_box(tissue, ("acute-stroke",)) is None


def test_one_patient_has_one_lesion_in_every_contrast_and_at_every_snr(head):
    scans = [
        simulate_patient(head, PRESETS[contrast], 2.0, snr, 5, STROKES)
        for contrast, snr in (("fse", 30.0), ("flair", 30.0), ("fse", 5.0))
    ]
    assert scans[0].classes.any()
    assert all(torch.equal(s.classes, scans[0].classes) for s in scans)
    assert not torch.equal(simulate_patient(head, PRESETS["fse"], 2.0, 30.0, 6, STROKES).classes, scans[0].classes)
    # A chronic stroke is full of water: in a T2-weighted scan it is brighter than what surrounds it.
    image, lesion = scans[0].image[0, 0], scans[0].classes == 1
    brain = (image > 0.2 * image.max()) & ~lesion
    assert float(image[lesion].mean()) > float(image[brain].mean())


@pytest.fixture
def soft_scan():
    """Shares of two classes that rise along the first axis, 2 mm."""
    ramp = np.broadcast_to(np.linspace(0, 1, 30, dtype=np.float32)[:, None, None], (30, 28, 26))
    shares = np.stack([0.75 * ramp, 0.25 * ramp])
    classes = np.concatenate((1 - shares.sum(axis=0, keepdims=True), shares)).argmax(axis=0).astype(np.int16)
    grid = Grid(classes.shape, np.diag([2.0, 2.0, 2.0, 1.0]))
    names = ("background", "grey matter", "white matter")
    return LabelledScan(
        "sub-01_T1w", "sub-01", "T1w", ramp, classes, names, grid, Path("x.nii"), shares.astype(np.float16)
    )


def test_a_soft_truth_stays_soft_moves_with_the_image_and_sums_to_one(soft_scan, plan):
    case = ScannedCase(soft_scan)
    assert case.soft
    for step in range(4):
        image, truth, *_ = case.crop(plan(crop=32, spacing=1.0, artefacts=ArtefactRanges(bias=0.0)), 0, step, 0)
        assert truth.shape == (3, 32, 32, 32)
        assert torch.allclose(truth.sum(dim=0), torch.ones(32, 32, 32), atol=1e-4)
        assert torch.allclose(truth[1], 3 * truth[2], atol=2e-3)
        inside = truth[1] > 0.05
        both = torch.stack((image[0, 0][inside], truth[1][inside]))
        assert float(torch.corrcoef(both)[0, 1]) > 0.95


def test_hard_truths_beside_soft_ones_become_shares(soft_scan, head, plan):
    hard = ScannedCase(replace(soft_scan, shares=None))
    made = CropMaker([ScannedCase(soft_scan), hard], plan(), 0)
    soft_example, hard_example = made(0, 0, 0), made(1, 0, 0)
    assert soft_example["truth"].shape == hard_example["truth"].shape == (3, 16, 16, 16)
    assert set(hard_example["truth"].unique().tolist()) <= {0.0, 1.0}
    assert CropMaker([hard], plan(), 0)(0, 0, 0)["truth"].shape == (1, 16, 16, 16)
    assert SimulatedCase(head, ("mprage",)).present() == {0, 1, 2, 3}
