"""Lesion segmentation from end to end, in label maps with masks and on a real stroke; and soft labels of tissues."""

import json
import os
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from qontrast.anatomy.pathology import PathologyRanges
from qontrast.basics.errors import InputError, PlanError
from qontrast.tasks.assignments import ASSIGNMENTS
from qontrast.tasks.evaluate import evaluate
from qontrast.tasks.exam_segmentation import spoken, unseen
from qontrast.tasks.finetune import finetune
from qontrast.tasks.plans import Cohort
from qontrast.weights.segmenter import load_segmenter

DATA = Path(os.environ.get("QONTRAST_DATA", "/QONTRAST_DATA-is-not-set"))
ALWAYS = PathologyRanges(lesions=1.0, kinds=("chronic-stroke",), ageing=0.0)
NEVER = PathologyRanges(lesions=1e-9, kinds=("chronic-stroke",), ageing=0.0)


def with_lesions(plan, ranges=ALWAYS, **changes):
    return replace(plan, task="lesion", views=replace(plan.views, pathology=ranges), **changes)


@pytest.fixture(scope="session")
def lesion_model(new_labels_folder, finetune_plan, tmp_path_factory):
    out = tmp_path_factory.mktemp("shared") / "lesion"
    finetune(with_lesions(finetune_plan(new_labels_folder())), out, quiet=True)
    return out


@pytest.fixture
def copied(lesion_model, tmp_path):
    folder = tmp_path / "my-run"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes((lesion_model / "model.safetensors").read_bytes())
    return folder


def write_scan(folder, name, mask, suffix="label-lesion_mask"):
    """A T2w with a bright ball, and ``mask`` as its truth."""
    anat = folder / name / "anat"
    anat.mkdir(parents=True)
    image = np.random.default_rng(0).normal(50, 3, mask.shape).astype(np.float32) + 40 * (mask > 0)
    for data, what in ((image, "T2w"), (mask, suffix)):
        nib.save(nib.Nifti1Image(data, np.diag([2.0, 2, 2, 1])), anat / f"{name}_{what}.nii.gz")


def ball(radius):
    index = np.indices((36, 34, 32)) - np.array([17, 16, 15]).reshape(3, 1, 1, 1)
    return (np.sqrt((index**2).sum(axis=0)) < radius).astype(np.uint8)


