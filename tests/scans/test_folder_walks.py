"""Folders are walked through links, never in circles, past what cannot be read; what was found is kept."""

import os

import pytest

from qontrast.scans import walk as module
from qontrast.scans.names import find_images
from qontrast.scans.walk import load_index, walk


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


@pytest.fixture
def cohort(tmp_path):
    for name in ("sub-01", "sub-02"):
        touch(tmp_path / "bids" / name / "anat" / f"{name}_T1w.nii.gz")
    return tmp_path / "bids"


def names(index):
    return [path.name for path in index.files()]


def test_linked_subjects_are_found_as_often_as_they_are_linked(cohort):
    for i in range(3, 6):
        (cohort / f"sub-0{i}").symlink_to(cohort / "sub-01", target_is_directory=True)
    assert len(names(walk(cohort))) == 5
    assert len(find_images(cohort)) == 5


@pytest.mark.parametrize("target", [".", "..", "../.."])
def test_a_link_that_leads_back_is_named_and_left(cohort, target):
    (cohort / "sub-01" / "again").symlink_to(target, target_is_directory=True)
    index = walk(cohort)
    assert sorted(set(names(index))) == ["sub-01_T1w.nii.gz", "sub-02_T1w.nii.gz"]
    assert any("leads back" in t.why for t in index.troubles)


@pytest.mark.parametrize("target", ["..", "/"])
def test_a_link_to_a_folder_above_the_cohort_is_named_and_left(cohort, target):
    touch(cohort.parent / "other" / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
    (cohort / "sub-01" / "above").symlink_to(cohort / target, target_is_directory=True)
    index = walk(cohort)
    assert names(index) == ["sub-01_T1w.nii.gz", "sub-02_T1w.nii.gz"]
    assert [(t.path.name, "leads back" in t.why) for t in index.troubles] == [("above", True)]


def test_a_link_to_itself_is_no_folder(cohort):
    (cohort / "loop").symlink_to("loop")
    assert "loop" in names(walk(cohort))
    assert [f.path.name for f in find_images(cohort)] == ["sub-01_T1w.nii.gz", "sub-02_T1w.nii.gz"]


def test_a_folder_that_cannot_be_read_is_named(cohort, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("sub-01"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(module.os, "scandir", refuse)
    index = walk(cohort)
    assert names(index) == ["sub-02_T1w.nii.gz"]
    assert [t.path.name for t in index.troubles] == ["sub-01"]
    assert "Permission denied" in index.troubles[0].why


def test_names_in_other_alphabets_and_with_blanks(tmp_path):
    for name in ("Åsa Müller 1", "患者 二", "пациент-3"):
        touch(tmp_path / name / "Results" / f"{name}_R1.nii")
    assert sorted(f.session for f in find_images(tmp_path)) == sorted(("Åsa Müller 1", "患者 二", "пациент-3"))


def test_an_index_is_kept_and_only_changed_folders_are_read_again(cohort, tmp_path, monkeypatch):
    walk(cohort).save(tmp_path / "index.json")
    os.utime(cohort / "sub-01" / "anat", ns=(0, 1))
    touch(cohort / "sub-03" / "anat" / "sub-03_T1w.nii.gz")
    read = []
    real = module._read
    monkeypatch.setattr(module, "_read", lambda path, stamp: (read.append(path.name), real(path, stamp))[1])
    known = load_index(tmp_path / "index.json", cohort)
    assert names(walk(cohort, known)) == [f"sub-0{i}_T1w.nii.gz" for i in (1, 2, 3)]
    assert sorted(read) == sorted(["bids", "anat", "sub-03", "anat"])
    read.clear()
    walk(cohort, known)
    fresh = walk(cohort)
    fresh.save(tmp_path / "index.json")
    read.clear()
    walk(cohort, load_index(tmp_path / "index.json", cohort))
    assert read == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 0, "root": "x", "folders": {}}'])
def test_an_index_that_is_none_is_made_anew(cohort, tmp_path, content):
    (tmp_path / "index.json").write_text(content)
    assert load_index(tmp_path / "index.json", cohort).folders == {}
    assert len(names(walk(cohort, load_index(tmp_path / "nowhere.json", cohort)))) == 2


def test_the_index_of_another_root_is_not_used(cohort, tmp_path):
    walk(cohort).save(tmp_path / "index.json")
    assert load_index(tmp_path / "index.json", tmp_path).folders == {}


def test_ixi_names_say_subject_site_and_contrast(tmp_path):
    for contrast in ("T1", "T2", "PD"):
        touch(tmp_path / f"IXI-{contrast}" / f"IXI002-Guys-0828-{contrast}.nii.gz")
    found = find_images(tmp_path)
    assert {f.session for f in found} == {"sub-IXI002"}
    assert sorted(f.suffix for f in found) == ["PDw", "T1w", "T2w"]
    assert {f.entities["site"] for f in found} == {"Guys"}
