"""A head out of a cache is the head that was put in: labels to the bit, maps and scans to half precision."""

import json

import numpy as np
import pytest
import torch

from qontrast.anatomy.cohort import find_subjects
from qontrast.anatomy.observed import ObservedHead, read_scans
from qontrast.anatomy.pathology import PathologyRanges
from qontrast.anatomy.prepared import HEAD, open_head, write_head
from qontrast.basics.errors import InputError
from qontrast.basics.grid import Grid
from qontrast.basics.randomness import derive
from qontrast.geometry.sample import whole
from qontrast.scans.names import find_images
from qontrast.scans.nifti import write_image

SICK = PathologyRanges(lesions=1.0, ageing=1.0)


def stored(head, folder):
    folder.mkdir()
    write_head(head, folder, {"site": "here"})
    return open_head(folder)


@pytest.fixture
def labelled(new_labels_folder):
    return find_subjects(str(new_labels_folder()))[0].open()


@pytest.fixture
def measured(maps_folder):
    return find_subjects(str(maps_folder()))[0].open()


@pytest.fixture
def scans_folder(tmp_path):
    """A T1w of 2 mm and a FLAIR of 3 mm slices, moved against each other, of one bright ball in the world."""
    anat = tmp_path / "bids" / "sub-01" / "anat"
    for suffix, shape, spacing, start in (
        ("T1w", (40, 40, 40), (2.0, 2.0, 2.0), (-40, -40, -40)),
        ("FLAIR", (50, 42, 24), (1.8, 2.0, 3.5), (-44, -41, -42)),
    ):
        affine = np.diag([*spacing, 1.0])
        affine[:3, 3] = start
        world = [np.arange(n) * s + o for n, s, o in zip(shape, spacing, start, strict=True)]
        x, y, z = np.meshgrid(*world, indexing="ij")
        ball = np.exp(-0.5 * ((x - 6) ** 2 + (y + 4) ** 2 + (z - 2) ** 2) / 8**2)
        head = (x**2 + y**2 + z**2 < 32**2).astype(np.float32)
        write_image(
            anat / f"sub-01_{suffix}.nii.gz", (500 * head + 1500 * ball).astype(np.float32), Grid(shape, affine)
        )
    return tmp_path / "bids"


def test_labels_tissue_lesions_and_ageing_are_bit_equal(labelled, tmp_path):
    again = stored(labelled, tmp_path / "head")
    box = ((3, 33), (5, 38), (2, 30))
    assert torch.equal(again.labels(box), labelled.labels(box))
    assert torch.equal(again.classes(box), labelled.classes(box))
    assert again.region == labelled.region
    for seed in range(4):
        one, other = (h.draw(derive(seed, "person"), SICK) for h in (labelled, again))
        for name, values in one.block(box, 1.5, with_b0=True).present().items():
            assert torch.equal(values, other.block(box, 1.5, with_b0=True).present()[name]), name
        assert torch.equal(one.lesion(box), other.lesion(box))
        assert one.describe() == other.describe()


def test_maps_keep_three_digits(measured, tmp_path):
    again = stored(measured, tmp_path / "head")
    assert (again.maps, again.sequences) == (measured.maps, measured.sequences)
    assert (again.region, again.notes) == (measured.region, measured.notes)
    box = whole(measured.grid.shape)
    one, other = (h.draw(None).block(box, 7.0) for h in (measured, again))
    for name, values in one.present().items():
        torch.testing.assert_close(other.present()[name], values, rtol=3e-3, atol=1e-4)


def test_statistics_are_those_of_the_brain(measured, tmp_path):
    stored(measured, tmp_path / "head")
    facts = json.loads((tmp_path / "head" / HEAD).read_text())
    r1 = measured.tissue.r1[0, 0].numpy()[measured.brain]
    told = facts["maps"]["r1"]
    assert told["voxels"] == len(r1)
    assert told["mean"] == pytest.approx(r1.mean(), rel=1e-4)
    assert told["percentiles"]["50"] == pytest.approx(np.median(r1), rel=1e-4)
    assert told["percentiles"]["99.5"] == pytest.approx(np.percentile(r1, 99.5), rel=1e-4)
    assert facts["site"] == "here"


def test_the_same_head_gives_the_same_bytes(labelled, tmp_path):
    for name in ("one", "other"):
        stored(labelled, tmp_path / name)
    files = sorted(p.name for p in (tmp_path / "one").iterdir())
    assert files == sorted(p.name for p in (tmp_path / "other").iterdir())
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes(), name


def test_scans_of_other_grids_keep_their_own(scans_folder, tmp_path):
    head = read_scans(find_images(scans_folder))
    again = stored(head, tmp_path / "head")
    assert isinstance(again, ObservedHead)
    assert list(again.scans) == ["FLAIR", "T1w"]
    for name, scan in head.scans.items():
        other = again.scans[name]
        assert other.grid.matches(scan.grid)
        assert other.to_head == pytest.approx(scan.to_head)
        box = whole(scan.grid.shape)
        torch.testing.assert_close(other.block(box), scan.block(box), rtol=1e-3, atol=1e-4)
        assert float(scan.block(box).max()) * scan.scale == pytest.approx(2000, rel=0.03)
    assert head.grid.spacing == pytest.approx((1.8, 2.0, 3.5) if head.grid.shape[0] == 50 else (2.0, 2.0, 2.0))


@pytest.mark.parametrize("damage", ["missing", "cut short", "no head.json", "broken head.json", "another format"])
def test_a_damaged_head_names_its_file(measured, tmp_path, damage):
    folder = tmp_path / "head"
    stored(measured, folder)
    file = folder / ("r1.b2nd" if damage in ("missing", "cut short") else HEAD)
    if damage in ("missing", "no head.json"):
        file.unlink()
    elif damage == "another format":
        file.write_text(file.read_text().replace('"format": 1', '"format": 99'))
    else:
        file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(InputError, match=r"[pP]repare") as error:
        open_head(folder)
    assert str(file) in str(error.value).lower() or file.name in str(error.value)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ("one", "two or more co-registered"),
        ("far", "field of view"),
        ("black", "no signal"),
        ("twice", "two scans called T1w"),
    ],
)
def test_scans_that_make_no_pair_are_refused(scans_folder, change, match):
    flair = scans_folder / "sub-01" / "anat" / "sub-01_FLAIR.nii.gz"
    t1w = scans_folder / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    far = np.diag([2.0, 2.0, 2.0, 1.0])
    far[:3, 3] = 900
    if change == "one":
        flair.unlink()
    elif change == "far":
        write_image(flair, np.ones((30, 30, 30), np.float32), Grid((30, 30, 30), far))
    elif change == "black":
        write_image(flair, np.zeros((40, 40, 40), np.float32), Grid((40, 40, 40), np.diag([2.0, 2.0, 2.0, 1.0]) * 1.0))
    else:
        (scans_folder / "other").mkdir()
        (scans_folder / "other" / "sub-01_T1w.nii.gz").write_bytes(t1w.read_bytes())
    with pytest.raises(InputError, match=match):
        read_scans(find_images(scans_folder))