@pytest.mark.parametrize(
    ("learned", "folder", "masks"),
    [
        (PathologyRanges(folder="masks"), None, "testing"),
        (PathologyRanges(folder="masks"), "masks/../masks", "testing"),
        (PathologyRanges(folder="masks"), "copy", "testing"),
        (PathologyRanges(folder="masks"), "others", "all"),
        (PathologyRanges(folder="gone"), "others", "testing"),  # whose they were is not known any more
        (PathologyRanges(folder="masks", masks="all"), None, "all"),
        (PathologyRanges(), "masks", "all"),
        (PathologyRanges(), None, "all"),
    ],
)
def test_tests_have_masks_that_nothing_was_learned_from(learned, folder, masks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, people in (("masks", "123"), ("copy", "34"), ("others", "56")):
        (tmp_path / name).mkdir()
        for person in people:
            (tmp_path / name / f"sub-{person}_mask.nii.gz").touch()
    found = unseen(learned, learned, folder)
    assert (found.masks, found.folder) == (masks, folder or learned.folder)
    assert ("left out of learning" in spoken(found)) == (masks == "testing")


def test_label_maps_are_given_lesions_and_every_head_is_scored(copied, labels_folder, tmp_path):
    cohort = Cohort(data=str(labels_folder))
    rows = evaluate(copied, cohort, tmp_path / "r", contrasts=("fse", "flair"), quiet=True)
    assert [(r["subject"], r["contrast"], r["class"]) for r in rows] == [
        (s, c, "lesion") for s in ("sub-01", "sub-02") for c in ("fse", "flair")
    ]
    for row in rows:
        assert (row["task"], row["truth"]) == ("lesion", "simulated")
        assert row["lesions"] == "chronic-stroke, drawn shapes, in 1 of heads"
        assert (row["person"], row["truth_voxels"] > 0) == ("chronic-stroke", True)
        assert row["lesion_truth"] >= 1
        assert 0 <= row["lesion_f1"] <= 1
        assert row["volume_error_ml"] == pytest.approx((row["predicted_voxels"] - row["truth_voxels"]) * 8 / 1000)
    healthy = evaluate(copied, cohort, tmp_path / "r", contrasts=("fse",), pathology=NEVER, quiet=True)
    assert [r["subject"] for r in healthy] == ["sub-01", "sub-02"]
    assert all(r["truth_voxels"] == 0 and r["note"] in ("empty truth", "both empty") for r in healthy)
    assert all(r["dice"] == (r["note"] == "both empty") for r in healthy)
    assert not any("person" in row for row in healthy)


def test_masks_from_a_folder_are_what_the_heads_get(copied, labels_folder, tmp_path):
    (tmp_path / "masks").mkdir()
    mask = np.zeros((24, 24, 24), np.uint8)
    mask[2:-2, 2:-2, 2:-2] = 1
    affine = np.diag([1.0, 1, 1, 1])
    affine[:3, 3] = [10, -12, 0]
    nib.save(nib.Nifti1Image(mask, affine), tmp_path / "masks" / "lesion-1_space-MNI152_mask.nii.gz")
    cohort = Cohort(data=str(labels_folder), subjects=("sub-01",))
    drawn = evaluate(copied, cohort, tmp_path / "r", quiet=True)
    masked = evaluate(copied, cohort, tmp_path / "r", masks=str(tmp_path / "masks"), quiet=True)
    assert str(tmp_path / "masks") in masked[0]["lesions"]
    assert masked[0]["truth_voxels"] != drawn[0]["truth_voxels"]


def test_real_scans_without_a_lesion_are_learned_from_and_scored(finetune_plan, tmp_path):
    for name, radius in (("sub-01", 6), ("sub-02", 0)):
        write_scan(tmp_path / "scans", name, ball(radius))
    finetune(replace(finetune_plan(tmp_path / "scans", task="lesion"), loss="dice-focal"), tmp_path / "run", quiet=True)
    assert load_segmenter(tmp_path / "run")[1].plan["labelled_heads"] == 2
    rows = evaluate(tmp_path / "run", Cohort(data=str(tmp_path / "scans")), tmp_path / "r", quiet=True)
    assert [(r["subject"], r["lesion_truth"]) for r in rows] == [("sub-01", 1), ("sub-02", 0)]
    assert all(r["lesions"] is None and r["snr"] is None and r["truth"] == "given" for r in rows)


def test_no_lesion_in_any_training_subject_is_refused(finetune_plan, tmp_path):
    for name in ("sub-01", "sub-02"):
        write_scan(tmp_path / "scans", name, ball(0))
    with pytest.raises(InputError, match=r"no voxel of lesion in any of 2 training subjects.*Add such a subject"):
        finetune(finetune_plan(tmp_path / "scans", task="lesion"), tmp_path / "run", quiet=True)
    assert not list((tmp_path / "run").glob("*"))


def test_a_tissue_that_no_label_map_has_is_refused(finetune_plan, labels_folder, tmp_path):
    for file in labels_folder.rglob("*_dseg.nii.gz"):
        image = nib.load(file)
        data = np.asarray(image.dataobj).copy()
        data[np.isin(data, (24, 4, 43))] = 0
        nib.save(nib.Nifti1Image(data, image.affine), file)
    with pytest.raises(InputError, match=r"no voxel of cerebrospinal fluid in any of 2 training subjects.*--labels"):
        finetune(finetune_plan(labels_folder), tmp_path / "run", quiet=True)


def test_label_maps_without_lesions_are_refused(finetune_plan, labels_folder, tmp_path):
    none = PathologyRanges(lesions=0.0, ageing=0.0)
    with pytest.raises(PlanError, match=r"views.pathology.lesions: found 0"):
        finetune(with_lesions(finetune_plan(labels_folder), none), tmp_path / "run", quiet=True)


def test_scans_without_any_truth_are_refused_in_words(finetune_plan, tmp_path):
    write_scan(tmp_path / "scans", "sub-01", ball(5), suffix="FLAIR")
    for task in ("segment", "lesion"):
        with pytest.raises(InputError, match=r"sub-01: found scans without a truth.*wanted a scan with its truth"):
            finetune(finetune_plan(tmp_path / "scans", task=task), tmp_path / task, quiet=True)


def test_one_subject_alone_is_learned_from_and_said(finetune_plan, tmp_path, capsys):
    write_scan(tmp_path / "scans", "sub-01", ball(6))
    finetune(finetune_plan(tmp_path / "scans", steps=1, task="lesion"), tmp_path / "run")
    assert "note: sub-01 alone is learned from" in capsys.readouterr().out


def write_shares(folder, name, automatic=False):
    anat = folder / name / "anat"
    anat.mkdir(parents=True)
    near, far = ball(6).astype(np.float32), ball(11).astype(np.float32)
    image = 20 + 60 * near + 30 * far
    files = {"T1w": image, "label-GM_probseg": 0.9 * (far - near), "label-WM_probseg": 0.8 * near}
    for what, data in files.items():
        nib.save(nib.Nifti1Image(data.astype(np.float32), np.diag([2.0, 2, 2, 1])), anat / f"{name}_{what}.nii.gz")
        if automatic and what != "T1w":
            (anat / f"{name}_{what}.json").write_text(json.dumps({"Automatic": True, "Method": "a programme"}))


def test_shares_are_learned_and_scored_by_the_largest(finetune_plan, tmp_path):
    write_shares(tmp_path / "scans", "sub-01")
    finetune(finetune_plan(tmp_path / "scans"), tmp_path / "run", quiet=True)
    rows = evaluate(tmp_path / "run", Cohort(data=str(tmp_path / "scans")), tmp_path / "r", quiet=True)
    assert [(r["class"], r["truth_voxels"]) for r in rows] == [
        ("grey matter", int(ball(11).sum()) - int(ball(6).sum())), ("white matter", int(ball(6).sum())),
    ]  # fmt: skip
    example = ASSIGNMENTS["segment"](finetune_plan(tmp_path / "scans"), quiet=True).make(0, 0, 0)
    assert example["truth"].shape == (3, 32, 32, 32)
    assert float(example["truth"][1].max()) == pytest.approx(0.9, abs=0.01)


def test_automatic_truths_say_so_and_do_not_mix(finetune_plan, tmp_path):
    write_shares(tmp_path / "scans", "sub-01")
    write_shares(tmp_path / "scans", "sub-02", automatic=True)
    plan = finetune_plan(tmp_path / "scans", steps=1)
    with pytest.raises(InputError, match=r"truths that a programme made.*sub-02.*cohort.mixed_truths"):
        finetune(plan, tmp_path / "run", quiet=True)
    mixed = replace(plan.cohort, mixed_truths=True)
    finetune(replace(plan, cohort=mixed), tmp_path / "mixed", quiet=True)
    rows = evaluate(tmp_path / "mixed", mixed, tmp_path / "r", quiet=True)
    assert [(r["subject"], r["truth"]) for r in rows[::2]] == [("sub-01", "given"), ("sub-02", "automatic")]


@pytest.mark.skipif(not (DATA / "scans" / "sub-stroke").is_dir(), reason="no scans/sub-stroke in QONTRAST_DATA")
def test_on_a_real_stroke(finetune_plan, tmp_path):
    cohort = Cohort(data=str(DATA / "scans"), subjects=("sub-stroke",))
    plan = replace(finetune_plan(DATA, steps=2, task="lesion"), cohort=cohort)
    plan = replace(plan, views=replace(plan.views, spacing=4.0))
    finetune(plan, tmp_path / "run", quiet=True)
    (row,) = evaluate(tmp_path / "run", cohort, tmp_path / "r", quiet=True)
    assert (row["class"], row["contrast"]) == ("lesion", "T2w")
    assert row["truth_voxels"] / 1000 == pytest.approx(37.9, abs=0.1)  # of 1 mm


@pytest.mark.skipif(not (DATA / "lesions").is_dir(), reason="no lesions in QONTRAST_DATA")
def test_real_masks_in_a_real_head(finetune_plan, tmp_path):
    cohort = Cohort(data=str(DATA / "anatomies"), subjects=("sub-01",))
    ranges = replace(ALWAYS, folder=str(DATA / "lesions"))
    plan = with_lesions(replace(finetune_plan(DATA, steps=1), cohort=cohort), ranges)
    plan = replace(plan, views=replace(plan.views, spacing=4.0))
    finetune(plan, tmp_path / "run", quiet=True)
    (row,) = evaluate(tmp_path / "run", cohort, tmp_path / "r", contrasts=("fse",), quiet=True)
    assert row["truth_voxels"] > 0
    assert row["trained_on"]
    assert "left out of learning" in row["lesions"]
