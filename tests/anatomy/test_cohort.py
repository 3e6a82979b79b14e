import pickle

import nibabel as nib
import numpy as np
import pytest

from qontrast.anatomy.cohort import find_subjects
from qontrast.anatomy.label_table import BUILT_IN
from qontrast.anatomy.priors import PRIORS
from qontrast.basics.errors import InputError
from qontrast.geometry.sample import whole


def dseg(folder, name):
    return folder / name / "anat" / f"{name}_dseg.nii.gz"


def labels_of(subject):
    return subject.labels(whole(subject.grid.shape)).numpy()


def relabel(path, change):
    image = nib.load(path)
    nib.save(nib.Nifti1Image(change(np.asarray(image.dataobj)), image.affine), path)


@pytest.mark.parametrize("count", [1, 3, 12])
def test_as_many_embedded_heads_as_are_asked_for(count):
    found = find_subjects("embedded", embedded=count, seed=9)
    assert [s.name for s in found] == [f"sub-mni{i:03d}" for i in range(1, count + 1)]
    assert {(s.kind, s.seed) for s in found} == {("embedded", 9)}
    assert len(set(found)) == count


def test_a_bids_folder_of_label_maps(labels_folder):
    found = find_subjects(str(labels_folder))
    assert [(s.name, s.kind, [f.path for f in s.files]) for s in found] == [
        (name, "labels", [dseg(labels_folder, name)]) for name in ("sub-01", "sub-02")
    ]
    one, two = (labels_of(s.open()) for s in found)
    assert (one != two).any()
    np.testing.assert_array_equal(one, np.asarray(nib.load(dseg(labels_folder, "sub-01")).dataobj))


def test_a_folder_of_maps(maps_folder):
    (found,) = find_subjects(str(maps_folder()))
    assert (found.name, found.kind, len(found.files)) == ("sub-01", "maps", 4)
    assert found.open().name == "sub-01"


def test_maps_go_before_labels(maps_folder, labels_folder):
    folder = maps_folder()
    dseg(folder, "sub-01").write_bytes(dseg(labels_folder, "sub-01").read_bytes())
    assert [s.kind for s in find_subjects(str(folder))] == ["maps"]


def test_each_session_is_a_subject_of_its_own(labels_folder):
    data = dseg(labels_folder, "sub-01").read_bytes()
    for session in ("2", "1"):
        path = labels_folder / "sub-01" / f"ses-{session}" / "anat" / f"sub-01_ses-{session}_dseg.nii.gz"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    names = [s.name for s in find_subjects(str(labels_folder))]
    assert names == ["sub-01", "sub-01_ses-1", "sub-01_ses-2", "sub-02"]


def test_one_label_map_is_one_subject(labels_folder):
    (found,) = find_subjects(str(dseg(labels_folder, "sub-02")))
    assert (found.name, found.kind) == ("sub-02", "labels")
    assert found.open().name == "sub-02"


def test_freesurfers_own_folders_are_one_subject_each(labels_folder):
    for name in ("bert", "ernie"):
        (labels_folder / name / "mri").mkdir(parents=True)
        image = nib.load(dseg(labels_folder, "sub-01"))
        nib.save(nib.MGHImage(np.asarray(image.dataobj), image.affine), labels_folder / name / "mri" / "aseg.mgz")
    found = find_subjects(str(labels_folder))
    assert [s.name for s in found] == ["bert", "ernie", "sub-01", "sub-02"]
    np.testing.assert_array_equal(labels_of(found[0].open()), labels_of(found[2].open()))


def test_with_a_table_one_file_may_have_any_name_and_labels(labels_folder, tmp_path):
    path, table = tmp_path / "mine.nii.gz", tmp_path / "mine.tsv"
    path.write_bytes(dseg(labels_folder, "sub-01").read_bytes())
    relabel(path, lambda labels: np.where(labels == 258, 1, np.where(labels > 0, 2, 0)).astype(np.int16))
    table.write_text("index\ttissue\n1\tfat\n2\twhite matter\n")
    (found,) = find_subjects(str(path), labels=table)
    subject = found.open()
    assert subject.table.tissues == {0: "air", 1: "fat", 2: "white matter"}
    with pytest.raises(InputError, match="no subject with tissue maps or labels"):
        find_subjects(str(path))


