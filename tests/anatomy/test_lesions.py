import numpy as np
import pytest
import torch

from qontrast.anatomy.lesion_levels import highest
from qontrast.anatomy.lesion_masks import masks_in
from qontrast.anatomy.lesion_shapes import traced
from qontrast.anatomy.lesions import CHANGES, CODES, KINDS, draw_change
from qontrast.anatomy.pathology import PathologyRanges
from qontrast.basics.errors import InputError, PlanError
from qontrast.basics.grid import Grid
from qontrast.basics.randomness import derive
from qontrast.geometry.sample import box_slices, whole
from qontrast.scans.nifti import write_image

BOX = ((20, 61), (15, 70), (18, 50))


def sick(head, kind, seed=1, **more):
    return head.draw(derive(seed, "x"), PathologyRanges(lesions=1, kinds=(kind,), ageing=0, **more))


def healthy(head, seed=1):
    return head.draw(derive(seed, "x"))


def everywhere(head):
    return whole(head.grid.shape)


@pytest.fixture
def folder(tmp_path):
    """One mask of 20 x 24 x 18 mm in MNI space, drawn on slices of 6 mm, right of the middle."""
    mask = np.zeros((20, 24, 18), np.uint8)
    for start, inset in ((0, 5), (6, 1), (12, 4)):
        mask[inset : 20 - inset, inset : 24 - inset, start : start + 6] = 1
    affine = np.eye(4)
    affine[:3, 3] = (14, -16, 14)
    write_image(tmp_path / "lesion-1_mask.nii.gz", mask, Grid(mask.shape, affine))
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_lesions_change_tissue_where_they_are_and_nowhere_else(big_head, kind):
    box = everywhere(big_head)
    tissue, before = sick(big_head, kind), healthy(big_head).block(everywhere(big_head))
    codes, after = tissue.lesion(box), tissue.block(box)
    assert set(codes.unique().tolist()) == {0, CODES[kind]}
    assert 20 < int((codes > 0).sum()) < 0.3 * int((big_head.labels(box) > 0).sum())
    inside = codes > 0
    assert bool((after.r1[0, 0][inside] < before.r1[0, 0][inside]).all())
    assert bool((after.r2[0, 0][inside] < before.r2[0, 0][inside]).all())
    assert bool((after.pd[0, 0][inside] > before.pd[0, 0][inside]).all())
    assert float(after.mt[0, 0][inside].mean()) < 0.97 * float(before.mt[0, 0][inside].mean())
    changed = after.r2[0, 0] != before.r2[0, 0]
    # A soft border reaches a little beyond the mask, but most of the head is as it was.
    assert int(changed.sum()) < 20 * int(inside.sum())
    host = torch.isin(big_head.labels(box), torch.tensor([2, 41, 3, 42, 10, 49]))
    assert bool(host[changed].all())
    assert bool(host[inside].all())


@pytest.mark.parametrize("kind", ["acute-stroke", "ms"])
def test_times_inside_lesions_lie_in_the_published_ranges(big_head, kind):
    for seed in range(4):
        box = everywhere(big_head)
        tissue = sick(big_head, kind, seed)
        after, before = tissue.block(box), healthy(big_head, seed).block(box)
        inside = tissue.lesion(box) > 0
        t2 = (before.r2 / after.r2)[0, 0][inside]
        t1 = (before.r1 / after.r1)[0, 0][inside]
        assert float(t2.max()) <= CHANGES[kind]["t2"][1] + 1e-3
        assert float(t2.quantile(0.95)) > 1.1
        assert 1.0 < float(t1.mean()) < CHANGES[kind]["t1"][1]


