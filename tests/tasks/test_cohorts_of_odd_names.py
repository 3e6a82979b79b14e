"""Who is who where names are not BIDS's, where two people have one name, and where scans cannot be two views."""

import json
import shutil

import pytest

from qontrast.anatomy.cohort import find_subjects, images_of
from qontrast.anatomy.grouping import group_subjects, passed_over
from qontrast.anatomy.observed import read_scans
from qontrast.basics.errors import InputError
from qontrast.tasks.prepare import Settings, prepare


@pytest.fixture
def place(labels_folder, tmp_path):
    """Puts copies of a label map, or a scan made of it, under the names that are asked for."""
    source = labels_folder / "sub-01" / "anat" / "sub-01_dseg.nii.gz"

    def put(*names):
        for name in names:
            file = tmp_path / "odd" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, file)
        return tmp_path / "odd"

    return put


def found(folder, kind="auto"):
    files = images_of(folder)
    sources = group_subjects(files, kind)
    return {s.name: (s.kind, sorted(f.path.name for f in s.files)) for s in sources}, passed_over(files, sources)


@pytest.mark.parametrize(
    "names",
    [
        ("OAS1_0001_seg.nii.gz", "OAS1_0002_seg.nii.gz", "OAS1_0003_seg.nii.gz"),
        ("labels/training_01_dseg.nii.gz", "labels/training_02_dseg.nii.gz"),
        ("one_aseg.nii.gz", "two_space-MNI152_dseg.nii.gz"),
    ],
)
def test_a_flat_folder_of_label_maps_keeps_all_of_its_people(place, names):
    subjects, left = found(place(*names))
    assert sorted(files for _, files in subjects.values()) == sorted([name.split("/")[-1]] for name in names)
    assert left == {}


def test_labels_of_one_head_side_by_side_stay_one(place):
    subjects, _ = found(place("bert/mri/aseg.nii.gz", "bert/mri/aparc+aseg.nii.gz"))
    assert list(subjects) == ["bert"]
    subjects, _ = found(place("sub-01/anat/sub-01_desc-a_dseg.nii.gz", "sub-01/anat/sub-01_desc-b_dseg.nii.gz"))
    assert list(subjects) == ["bert", "sub-01"]


def test_label_maps_made_of_ixis_scans_belong_to_their_people(place):
    names = [f"IXI{n:03d}-Guys-0828-T1_dseg.nii.gz" for n in (2, 3)]
    subjects, _ = found(place(*names))
    assert subjects == {f"sub-IXI{n:03d}": ("labels", [name]) for n, name in zip((2, 3), names, strict=True)}
    assert {s.site for s in find_subjects(str(place(*names)))} == {"Guys"}


@pytest.mark.parametrize(
    "names",
    [
        ("siteA/sub-01/sub-01_T1w.nii.gz", "siteB/sub-01/sub-01_FLAIR.nii.gz"),
        ("siteA/sub-01/ses-1/sub-01_ses-1_T1w.nii.gz", "siteB/sub-01/ses-1/sub-01_ses-1_FLAIR.nii.gz"),
        ("siteA/sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz", "siteB/sub-01/ses-1/anat/sub-01_ses-1_FLAIR.nii.gz"),
    ],
)
def test_one_contrast_of_each_of_two_people_is_no_session(place, names):
    (source,) = find_subjects(str(place(*names)))
    with pytest.raises(InputError, match="two subjects of this name"):
        source.open()


def test_a_session_is_told_by_its_folder_where_names_leave_it_out(place):
    subjects, left = found(place("sub-01/ses-1/anat/sub-01_T1w.nii.gz", "sub-01/ses-2/anat/sub-01_FLAIR.nii.gz"))
    assert subjects == {}
    assert set(left) == {"sub-01_ses-1", "sub-01_ses-2"}


