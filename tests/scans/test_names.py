from pathlib import Path

import pytest

from qontrast.basics.errors import InputError, LeftOut
from qontrast.scans.names import find_images, sidecar, stem


def named(folder, relative):
    """What the one file ``relative`` below ``folder`` is named as."""
    path = folder / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return find_images(path)[0]


@pytest.mark.parametrize(
    ("name", "suffix", "session"),
    [
        ("sub-01/anat/sub-01_R1map.nii.gz", "R1map", "sub-01"),
        ("sub-01/anat/sub-01_space-orig_desc-x_dseg.nii.gz", "dseg", "sub-01"),
        ("sub-01/ses-b/anat/sub-01_ses-b_MTsat.nii", "MTsat", "sub-01_ses-b"),
        ("sub-01/anat/sub-01_acq-PD_T1w.nii.gz", "T1w", "sub-01"),
    ],
)
def test_bids_names_give_suffix_and_session(tmp_path, name, suffix, session):
    file = named(tmp_path, name)
    assert (file.suffix, file.session) == (suffix, session)


@pytest.mark.parametrize("series", ["s2018-02-28_18-26-190132-00001-00224-1", "sub-07_MPM", "sub-07"])
@pytest.mark.parametrize(
    ("ending", "suffix"),
    [
        ("PD", "PDmap"),
        ("R1", "R1map"),
        ("R2s", "R2starmap"),
        ("R2s_OLS", "R2starmap"),
        ("R2s_WLS1", "R2starmap"),
        ("MTsat", "MTsat"),
        ("MT", "MTsat"),
        ("B1map", "TB1map"),
    ],
)
def test_the_hmri_toolboxs_names_are_known(tmp_path, series, ending, suffix):
    assert named(tmp_path, f"{series}_{ending}.nii").suffix == suffix


def test_a_word_that_only_ends_like_a_toolbox_name_is_none(tmp_path):
    assert named(tmp_path, "scan_myPD.nii").suffix == "myPD"


@pytest.mark.parametrize(
    ("name", "subject"),
    [("pat7/x_PD.nii", "pat7"), ("pat7/Results/x_PD.nii", "pat7"), ("bert/mri/aseg.mgz", "bert")],
)
def test_without_a_subject_in_the_name_the_folder_names_it(tmp_path, name, subject):
    assert named(tmp_path, name).subject == subject


def test_the_folder_is_named_even_where_it_is_the_current_one(tmp_path, monkeypatch):
    named(tmp_path, "pat7/x_PD.nii")
    monkeypatch.chdir(tmp_path / "pat7")
    assert find_images(Path())[0].subject == "pat7"


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".mgz", ".mgh"])
def test_the_sidecar_lies_beside_the_image(ending):
    image = Path("/data/sub-01") / f"sub-01_R1map{ending}"
    assert stem(image) == "sub-01_R1map"
    assert sidecar(image) == Path("/data/sub-01/sub-01_R1map.json")


def test_only_images_are_found_in_the_order_of_their_paths(tmp_path):
    for name in ("b/sub-02_dseg.nii.gz", "a/sub-01_T1w.nii", "a/sub-01_T1w.json", "a/.sub-01.nii", "a/x.NII", "notes"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [f.path.name for f in find_images(tmp_path)] == ["sub-01_T1w.nii", "sub-02_dseg.nii.gz"]


def test_a_missing_folder_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: found no such folder; wanted a BIDS folder.*Check the path"):
        find_images(tmp_path / "nowhere")


def test_a_folder_without_an_image_is_refused_by_name(tmp_path):
    (tmp_path / "readme.txt").touch()
    with pytest.raises(InputError, match=r"found no image \(\.nii.*Is this the right folder") as caught:
        find_images(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_folders_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "sub-02").symlink_to(tmp_path / "unmounted")
    with pytest.raises(InputError, match=r"no image.*sub-02: a symbolic link that leads nowhere"):
        find_images(tmp_path)
    (tmp_path / "sub-01_T1w.nii").touch()
    with pytest.warns(LeftOut, match=r"sub-02: a symbolic link that leads nowhere; what it holds is left out"):
        assert len(find_images(tmp_path)) == 1


def test_the_working_folder_tells_no_session_of_others(tmp_path, monkeypatch):
    here = tmp_path / "sub-01" / "ses-1" / "anat"
    here.mkdir(parents=True)
    (tmp_path / "sub-02").mkdir()
    (tmp_path / "sub-02" / "sub-02_T1w.nii").touch()
    monkeypatch.chdir(here)
    assert [file.session for file in find_images(Path("../../../sub-02"))] == ["sub-02"]


@pytest.mark.parametrize(
    ("path", "root", "session"),
    [
        ("sub-01/ses-1/anat/sub-01_T1w.nii", ".", "sub-01_ses-1"),
        ("sub-01/ses-1/anat/sub-01_T1w.nii", "sub-01/ses-1/anat", "sub-01_ses-1"),
        ("sub-01/ses-1/anat/sub-01_ses-2_T1w.nii", ".", "sub-01_ses-2"),
        ("ses-1/cohort/sub-01/anat/sub-01_T1w.nii", "ses-1/cohort", "sub-01"),
        ("ses-1/sub-01_T1w.nii", ".", "sub-01_ses-1"),
    ],
)
def test_a_folder_tells_the_session_where_the_name_does_not(tmp_path, path, root, session):
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).touch()
    assert [file.session for file in find_images(tmp_path / root)] == [session]