def test_a_chronic_infarct_is_a_cavity_of_fluid_with_a_rim_of_long_t2(big_head):
    box = everywhere(big_head)
    found = 0
    for seed in range(6):
        tissue = sick(big_head, "chronic-stroke", seed)
        maps, codes = tissue.block(box), tissue.lesion(box)
        hole = (codes > 0) & (maps.r1[0, 0] < 0.325)
        rim = (codes > 0) & ~hole
        if int(hole.sum()) < 30:
            continue
        found += 1
        assert float(maps.pd[0, 0][hole].mean()) > 0.95
        assert float(maps.mt[0, 0][hole].mean()) < 0.002
        assert bool((tissue.classes(box)[hole] == 3).all())
        assert bool((big_head.classes(box)[hole] != 3).all())
        t2 = 1 / maps.r2[0, 0]
        before = 1 / healthy(big_head, seed).block(box).r2[0, 0]
        assert float((t2 / before)[rim].quantile(0.9)) > 1.4
        assert float(t2[rim].max()) < 0.4 < float(t2[hole].min())
    assert found >= 2


def test_severity_is_gradual_and_bounded(big_head):
    box = everywhere(big_head)
    ratio = healthy(big_head).block(box).r2[0, 0] / sick(big_head, "acute-stroke").block(box).r2[0, 0]
    deep = ratio.max()
    partial = (ratio > 1.03) & (ratio < 1 + 0.8 * (deep - 1))
    assert int(partial.sum()) > 0.05 * int((ratio > 1.03).sum())
    assert float(ratio.min()) > 0.999


@pytest.mark.parametrize("kind", KINDS)
def test_one_seed_is_one_lesion_and_a_block_is_a_part_of_the_whole(big_head, kind):
    one, again, other = sick(big_head, kind), sick(big_head, kind), sick(big_head, kind, seed=2)
    box = everywhere(big_head)
    assert torch.equal(one.lesion(box), again.lesion(box))
    assert not torch.equal(one.lesion(box), other.lesion(box))
    torch.testing.assert_close(one.block(BOX).r1, one.block(box).r1[:, :, *box_slices(BOX)], rtol=1e-4, atol=1e-5)
    assert torch.equal(one.lesion(BOX), one.lesion(box)[box_slices(BOX)])


def test_all_else_at_one_seed_is_the_same_whatever_the_lesion(big_head):
    generators = [derive(3, "x") for _ in range(3)]
    ranges = [PathologyRanges(1.0, ("ms",), 0.0), PathologyRanges(1.0, ("svd",), 1.0), PathologyRanges(0.5)]
    tissues = [big_head.draw(g, r) for g, r in zip(generators, ranges, strict=True)]
    assert torch.equal(tissues[0].texture, tissues[1].texture)
    following = [float(torch.rand((), generator=g)) for g in generators]
    assert following[0] == following[1] == following[2]


def test_masks_from_a_folder_land_on_their_side_with_their_volume(big_head, folder):
    volumes, sides = [], []
    for seed in range(6):
        tissue = sick(big_head, "acute-stroke", seed, folder=str(folder))
        codes = tissue.lesion(everywhere(big_head))
        where = np.argwhere(codes.numpy() > 0)
        volumes.append(len(where) * 0.008)
        sides.append(np.sign((big_head.grid.affine[:3, :3] @ where.mean(0) + big_head.grid.affine[:3, 3])[0]))
    assert set(sides) == {-1.0, 1.0}  # mirrored or not
    mask = 6 * (10 * 14 + 18 * 22 + 12 * 16) / 1000
    scale = abs(np.linalg.det(big_head.compartments.to_mni[:3, :3]))
    assert 0.4 * mask / scale < max(volumes) < 1.3 * mask / scale


def test_blocky_masks_are_smoothed_across_slices_and_keep_their_volume(folder):
    level = traced(folder / "lesion-1_mask.nii.gz", np.linalg.inv(shifted()), (60, 60, 60), mirror=False, smoothing=1.0)
    box, read, _ = highest((level,), 0.9, whole((60, 60, 60)))
    inside = read > 0.5
    mask = 6 * (10 * 14 + 18 * 22 + 12 * 16)
    assert int(inside.sum()) == pytest.approx(mask, rel=0.06)
    area = inside.sum(dim=(0, 1))
    area = area[area > 0]
    assert float((area[1:] - area[:-1]).abs().max()) < 120  # the steps of the drawing are 204 and 256
    assert box[2][1] - box[2][0] > 18


