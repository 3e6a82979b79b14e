"""What may stand beside a scan as its truth: SPM's maps, shares, masks by two names; and what is refused."""

import json

import nibabel as nib
import numpy as np
import pytest

from qontrast.anatomy.labelled_scans import find_labelled_scans
from qontrast.basics.errors import InputError

SHAPE = (12, 10, 8)


def save(path, data, affine=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, np.diag([2.0, 2, 2, 1]) if affine is None else affine), path)


def image():
    return np.random.default_rng(0).random(SHAPE).astype(np.float32)


def shares():
    """Grey, white and fluid, which leave some background."""
    return np.random.default_rng(1).dirichlet([1, 1, 1, 1], SHAPE).astype(np.float32)[..., 1:]


@pytest.mark.parametrize(
    ("scan", "maps"),
    [
        ("IXI002-Guys-0828-T1.nii.gz", "c{}p_IXI002-Guys-0828-T1.nii.gz"),
        ("p_IXI002-Guys-0828-T1.nii.gz", "c{}p_IXI002-Guys-0828-T1.nii.gz"),
        ("IXI002-Guys-0828-T1.nii", "c{}IXI002-Guys-0828-T1.nii"),
    ],
)
def test_spms_maps_beside_a_scan_of_ixi_are_its_shares(scan, maps, tmp_path):
    save(tmp_path / scan, image())
    save(tmp_path / "IXI002-Guys-0828-T2.nii.gz", image(), np.diag([1.0, 2, 2, 1]))  # on another grid
    for i in range(3):
        save(tmp_path / maps.format(i + 1), shares()[..., i])
    (source,) = find_labelled_scans(tmp_path)
    assert (source.subject, source.site, source.scan.suffix) == ("sub-IXI002", "Guys", "T1w")
    found = source.open()
    assert found.names == ("background", "grey matter", "white matter", "cerebrospinal fluid")
    assert found.shares is not None
    assert np.allclose(found.shares, np.moveaxis(shares(), -1, 0), atol=1e-3)
    all_four = np.concatenate((1 - shares().sum(axis=-1, keepdims=True), shares()), axis=-1)
    clear = np.sort(all_four, axis=-1)[..., -1] - np.sort(all_four, axis=-1)[..., -2] > 1e-3
    assert np.array_equal(found.classes[clear], all_four.argmax(axis=-1)[clear])


def test_shares_that_exceed_one_together_are_scaled_down(tmp_path):
    anat = tmp_path / "sub-01" / "anat"
    save(anat / "sub-01_T1w.nii.gz", image())
    for label in ("GM", "WM"):
        save(anat / f"sub-01_label-{label}_probseg.nii.gz", np.full(SHAPE, 1.005, np.float32))
    found = find_labelled_scans(tmp_path)[0].open()
    assert found.shares.sum(axis=0).max() <= 1.001


def test_maps_that_are_no_probabilities_are_refused(tmp_path):
    anat = tmp_path / "sub-01" / "anat"
    save(anat / "sub-01_T1w.nii.gz", image())
    save(anat / "sub-01_label-GM_probseg.nii.gz", 100 * shares()[..., 0])
    with pytest.raises(InputError, match=r"label-GM_probseg.*wanted probabilities from 0 to 1.*Divide percent by 100"):
        find_labelled_scans(tmp_path)[0].open()


def test_of_maps_in_several_spaces_those_of_the_session_are_its_truth(tmp_path):
    anat = tmp_path / "sub-01" / "anat"
    save(anat / "sub-01_T1w.nii.gz", image())
    save(anat / "sub-01_desc-preproc_T1w.nii.gz", image())
    for i, label in enumerate(("GM", "WM", "CSF")):
        save(anat / f"sub-01_label-{label}_probseg.nii.gz", shares()[..., i])
        save(anat / f"sub-01_space-MNI152_label-{label}_probseg.nii.gz", shares()[:9, ..., i])
    (source,) = find_labelled_scans(tmp_path)
    assert [file.path.name for file in source.truth] == [
        f"sub-01_label-{x}_probseg.nii.gz" for x in ("CSF", "GM", "WM")
    ]
    assert source.scan.path.name == "sub-01_T1w.nii.gz"  # and not the copy
    assert source.open().shares.shape == (3, *SHAPE)


def test_maps_of_a_template_are_the_truth_where_there_are_no_others(tmp_path):
    anat = tmp_path / "sub-01" / "anat"
    save(anat / "sub-01_space-MNI152_T1w.nii.gz", image())
    for space in ("MNI152", "fsaverage"):
        save(anat / f"sub-01_space-{space}_label-GM_probseg.nii.gz", shares()[..., 0])
    (source,) = find_labelled_scans(tmp_path)
    assert [file.entities["space"] for file in source.truth] == ["MNI152"]


def test_a_lesion_of_a_template_comes_before_another_mask_of_the_sessions_own(tmp_path):
    anat = tmp_path / "sub-01" / "anat"
    for name in ("FLAIR", "space-MNI152_FLAIR", "space-MNI152_label-lesion_mask", "label-ventricles_mask"):
        save(anat / f"sub-01_{name}.nii.gz", (image() > 0.5).astype(np.uint8))
    (source,) = find_labelled_scans(tmp_path, wanted="lesion")
    assert source.truth[0].path.name == "sub-01_space-MNI152_label-lesion_mask.nii.gz"


