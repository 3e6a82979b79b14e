"""Lesion masks of cohorts: under derivatives, by label or description, each with the scan that it was drawn on."""

import nibabel as nib
import numpy as np
import pytest

from qontrast.anatomy.cohort import find_subjects
from qontrast.anatomy.labelled_scans import find_labelled_scans


def save(path, *, box=(2, 4), shape=(24, 24, 24), labels=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.zeros(shape, np.uint8 if labels else np.float32)
    low, high = box
    data[low:high, low:high, low:high] = 1 if labels else 100
    nib.save(nib.Nifti1Image(data, np.diag([2.0, 2, 2, 1])), path)


@pytest.fixture
def tree(tmp_path):
    for ses in ("1", "2"):
        for scan in ("run-4_T2w", "run-5_T2w", "run-3_T1w"):
            save(tmp_path / f"sub-A/ses-{ses}/anat/sub-A_ses-{ses}_acq-spc_{scan}.nii.gz", box=(4, 20))
    masks = tmp_path / "derivatives/lesion_masks/sub-A/ses-1/anat"
    save(masks / "sub-A_ses-1_acq-spc_run-5_T2w_desc-lesion_mask.nii.gz", labels=True)
    return tmp_path


def test_a_mask_under_derivatives_belongs_to_its_session_and_run(tree):
    found = find_labelled_scans(tree)
    # T1w lies on the same grid, so the mask is its truth too; run 4 of T2w is not what it was drawn on.
    assert [s.name for s in found] == ["sub-A_ses-1_T1w", "sub-A_ses-1_T2w"]
    assert "run-5" in found[1].scan.path.name
    scan = found[1].open()
    assert scan.names == ("background", "lesion")
    assert scan.classes.sum() == 8


def test_a_mask_that_names_no_run_is_the_truth_of_every_run_and_names_stay_unique(tree):
    masks = tree / "derivatives/lesion_masks/sub-A/ses-2/anat"
    save(masks / "sub-A_ses-2_desc-lesion_mask.nii.gz", labels=True)
    names = [s.name for s in find_labelled_scans(tree) if "ses-2" in s.name]
    assert names == ["sub-A_ses-2_T1w", "sub-A_ses-2_T2w_acq-spc_run-4", "sub-A_ses-2_T2w_acq-spc_run-5"]


def test_the_whole_lesion_comes_before_its_parts_and_brain_masks_are_no_truth(tree):
    masks = tree / "derivatives/lesion_masks/sub-A/ses-1/anat"
    save(masks / "sub-A_ses-1_desc-lesionAcute_mask.nii.gz", labels=True)
    save(tree / "derivatives/bet/sub-A/ses-2/anat/sub-A_ses-2_desc-brain_mask.nii.gz", labels=True)
    truths = {s.truth[0].path.name for s in find_labelled_scans(tree)}
    assert truths == {"sub-A_ses-1_acq-spc_run-5_T2w_desc-lesion_mask.nii.gz"}


def test_atlas_masks_are_lesions(tmp_path):
    anat = tmp_path / "R001/sub-r001s001/ses-1/anat"
    name = "sub-r001s001_ses-1_space-MNI152NLin2009aSym"
    save(anat / f"{name}_T1w.nii.gz", box=(4, 20))
    save(anat / f"{name}_label-L_desc-T1lesion_mask.nii.gz", labels=True)
    (found,) = find_labelled_scans(tmp_path)
    assert found.open().names == ("background", "lesion")


def test_a_lesion_mask_is_not_taken_for_the_brain(tree):
    """The head's box comes from the scan: by the lesion it would be two voxels wide."""
    (head,) = [s.read() for s in find_subjects(str(tree), kind="scans") if s.name == "sub-A_ses-1"]
    assert head.region[0] == (4, 20)
    assert "lesion" not in head.notes[0]