def shifted():
    affine = np.eye(4)
    affine[:3, 3] = (-6, -36, -6)
    return affine


def test_changes_stay_in_their_ranges_and_move_together():
    drawn = [draw_change("ms", derive(i, "c")) for i in range(200)]
    for name, key in (("r1", "t1"), ("r2", "t2")):
        low, high = CHANGES["ms"][key]
        times = np.array([1 / d[name] for d in drawn])
        assert times.min() >= low - 1e-9
        assert times.max() <= high + 1e-9
        assert times.std() > 0.15 * (high - low)
    r1, mt = np.array([d["r1"] for d in drawn]), np.array([d["mt"] for d in drawn])
    assert np.corrcoef(r1, mt)[0, 1] > 0.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lesions": 1.5}, r"pathology.lesions: found 1.5; wanted a probability"),
        ({"ageing": -0.1}, r"pathology.ageing: found -0.1"),
        ({"kinds": ("acute",)}, r"pathology.kinds: found 'acute'; .* Did you mean 'acute-stroke'\?"),
        ({"kinds": ()}, r"found none; wanted at least one kind"),
        ({"ages": (80.0, 20.0)}, r"pathology.ages: found 80 to 20 years"),
        ({"ages": (2.0, 20.0)}, r"ages from 18 to 100"),
    ],
)
def test_ranges_that_mean_nothing_are_refused(changes, message):
    with pytest.raises(PlanError, match=message):
        PathologyRanges(**changes)


def test_masks_for_learning_and_for_testing_are_of_other_people(tmp_path):
    names = [f"sub-{p:03}_ses-{s}_mask.nii.gz" for p in range(60) for s in (1, 2)] + [f"x{i}.nii" for i in range(40)]
    parts = {}
    for few in (50, len(names)):
        folder = tmp_path / f"{few}"
        folder.mkdir()
        for name in names[:few]:
            (folder / name).touch()
        parts[few] = [{path.name for path in masks_in(str(folder), part)} for part in ("learning", "testing")]
        assert parts[few][0] | parts[few][1] == {path.name for path in masks_in(str(folder))} == set(names[:few])
    learning, testing = parts[len(names)]
    assert {name[:7] for name in learning if name[0] == "s"}.isdisjoint(name[:7] for name in testing)
    assert 0.1 < len(testing) / len(names) < 0.3
    assert parts[50][1] <= testing  # more masks move none from one part to the other
    assert parts[50][0] <= learning


def test_a_part_without_masks_is_refused(tmp_path):
    (tmp_path / "sub-1_mask.nii").touch()
    with pytest.raises(
        InputError, match=r"1 lesion masks, none of them for \w+ing; wanted those of every fifth person"
    ):
        [masks_in(str(tmp_path), part) for part in ("learning", "testing")]


def test_a_folder_without_masks_and_an_empty_mask_are_refused(big_head, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        sick(big_head, "acute-stroke", folder=str(tmp_path / "none"))
    write_image(tmp_path / "a_mask.nii.gz", np.zeros((5, 5, 5), np.uint8), Grid((5, 5, 5), np.eye(4)))
    with pytest.raises(InputError, match=r"a_mask.nii.gz: found an empty mask; wanted a lesion"):
        sick(big_head, "chronic-stroke", folder=str(tmp_path))


def test_a_head_without_a_brain_stays_as_it_is():
    from qontrast.anatomy.label_table import BUILT_IN
    from qontrast.anatomy.labelled import LabelSubject

    fluid = np.full((12, 12, 12), 24)
    head = LabelSubject("x", fluid.astype(np.int32), Grid((12, 12, 12), np.eye(4)), BUILT_IN, "x")
    for kind in KINDS:
        assert not head.draw(derive(1, "x"), PathologyRanges(1.0, (kind,), 1.0)).lesion(whole((12, 12, 12))).any()