def test_a_table_beside_the_labels_is_used_and_the_users_goes_before_it(labels_folder, tmp_path):
    rows = "index\ttissue\n" + "".join(f"{k}\tthalamus\n" for k in (2, 3, 4, 10, 24, 41, 42, 43, 49, 258))
    (labels_folder / "dseg.tsv").write_text(rows)
    assert find_subjects(str(labels_folder))[0].open().table.priors[2] == PRIORS["thalamus"]
    own = tmp_path / "own.tsv"
    own.write_text(rows.replace("thalamus", "fat"))
    assert find_subjects(str(labels_folder), labels=own)[0].open().table.priors[2] == PRIORS["fat"]


def test_without_a_table_labels_are_freesurfers(labels_folder):
    assert find_subjects(str(labels_folder))[0].open().table is BUILT_IN
    (labels_folder / "dseg.tsv").write_text("index\tname\n2\tleft white\n3\tleft cortex\n")
    with pytest.raises(InputError, match="labels without a prior: 4 "):
        find_subjects(str(labels_folder))[1].open()


def test_a_label_without_a_prior_names_file_label_count_and_remedy(labels_folder):
    path = dseg(labels_folder, "sub-01")
    voxels = int(np.count_nonzero(np.asarray(nib.load(path).dataobj) == 10))
    relabel(path, lambda labels: np.where(labels == 10, 777, labels).astype(np.int16))
    with pytest.raises(InputError) as caught:
        find_subjects(str(labels_folder))[0].open()
    message = str(caught.value)
    assert message.startswith(f"{path}: found labels without a prior: 777 ({voxels} voxels);")
    assert "Give a TSV with --labels" in message


def test_fractional_labels_are_refused_by_name(labels_folder):
    path = dseg(labels_folder, "sub-01")
    relabel(path, lambda labels: labels.astype(np.float32) / 2)
    with pytest.raises(InputError, match=r"sub-01_dseg\.nii\.gz: found the value .*wanted whole-number labels"):
        find_subjects(str(labels_folder))[0].open()


def test_an_opened_subject_is_kept_in_memory(labels_folder, maps_folder):
    for folder in (labels_folder, maps_folder()):
        source = find_subjects(str(folder))[0]
        assert source.open() is source.open()
        assert find_subjects(str(folder))[0].open() is source.open()
    assert find_subjects(str(labels_folder))[1].open() is not find_subjects(str(labels_folder))[0].open()


def test_a_source_travels_to_another_process_small(labels_folder):
    source = find_subjects(str(labels_folder))[0]
    source.open()
    packed = pickle.dumps(source)
    assert len(packed) < 2000
    assert pickle.loads(packed) == source


def test_subjects_are_reordered_to_right_anterior_superior_unless_told_not_to(labels_folder):
    path = dseg(labels_folder, "sub-01")
    image = nib.load(path)
    expected = np.asarray(image.dataobj)
    flipped = nib.as_closest_canonical(image).as_reoriented(np.array([[0, -1], [2, 1], [1, 1]]))
    nib.save(flipped, path)
    source = find_subjects(str(labels_folder))[0]
    np.testing.assert_array_equal(labels_of(source.open()), expected)
    as_stored = source.open(canonical=False)
    np.testing.assert_array_equal(labels_of(as_stored), np.asarray(flipped.dataobj))
    np.testing.assert_allclose(as_stored.grid.affine, flipped.affine, atol=1e-5)


def test_a_missing_folder_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: found no such folder.*Check the path"):
        find_subjects(str(tmp_path / "nowhere"))


def test_a_folder_without_a_subject_says_how_many_images_and_which_names_it_wants(labels_folder):
    for name in ("sub-01", "sub-02"):
        dseg(labels_folder, name).rename(dseg(labels_folder, name).with_name(f"{name}_T1w.nii.gz"))
    with pytest.raises(InputError) as caught:
        find_subjects(str(labels_folder))
    message = str(caught.value)
    assert message.startswith(f"{labels_folder}: found 2 images but no subject with tissue maps or labels; wanted ")
    assert "PDmap, R1map" in message
    assert "dseg" in message
    assert message.endswith("Or use --data embedded for the embedded heads.")
