"""Leaks: each kind is refused at the start of every run, by name."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest

from qontrast.basics.errors import InputError, PlanError
from qontrast.nets.encoder import CNNEncoder
from qontrast.studies import digests as module
from qontrast.studies.digests import Digests, digest_of
from qontrast.studies.leaks import LeakError
from qontrast.studies.study import open_study
from qontrast.tasks.prepare import Settings, prepare
from qontrast.views.normalise import NORMALISATION
from qontrast.weights.encoder import save_encoder


@pytest.fixture
def opened(study_plan, people, tmp_path):
    """``opened(**changes)``: opens the study of six people in ``people``, two sessions each, again and again."""
    data = people(count=6, sessions=2)

    def again(**changes):
        return open_study(study_plan(data, **changes), tmp_path / "study", quiet=True)

    again.data, again.splits = data, tmp_path / "study" / "splits.json"
    return again


def file_of(opened, name):
    sub = name.split("_")[0]
    return opened.data / sub / "anat" / f"{name}_dseg.nii.gz"


def test_a_person_with_sessions_on_both_sides(opened):
    opened()
    content = json.loads(opened.splits.read_text())
    session = content["sessions"]["here"]["sub-03_ses-2"]
    session["side"] = "train" if session["side"] == "test" else "test"
    opened.splits.write_text(json.dumps(content))
    with pytest.raises(LeakError, match=r"sub-03 on both sides: sub-03_ses-1 at here.*sub-03_ses-2 at here"):
        opened()


def test_a_renamed_person_with_sessions_on_both_sides(opened):
    opened()
    content = json.loads(opened.splits.read_text())
    session = content["sessions"]["here"]["sub-03_ses-2"]
    session["side"] = "train" if session["side"] == "test" else "test"
    session["person"] = "somebody else"
    opened.splits.write_text(json.dumps(content))
    with pytest.raises(LeakError, match="both sides"):
        opened()


def copied(source, target):
    shutil.copyfile(source, target)


def other_header(source, target):
    image = nib.load(source)
    header = image.header.copy()
    header["descrip"] = b"another scanner"
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj).astype(np.int32), image.affine + 0.5, header), target)


def uncompressed(source, target):
    nib.save(nib.load(source), target.with_name(target.name.removesuffix(".gz")))
    target.unlink()


def flipped(source, target):
    image = nib.load(source)
    data, affine = np.asarray(image.dataobj)[::-1].transpose(1, 0, 2), image.affine.copy()
    affine[:3, 3] += affine[:3, 0] * (image.shape[0] - 1)
    affine[:, 0] *= -1
    nib.save(nib.Nifti1Image(data, affine[:, [1, 0, 2, 3]]), target)


@pytest.mark.parametrize("disguise", [copied, other_header, uncompressed, flipped])
def test_one_scan_under_two_names(opened, disguise):
    disguise(file_of(opened, "sub-01_ses-1"), file_of(opened, "sub-05_ses-2"))
    with pytest.raises(LeakError, match=r"the same voxels as in .*sub-01_ses-1.*sub-05 and sub-01 share a scan"):
        opened()
    assert not opened.splits.exists()


def test_a_copy_within_one_person_is_no_leak(opened):
    copied(file_of(opened, "sub-01_ses-1"), file_of(opened, "sub-01_ses-2"))
    opened()


def test_empty_masks_are_all_alike_and_no_copies(tmp_path):
    for name in ("a", "b"):
        nib.save(nib.Nifti1Image(np.zeros((4, 5, 6), np.uint8), np.eye(4)), tmp_path / f"{name}_mask.nii.gz")
    assert digest_of(tmp_path / "a_mask.nii.gz").content == digest_of(tmp_path / "b_mask.nii.gz").content == ""


def test_a_test_list_that_overlaps_training(opened):
    shares = {"train": 0.5, "validation": 0.0, "test": 0.5}
    both = {"train_subjects": ["sub-02", "sub-04"], "test_subjects": ["sub-03", "sub-04"]}
    with pytest.raises(PlanError, match=r"split\.test_subjects: found sub-04, also among train_subjects"):
        opened(split={**shares, **both})
    sessions = {"train_subjects": ["sub-02_ses-1"], "test_subjects": ["sub-02_ses-2"]}
    with pytest.raises(PlanError, match=r"test_subjects: found sub-02_ses-2, of sub-02, who is also among"):
        opened(split={**shares, **sessions})


@pytest.mark.parametrize("how", ["named", "all of them", "copied elsewhere"])
def test_a_pretraining_on_test_subjects(opened, people, how):
    tested = opened().split.names("here", "test")[0]
    cohort = {"data": str(opened.data)}
    if how == "named":
        cohort["subjects"] = [tested]
    if how == "copied elsewhere":
        elsewhere = people("elsewhere", 3, first=60)
        copied(file_of(opened, tested), elsewhere / "sub-02" / "anat" / "sub-02_dseg.nii.gz")
        cohort = {"data": str(elsewhere)}
    person = tested.split("_")[0] if how != "all of them" else "sub-0"
    with pytest.raises(LeakError, match=rf"arms\.ours: found {person}.*whom the study tests on"):
        opened(arms={"ours": {"pretrain": {"cohort": cohort}}})


def test_a_pretraining_on_a_cache_of_test_subjects(opened, tmp_path):
    opened()
    prepare(Settings(str(opened.data)), tmp_path / "cache", jobs=1, quiet=True)
    with pytest.raises(LeakError, match=r"arms\.ours: found sub-0.*whom the study tests on"):
        opened(arms={"ours": {"pretrain": {"cohort": {"data": str(tmp_path / "cache")}}}})


def test_what_a_cache_keeps_beside_label_maps_is_no_scan(tmp_path):
    content = dict.fromkeys(("sketch_from_ventricles.b2nd", "labels.b2nd"), b"the same")
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    assert [bool(digest_of(tmp_path / name).content) for name in content] == [False, True]


def test_another_session_of_a_test_subject_where_sites_name_their_people(study_plan, people, tmp_path):
    data = people(count=6, sessions=2)
    first = [f"sub-0{number}_ses-1" for number in range(1, 7)]
    site = {"contrasts": {"T1w": "mprage"}, "people": "ours", "subjects": first}
    cohort = {"data": str(data), "subjects": [name.replace("ses-1", "ses-2") for name in first]}
    plan = study_plan(data, sites={"here": site}, arms={"ours": {"pretrain": {"cohort": cohort}}})
    with pytest.raises(LeakError, match=r"arms\.ours: found sub-0.*whom the study tests on"):
        open_study(plan, tmp_path / "study", quiet=True)


def test_subjects_that_came_after_the_split_play_no_part(opened):
    arms = {"ours": {"pretrain": {}}}
    before = opened(arms=arms)
    new = nib.load(file_of(opened, "sub-01_ses-1"))
    labels = np.asarray(new.dataobj).copy()
    labels[1, 1, 1:4] = 258
    (opened.data / "sub-09" / "anat").mkdir(parents=True)
    nib.save(nib.Nifti1Image(labels, new.affine), opened.data / "sub-09" / "anat" / "sub-09_dseg.nii.gz")
    assert opened(arms=arms).split == before.split


def test_people_of_two_folders_are_all_pretrained_on(study_plan, people, tmp_path):
    folders = [people("a", 4), people("b", 6, first=20)]
    sites = {
        name: {"contrasts": {"T1w": "mprage"}, "people": "travel", "data": str(folder)}
        for name, folder in zip(("one", "two"), folders, strict=True)
    }
    plan = study_plan(folders[0], sites=sites, train=["one/T1w"], arms={"ours": {"pretrain": {}}})
    study = open_study(plan, tmp_path / "study", quiet=True)
    made = study.pretrain_plan("ours")
    seen = {(cohort.data, name) for cohort in (made.cohort, *made.others) for name in cohort.subjects}
    wanted = [(str(folder), site) for folder, site in zip(folders, ("one", "two"), strict=True)]
    assert seen == {(data, name) for data, site in wanted for name in study.split.names(site, "train")}


def test_a_pretraining_on_others_or_on_the_training_subjects_is_none(opened, people):
    train = opened().split.names("here", "train")
    others = {"cohort": {"data": str(people("elsewhere", 3, first=60))}}
    same = {"cohort": {"data": str(opened.data), "subjects": list(train)}}
    study = opened(arms={"a": {"pretrain": others}, "b": {"pretrain": same}, "c": {"pretrain": {}}})
    assert study.pretrain_plan("c").cohort.subjects == train


def encoder(tmp_path, data, subjects):
    plan = {"cohort.data": str(data), "cohort.subjects": list(subjects), "views.arm": "seqinv"}
    file = tmp_path / "ours.safetensors"
    net = CNNEncoder((4, 4, 8, 8, 12))
    save_encoder(file, net, spacing=2.5, crop=32, normalisation=NORMALISATION, plan=plan)
    return str(file)


def test_given_weights_that_say_they_saw_test_subjects(opened, tmp_path, capsys):
    split = opened().split
    train, tested = split.names("here", "train"), split.names("here", "test")
    with pytest.raises(LeakError, match=r"arms\.ours.*whom the study tests on.*pretrain without them"):
        opened(arms={"ours": {"encoder": encoder(tmp_path, opened.data, [*train, tested[0]])}})
    opened(arms={"ours": {"encoder": encoder(tmp_path, opened.data, train)}})


def test_weights_from_elsewhere_are_said_to_be_unchecked(study_plan, people, tmp_path, capsys):
    plan = study_plan(people(), arms={"ours": {"encoder": encoder(tmp_path, "/of/another/machine", ["sub-01"])}})
    open_study(plan, tmp_path / "study")
    assert "pretrained on /of/another/machine, not on this machine" in capsys.readouterr().out


def test_a_changed_file(opened):
    opened()
    file = file_of(opened, "sub-04_ses-1")
    other_header(file, file)
    with pytest.raises(InputError, match=r"changed: sub-04/anat/sub-04_ses-1_dseg.nii.gz of sub-04_ses-1\b.*Restore"):
        opened()


def test_another_table_of_labels_is_no_changed_scan_but_what_was_made_by_the_old_one_is_made_anew(opened):
    def digests(study):
        return {scan.digest for scan in study.scans} | {study.digest(cell) for cell in study.cells.values()}

    before = digests(opened())
    table = opened.data / "dseg.tsv"
    table.write_text("index\ttissue\n0\tair\n2\twhite matter\n3\tcortical grey matter\n24\tcerebrospinal fluid\n")
    given = digests(opened())
    assert not before & given
    table.write_text(table.read_text().replace("cerebrospinal fluid", "air"))
    assert not digests(opened()) & (before | given)
    table.unlink()
    assert digests(opened()) == before


def test_vanished_subjects(opened):
    opened()
    shutil.rmtree(opened.data / "sub-04")
    with pytest.raises(InputError, match="vanished: sub-04_ses-1 at here, sub-04_ses-2 at here"):
        opened()


@pytest.mark.parametrize("changes", [{"seed": 1}, {"split": {"train": 0.6, "validation": 0.0, "test": 0.4}}])
def test_a_plan_that_asks_for_another_split(opened, changes):
    opened()
    with pytest.raises(InputError, match="the split that the study began with"):
        opened(**changes)


def test_a_damaged_split(opened):
    opened()
    opened.splits.write_text(opened.splits.read_text()[:-40])
    with pytest.raises(InputError, match="a damaged split"):
        opened()


def test_a_second_start_reads_no_file_again(opened, monkeypatch):
    opened()
    monkeypatch.setattr(module, "digest_of", lambda path: pytest.fail(f"{path} was read"))
    opened()
    file = file_of(opened, "sub-01_ses-1")
    file.touch()
    with pytest.raises(pytest.fail.Exception, match="sub-01_ses-1"):
        opened()


def test_a_damaged_store_of_digests_is_made_anew(opened):
    opened()
    opened.splits.with_name("digests.json").write_text('{"x": 3, "y": [1]}')
    opened()
    assert Digests(opened.splits.parent).of(file_of(opened, "sub-01_ses-1")).content


def test_embedded_heads_go_by_their_names(study_plan, tmp_path):
    arms = {"ours": {"pretrain": {"cohort": {"data": "embedded", "embedded": 30}}}}
    with pytest.raises(LeakError, match=r"sub-mni\d+ of embedded"):
        open_study(study_plan("embedded", arms=arms), tmp_path / "study", quiet=True)
    study = open_study(study_plan("embedded"), tmp_path / "other", quiet=True)
    assert len({scan.digest for scan in study.scans}) == 10