def test_a_phase_image_is_no_contrast(place):
    folder = place("sub-01/anat/sub-01_part-mag_T2starw.nii.gz", "sub-01/anat/sub-01_part-phase_T2starw.nii.gz")
    subjects, left = found(folder)
    assert subjects == {}
    assert left["sub-01"].startswith("T2starw, T2starw (phase) alone")


def test_scans_in_two_spaces_are_no_two_views_of_one_place(place):
    folder = place("sub-01/anat/sub-01_T1w.nii.gz", "sub-01/anat/sub-01_space-MNI152NLin6Asym_T2w.nii.gz")
    (source,) = find_subjects(str(folder))
    with pytest.raises(InputError, match=r"different spaces: T1w in its own space, T2w in MNI152NLin6Asym"):
        source.open()
    place("sub-01/anat/sub-01_space-T1w_FLAIR.nii.gz")  # moved onto the T1w: one space
    head = read_scans([f for f in images_of(folder) if f.suffix != "dseg"])
    assert set(head.scans) == {"T1w", "FLAIR"}


def test_hidden_folders_are_no_part_of_a_cohort(place):
    folder = place("sub-02/anat/sub-02_dseg.nii.gz", ".Trash-1000/files/sub-02/anat/sub-02_dseg.nii.gz")
    (source,) = find_subjects(str(folder))
    assert source.open().name == "sub-02"


def test_suffixes_that_are_not_known_are_told_with_what_may_be_meant(place):
    folder = place("sub-01/sub-01_t1.nii.gz", "sub-01/sub-01_t2.nii.gz", "sub-02/anat/sub-02_dseg.nii.gz")
    subjects, left = found(folder)
    assert list(subjects) == ["sub-02"]
    assert left["sub-01"].startswith("images with no suffix that is known (t1, t2)")
    assert "T1w" in left["sub-01"]


def test_a_table_without_a_known_suffix_says_what_is_known(place):
    folder = place("a.nii.gz", "b.nii.gz")
    table = folder / "table.csv"
    table.write_text("subject,T1,T2\n001,a.nii.gz,b.nii.gz\n")
    with pytest.raises(InputError, match=r"2 images but no subject.*T1w"):
        prepare(Settings(str(table)), folder.parent / "cache", jobs=1, quiet=True)


def test_a_cohort_that_was_not_there_does_not_spoil_the_folder_for_another(labels_folder, tmp_path):
    cache = tmp_path / "cache"
    with pytest.raises(InputError, match="no such folder"):
        prepare(Settings(str(tmp_path / "typo")), cache, jobs=1, quiet=True)
    assert prepare(Settings(str(labels_folder)), cache, jobs=1, quiet=True).subjects == ("sub-01", "sub-02")
    with pytest.raises(InputError, match="a cache made with"):  # now it is that cohort's
        prepare(Settings(str(tmp_path / "typo")), cache, jobs=1, quiet=True)


def test_what_the_datasets_root_says_of_all_maps_counts_and_a_change_of_it_is_seen(maps_folder, tmp_path):
    folder = maps_folder()
    for file in (folder / "sub-01" / "anat").glob("*.json"):
        told = json.loads(file.read_text())
        told.pop("MagneticFieldStrength", None)
        file.write_text(json.dumps(told))
    (folder / "dataset_description.json").write_text(json.dumps({"Name": "x", "BIDSVersion": "1.9.0"}))
    root = folder / "R1map.json"
    root.write_text(json.dumps({"MagneticFieldStrength": 7}))
    (source,) = find_subjects(str(folder))
    assert source.open().tissue.field_strength == 7
    prepare(Settings(str(folder)), tmp_path / "cache", jobs=1, quiet=True)
    again = prepare(Settings(str(folder)), tmp_path / "cache", jobs=1, quiet=True)
    assert [o.state for o in again.outcomes] == ["kept"]
    root.write_text(json.dumps({"MagneticFieldStrength": 1.5}))
    mended = prepare(Settings(str(folder)), tmp_path / "cache", jobs=1, quiet=True)
    assert [o.state for o in mended.outcomes] == ["mended"]
