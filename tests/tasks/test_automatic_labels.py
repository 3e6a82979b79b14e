"""Labels that a programme makes: marked, made once, on the scan's own grid; and ANTs itself where it is installed."""

import json
import sys

import nibabel as nib
import numpy as np
import pytest

from qontrast.anatomy.labelled_scans import find_labelled_scans
from qontrast.anatomy.mni_heads import mni_maps
from qontrast.basics.errors import InputError
from qontrast.scans.nifti import Image, read_image
from qontrast.tasks import automatic_labels as module
from qontrast.tasks.automatic_labels import METHOD, label_scans, tissue_shares
from qontrast.tasks.plans import Cohort

LEFT = np.array([[-2.0, 0, 0, 30], [0, 2.0, 0, -20], [0, 0, 2.0, -10], [0, 0, 0, 1.0]])


class Ants:
    """Stands for the package, which need not be there."""

    __version__ = "0"


@pytest.fixture
def scans(tmp_path):
    """Two sessions' scans whose first axis runs to the left; their brightness rises along it."""
    data = np.broadcast_to(np.arange(12, dtype=np.float32)[:, None, None] + 1, (12, 11, 10))
    for name in ("sub-01_ses-1_T2w", "sub-01_ses-1_T1w", "sub-02_FLAIR"):
        subject = name.split("_")[0]
        (tmp_path / subject / "anat").mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(data, LEFT), tmp_path / subject / "anat" / f"{name}.nii.gz")
    return tmp_path


@pytest.fixture
def calls(monkeypatch):
    """Instead of ANTs: fluid is what is bright."""
    made = []

    def shares(scan: Image):
        made.append(scan.path.name)
        csf = scan.data / 12
        return {"GM": 0.75 * (1 - csf), "WM": 0.25 * (1 - csf), "CSF": csf}

    monkeypatch.setattr(module, "tissue_shares", shares)
    monkeypatch.setattr(module, "_ants", lambda: Ants)
    return made


def test_each_session_is_labelled_once_and_the_scan_finds_its_truth(scans, calls):
    made = label_scans(Cohort(data=str(scans)), quiet=True)
    assert calls == ["sub-01_ses-1_T1w.nii.gz", "sub-02_FLAIR.nii.gz"]
    assert len(made) == 6
    about = json.loads((made[0].parent / made[0].name.replace(".nii.gz", ".json")).read_text())
    assert (about["Automatic"], about["Method"], about["Sources"]) == (True, METHOD, ["sub-01_ses-1_T1w.nii.gz"])
    found = find_labelled_scans(scans)
    assert all(source.automatic for source in found)
    assert {source.name for source in found} == {"sub-01_ses-1_T1w", "sub-01_ses-1_T2w", "sub-02_FLAIR"}
    opened = found[0].open()
    assert np.allclose(opened.shares[2], opened.image / 12, atol=1e-3)  # voxel for voxel, whatever the axes
    assert np.allclose(nib.load(made[2]).affine, LEFT)
    assert label_scans(Cohort(data=str(scans)), quiet=True) == made
    assert len(calls) == 2


def test_subjects_and_folder_may_be_named(scans, calls, tmp_path):
    out = tmp_path / "elsewhere"
    made = label_scans(Cohort(data=str(scans), subjects=("sub-02",)), out, quiet=True)
    assert [p.relative_to(out).as_posix() for p in made][:1] == ["sub-02/anat/sub-02_label-GM_probseg.nii.gz"]


def test_without_the_package_its_extra_is_named(scans, monkeypatch):
    monkeypatch.setitem(sys.modules, "ants", None)
    with pytest.raises(InputError, match=r"no ANTsPy.*qontrast\[labels\]"):
        label_scans(Cohort(data=str(scans)), quiet=True)
    assert not (scans / "derivatives").exists()


def test_ants_finds_the_tissues_of_the_template_in_a_moved_copy_of_it(tmp_path):
    pytest.importorskip("ants", reason="ANTsPy is not installed")
    t1, grey, white, grid = mni_maps(4)
    affine = grid.affine.copy()
    affine[:3, 3] += [6.0, -9.0, 4.0]
    nib.save(nib.Nifti1Image(t1 * 700, affine), tmp_path / "sub-01_T1w.nii.gz")
    found = tissue_shares(read_image(tmp_path / "sub-01_T1w.nii.gz", canonical=True))
    total = sum(found.values())
    assert total.max() == pytest.approx(1, abs=1e-3)
    assert not total[t1 == 0].any()
    for label, truth in (("GM", grey), ("WM", white)):
        one, other = found[label] > 0.5, truth > 0.5
        assert 2 * (one & other).sum() / (one.sum() + other.sum()) > 0.8
