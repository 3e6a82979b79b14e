"""Training crops with their truth, simulated from label maps or cut out of real scans."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from qontrast.anatomy.classes import class_names, in_words_of
from qontrast.anatomy.labelled_scans import LabelledScan
from qontrast.anatomy.priors import TISSUE_CLASSES
from qontrast.basics.grid import Grid
from qontrast.geometry.sample import whole
from qontrast.geometry.warp import WarpRanges, still
from qontrast.views.labelled import CropMaker, ScannedCase, SimulatedCase, classes_at
from qontrast.views.loader import Examples, batches
from qontrast.views.plan import ArtefactRanges
from qontrast.views.render import Place
from qontrast.views.whole_scan import whole_head

UNMOVED = WarpRanges(rotation=0.0, scale=(1.0, 1.0), shear=0.0, elastic=0.0, flip=0.0)
UNSPOILT = ArtefactRanges(strength=0.0, bias=0.0)
NAMES = ("background", "lesion")


@pytest.fixture
def scan():
    """A real scan whose brightness tells its truth: 40 in the lesion, 10 elsewhere; axes of three lengths."""
    classes = np.zeros((30, 36, 28), np.int64)
    classes[9:21, 11:25, 8:20] = 1
    classes[15:21, 18:25, 8:14] = 0  # lopsided along each axis
    image = np.where(classes == 1, 40.0, 10.0).astype(np.float32)
    grid = Grid(classes.shape, np.diag([2.0, 2.0, 2.0, 1.0]))
    return LabelledScan("sub-01_FLAIR", "sub-01", "FLAIR", image, classes, NAMES, grid, Path("sub-01_FLAIR.nii.gz"))


@pytest.fixture(params=["preset", "drawn", "scanned"])
def case(request, head, scan):
    if request.param == "scanned":
        return ScannedCase(scan)
    return SimulatedCase(head, ("mprage", "flair"), drawn=request.param == "drawn")


def test_a_crop_is_an_image_and_its_classes(case, plan):
    for crop, spacing in ((16, 3.0), (32, 2.0), (16, 1.0), (16, 6.0)):
        image, classes, *_ = case.crop(plan(crop=crop, spacing=spacing), 0, 0, 0)
        assert image.shape == (1, 1, crop, crop, crop)
        assert classes.shape == (crop, crop, crop)
        assert image.dtype == torch.float32
        assert classes.dtype == torch.int64
        assert torch.isfinite(image).all()
        assert float(image.std(correction=0)) == pytest.approx(1, abs=1e-3)
        assert set(classes.unique().tolist()) <= set(range(len(case.classes)))


def test_structures_of_a_crop_add_up_to_its_tissues(head, plan):
    views = plan(crop=32, spacing=2.0)
    cases = {scheme: SimulatedCase(head, ("mprage",), scheme=scheme) for scheme in ("tissues", "structures")}
    (image, tissues, *_), (same, structures, *_) = (cases[s].crop(views, 0, 0, 0) for s in ("tissues", "structures"))
    assert torch.equal(image, same)
    names = in_words_of(class_names("structures"), class_names("tissues"))
    added = torch.tensor([class_names("tissues").index(name) for name in names])[structures]
    assert (added == tissues).float().mean() > 0.99  # a voxel's majority may be one of parts or of wholes
    assert cases["structures"].classes[4] == "deep grey matter"
    assert {1, 2, 4} <= cases["structures"].present()


def test_nothing_but_the_brain_is_left_of_stripped_heads(head, plan):
    case = SimulatedCase(head, ("mprage",))
    left = []
    for slot in range(12):
        image, truth, *_ = case.crop(plan(crop=32, spacing=2.0, stripped=1.0, artefacts=UNSPOILT), 0, 0, slot)
        nothing = image == image[0, 0, 0, 0, 0]  # a corner is air
        assert not nothing[0, 0][(truth == 1) | (truth == 2)].any()
        around = nothing[0, 0][truth == 0].float().mean()
        assert around > 0.7
        left.append(float(around))
    assert max(left) == 1.0  # a mask that ends where the brain does
    assert min(left) < 0.97  # and a generous one
    whole_head, *_ = case.crop(plan(crop=32, spacing=2.0, artefacts=UNSPOILT), 0, 0, 0)
    assert (whole_head == whole_head[0, 0, 0, 0, 0]).float().mean() < 0.7


def test_the_same_seed_step_and_slot_give_the_same_bits_and_others_do_not(case, plan):
    image, classes, *_ = case.crop(plan(), 1, 2, 3)
    again = case.crop(plan(), 1, 2, 3)
    assert torch.equal(again[0], image)
    assert torch.equal(again[1], classes)
    for other in ((0, 2, 3), (1, 0, 3), (1, 2, 0)):
        assert not torch.equal(case.crop(plan(), *other)[0], image)


def test_crops_show_every_class(case, plan):
    seen = {c for step in range(8) for c in case.crop(plan(crop=32, spacing=2.0), 0, step, 0)[1].unique().tolist()}
    assert seen == set(range(len(case.classes)))


def test_a_simulated_case_says_what_it_is(head):
    case = SimulatedCase(head, ("mprage",))
    assert (case.name, case.subject) == ("sub-01", "sub-01")
    assert case.classes == tuple(TISSUE_CLASSES)


def test_white_matter_is_brightest_and_fluid_darkest_in_a_simulated_mprage(head, plan):
    for step in range(4):
        crop = plan(crop=32, spacing=2.0, artefacts=UNSPOILT)
        image, classes, *_ = SimulatedCase(head, ("mprage",)).crop(crop, 0, step, 0)
        grey, white, fluid = (float(image[0, 0][classes == c].median()) for c in (1, 2, 3))
        assert white > grey > fluid


def test_drawn_protocols_and_people_differ_from_crop_to_crop(head, plan):
    def contrasts(drawn):
        crop = plan(crop=32, spacing=2.0, artefacts=UNSPOILT, geometry=UNMOVED)
        found = []
        for step in range(5):
            image, classes, *_ = SimulatedCase(head, ("flair",), drawn=drawn).crop(crop, 0, step, 0)
            grey, white = (image[0, 0][classes == c].mean() for c in (1, 2))
            found.append(float(grey / white))
        return np.std(found)

    assert contrasts(True) > 3 * contrasts(False)


def test_unmoved_classes_are_the_label_map_itself(head):
    warp, grid = whole_head(head.grid, 2.0)
    assert grid.shape == head.grid.shape
    assert torch.equal(classes_at(head.draw(None), Place(head.grid, warp)), head.classes(whole(head.grid.shape)))


def test_larger_voxels_take_the_class_that_fills_most_of_them(head):
    truth = head.classes(whole(head.grid.shape))
    warp, grid = whole_head(head.grid, 4.0)
    assert grid.shape == (20, 20, 20)
    blocks = torch.nn.functional.one_hot(truth, 4).reshape(20, 2, 20, 2, 20, 2, 4).sum(dim=(1, 3, 5))
    found = classes_at(head.draw(None), Place(head.grid, warp))
    assert torch.equal(blocks.gather(3, found[..., None])[..., 0], blocks.amax(dim=3))


def test_outside_the_head_map_is_background(head):
    far = still(torch.tensor([500.0, 0.0, 0.0]), (16, 16, 16), 2.0, head.grid.spacing)
    assert not classes_at(head.draw(None), Place(head.grid, far)).any()


@pytest.mark.parametrize("geometry", [WarpRanges(), UNMOVED])
def test_the_truth_of_a_real_scan_moves_with_it(scan, plan, geometry):
    case = ScannedCase(scan)
    shares = []
    for step in range(10):
        crop = plan(crop=32, spacing=2.0, geometry=geometry, artefacts=UNSPOILT)
        image, classes, *_ = case.crop(crop, 0, step, 0)
        level = (float(image[0, 0][classes == 1].median()) + float(image[0, 0][classes == 0].median())) / 2
        bright, lesion = image[0, 0] > level, classes == 1
        shares.append(2 * float((bright & lesion).sum()) / float(bright.sum() + lesion.sum()))
    assert min(shares) > 0.85  # linear against nearest interpolation, half a voxel apart


def test_a_small_lesion_does_not_always_lie_in_the_centre(scan, plan):
    small = np.zeros_like(scan.classes)
    small[14:16, 17:19, 13:15] = 1
    case = ScannedCase(replace(scan, classes=small))
    crops = [case.crop(plan(crop=32, spacing=1.0, geometry=UNMOVED), 0, step, 0)[1] for step in range(12)]
    centres = torch.stack([torch.nonzero(c).float().mean(dim=0) for c in crops if c.any()])
    assert len(centres) >= 6
    assert bool((centres.std(dim=0) > 3).all())


def test_a_real_scan_keeps_its_names_and_its_voxels(scan, plan):
    case = ScannedCase(scan)
    assert (case.name, case.subject, case.classes) == ("sub-01_FLAIR", "sub-01", NAMES)
    before = scan.image.copy(), scan.classes.copy()
    case.crop(plan(), 0, 0, 0)
    assert np.array_equal(scan.image, before[0])
    assert np.array_equal(scan.classes, before[1])


def test_a_real_scan_without_any_lesion_is_cropped_all_the_same(scan, plan):
    scan.classes[:] = 0
    image, classes, *_ = ScannedCase(scan).crop(plan(), 0, 0, 0)
    assert torch.isfinite(image).all()
    assert not classes.any()


def test_a_loader_gets_images_and_classes_with_one_channel(heads, scan, plan):
    cases = [SimulatedCase(heads[0], ("mprage",)), ScannedCase(scan)]
    examples = Examples(CropMaker(cases, plan(), 0), 2, 2, 0)
    for batch in batches(examples, 0, 2, 0):
        assert batch["image"].shape == batch["truth"].shape == (2, 1, 16, 16, 16)
        assert batch["truth"].dtype == torch.int64