def test_two_maps_of_one_tissue_are_refused(tmp_path):
    anat = tmp_path / "sub-01" / "anat"
    save(anat / "sub-01_T1w.nii.gz", image())
    for desc in ("a", "b"):
        save(anat / f"sub-01_desc-{desc}_label-GM_probseg.nii.gz", shares()[..., 0])
    with pytest.raises(InputError, match=r"desc-b_label-GM_probseg.*a second map of grey matter"):
        find_labelled_scans(tmp_path)[0].open()


@pytest.mark.parametrize("name", ["label-lesion", "desc-lesion"])
def test_a_lesions_mask_is_found_by_either_name_and_before_tissues(name, tmp_path):
    anat = tmp_path / "sub-01" / "anat"
    mask = (image() > 0.8).astype(np.uint8)
    save(anat / "sub-01_T2w.nii.gz", image())
    save(anat / "sub-01_desc-brain_mask.nii.gz", np.ones(SHAPE, np.uint8))
    save(anat / "sub-01_dseg.nii.gz", np.zeros(SHAPE, np.int16))
    save(tmp_path / "derivatives" / "lesion_masks" / "sub-01" / "anat" / f"sub-01_{name}_mask.nii.gz", 255 * mask)
    (lesion,) = find_labelled_scans(tmp_path, wanted="lesion")
    assert lesion.open().names == ("background", "lesion")
    assert np.array_equal(lesion.open().classes, mask)
    assert len(find_labelled_scans(tmp_path)[0].open().names) == 4


def test_a_session_without_a_lesion_mask_is_none_for_lesions(tmp_path):
    anat = tmp_path / "sub-01" / "anat"
    save(anat / "sub-01_T2w.nii.gz", image())
    save(anat / "sub-01_desc-brain_mask.nii.gz", np.ones(SHAPE, np.uint8))
    save(anat / "sub-01_dseg.nii.gz", np.zeros(SHAPE, np.int16))
    assert find_labelled_scans(tmp_path, wanted="lesion") == []


@pytest.mark.parametrize(
    ("suffix", "data"), [("label-lesion_mask", 0.4), ("dseg", 2.5)], ids=["a blurred mask", "halves of labels"]
)
def test_labels_that_are_no_whole_numbers_are_refused(suffix, data, tmp_path):
    anat = tmp_path / "sub-01" / "anat"
    save(anat / "sub-01_T2w.nii.gz", image())
    save(anat / f"sub-01_{suffix}.nii.gz", np.full(SHAPE, data, np.float32))
    with pytest.raises(InputError, match=rf"{suffix}.*found the value {data:g}; wanted whole-number labels"):
        find_labelled_scans(tmp_path)[0].open()


def test_a_mask_on_another_grid_is_refused(tmp_path):
    anat = tmp_path / "sub-01" / "anat"
    save(anat / "sub-01_T2w.nii.gz", image())
    save(anat / "sub-01_label-lesion_mask.nii.gz", np.ones((10, 10, 8), np.uint8))
    with pytest.raises(InputError, match=r"lesion_mask.*another than the scan's.*Resample the truth to the scan"):
        find_labelled_scans(tmp_path, wanted="lesion")[0].open()


def test_labels_of_a_large_table_become_tissues(tmp_path):
    anat = tmp_path / "sub-01" / "anat"
    labels = np.random.default_rng(2).choice([0, 2, 41, 1012, 2035, 24], SHAPE).astype(np.int32)
    save(anat / "sub-01_T1w.nii.gz", image())
    save(anat / "sub-01_desc-aparcaseg_dseg.nii.gz", labels)
    found = find_labelled_scans(tmp_path)[0].open().classes
    wanted = np.select([np.isin(labels, (1012, 2035)), np.isin(labels, (2, 41)), labels == 24], [1, 2, 3], 0)
    assert np.array_equal(found, wanted)


def test_a_sidecar_says_that_a_truth_is_automatic(tmp_path):
    anat = tmp_path / "sub-01" / "anat"
    save(anat / "sub-01_T1w.nii.gz", image())
    save(anat / "sub-01_dseg.nii.gz", np.zeros(SHAPE, np.int16))
    assert not find_labelled_scans(tmp_path)[0].automatic
    (anat / "sub-01_dseg.json").write_text(json.dumps({"Automatic": True}))
    assert find_labelled_scans(tmp_path)[0].automatic


def test_the_tables_that_tell_the_labels_of_a_truth_are_known(tmp_path):
    anat = tmp_path / "sub-01" / "anat"
    save(anat / "sub-01_T1w.nii.gz", image())
    save(anat / "sub-01_dseg.nii.gz", np.full(SHAPE, 2, np.uint8))
    (tmp_path / "own.tsv").write_text("index\ttissue\n2\twhite matter\n")
    assert find_labelled_scans(tmp_path)[0].beside == ()
    (tmp_path / "dseg.tsv").write_text("index\ttissue\n2\twhite matter\n")
    assert find_labelled_scans(tmp_path)[0].beside == (tmp_path / "dseg.tsv",)
    assert find_labelled_scans(tmp_path, tmp_path / "own.tsv")[0].beside == (tmp_path / "own.tsv",)
