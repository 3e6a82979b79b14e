"""Scores go into the ledger row by row, once."""

import math
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from qontrast.basics.errors import InputError, PlanError
from qontrast.report.page import write_report
from qontrast.report.runs import read_segmentations
from qontrast.results.ledger import read_rows
from qontrast.tasks.evaluate import _same_people, evaluate
from qontrast.tasks.finetune import finetune
from qontrast.tasks.plans import Cohort
from qontrast.tasks.prepare import Settings, prepare
from qontrast.weights.catalogue import FOLDER

KEYS = {
    "run", "arm", "data", "snr", "seed", "train_subjects", "model_digest", "subject", "contrast", "class", "dice",
    "hd95_mm", "truth_voxels", "predicted_voxels", "note", "labels", "schedule", "image",
    "trained_on", "task", "site", "lesions", "truth", "volume_error_ml",
}  # fmt: skip
CLASSES = ["grey matter", "white matter", "cerebrospinal fluid"]


def scans(folder, kinds):
    """A T1w of sub-01, with probability maps of the ``kinds`` that truly lie there."""
    anat = folder / "sub-01" / "anat"
    anat.mkdir(parents=True)
    index = np.indices((30, 32, 34)) - np.array([15, 16, 17]).reshape(3, 1, 1, 1)
    radius = np.sqrt((index**2).sum(axis=0))
    classes = np.select([radius < 6, radius < 10, radius < 13], [2, 1, 3], 0)
    image = np.array([5, 60, 100, 20], np.float32)[classes]
    affine = np.diag([-2.0, 2.0, 2.0, 1.0])
    nib.save(nib.Nifti1Image(image, affine), anat / "sub-01_T1w.nii.gz")
    for label, value in kinds.items():
        share = (classes == value).astype(np.float32)
        nib.save(nib.Nifti1Image(share, affine), anat / f"sub-01_label-{label}_probseg.nii.gz")
    return folder


@pytest.fixture
def copied(segmenter, tmp_path):
    """The trained segmenter in a folder of its own."""
    folder = tmp_path / "my-run"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes((segmenter / "model.safetensors").read_bytes())
    return folder


def test_a_row_for_each_subject_contrast_and_class(copied, labels_folder, tmp_path):
    ledger = tmp_path / "scores" / "results.jsonl"
    rows = evaluate(copied, Cohort(data=str(labels_folder)), ledger, contrasts=("mprage", "fse"), seed=3, quiet=True)
    assert read_rows(ledger) == rows
    assert [(r["subject"], r["contrast"], r["class"]) for r in rows] == [
        (s, c, k) for s in ("sub-01", "sub-02") for c in ("mprage", "fse") for k in CLASSES
    ]
    truth = {}
    for row in rows:
        assert row.keys() == KEYS
        assert (row["run"], row["arm"], row["seed"], row["train_subjects"], row["snr"]) == (
            "my-run",
            "scratch",
            3,
            2,
            30,
        )
        assert len(row["model_digest"]) == 12
        assert 0 <= row["dice"] <= 1
        assert 0 <= row["hd95_mm"] <= 80 * math.sqrt(3) + 1e-6
        truth.setdefault((row["subject"], row["class"]), set()).add(row["truth_voxels"])
    assert all(len(counts) == 1 for counts in truth.values())
    labels = np.asarray(nib.load(labels_folder / "sub-01" / "anat" / "sub-01_dseg.nii.gz").dataobj)
    assert truth["sub-01", "white matter"] == {int(np.isin(labels, (2, 41)).sum())}
    assert max(r["dice"] for r in rows if r["contrast"] == "mprage") > 0.3  # it has learned a little


def test_a_second_call_adds_nothing_and_returns_the_same(copied, labels_folder, tmp_path):
    ledger, cohort = tmp_path / "results.jsonl", Cohort(data=str(labels_folder))
    first = evaluate(copied, cohort, ledger, quiet=True)
    before = ledger.read_bytes()
    assert evaluate(copied, cohort, ledger, quiet=True) == first
    assert ledger.read_bytes() == before
    more = evaluate(copied, cohort, ledger, contrasts=("mprage", "flair"), quiet=True)
    assert [r for r in more if r["contrast"] == "mprage"] == first
    assert ledger.read_bytes().startswith(before)
    assert len(read_rows(ledger)) == 2 * len(first)


def test_the_same_scores_come_again_in_another_ledger(copied, labels_folder, tmp_path):
    cohort = Cohort(data=str(labels_folder), subjects=("sub-02",))
    one, two = (evaluate(copied, cohort, tmp_path / name, quiet=True) for name in ("a.jsonl", "b.jsonl"))
    assert one == two
    assert {row["subject"] for row in one} == {"sub-02"}


def test_subjects_of_one_name_in_other_data_are_scored_anew(copied, new_labels_folder, tmp_path):
    ledger = tmp_path / "results.jsonl"
    one, other = new_labels_folder(), new_labels_folder()
    file = other / "sub-01" / "anat" / "sub-01_dseg.nii.gz"
    image = nib.load(file)
    nib.save(nib.Nifti1Image(np.roll(np.asarray(image.dataobj), 2, axis=1), image.affine), file)
    first = evaluate(copied, Cohort(data=str(one)), ledger, quiet=True)
    second = evaluate(copied, Cohort(data=str(other)), ledger, quiet=True)
    assert len(read_rows(ledger)) == len(first) + len(second)
    assert [r["dice"] for r in first if r["subject"] == "sub-01"] != [
        r["dice"] for r in second if r["subject"] == "sub-01"
    ]


def test_another_noise_is_scored_anew(copied, labels_folder, tmp_path):
    ledger, cohort = tmp_path / "results.jsonl", Cohort(data=str(labels_folder), subjects=("sub-01",))
    evaluate(copied, cohort, ledger, quiet=True)
    noisy = evaluate(copied, cohort, ledger, snr=2.0, quiet=True)
    assert {row["snr"] for row in noisy} == {2.0}
    assert len(read_rows(ledger)) == 2 * len(noisy)


def test_real_scans_are_scored_in_the_classes_that_model_and_truth_share(copied, tmp_path):
    data = scans(tmp_path / "scans", {"GM": 1, "WM": 2})
    rows = evaluate(copied, Cohort(data=str(data)), tmp_path / "r.jsonl", name="mine", quiet=True)
    assert [(r["run"], r["subject"], r["contrast"], r["class"]) for r in rows] == [
        ("mine", "sub-01", "T1w", "grey matter"), ("mine", "sub-01", "T1w", "white matter"),
    ]  # fmt: skip
    again = evaluate(copied, Cohort(data=str(data)), tmp_path / "r.jsonl", name="mine", snr=5.0, quiet=True)
    assert again == rows  # noise is for simulated scans only
    found = read_segmentations(copied / "segmentations.npz")
    assert found.classes == ("background", "grey matter", "white matter")
    assert found.captions == ("sub-01, T1w",)


def test_no_class_in_common_is_refused(labels_folder, finetune_plan, copied, tmp_path):
    data = scans(tmp_path / "scans", {"tumour": 2})
    with pytest.raises(InputError, match=r"sub-01: found a truth of tumour.*grey matter.*another task"):
        evaluate(copied, Cohort(data=str(data)), tmp_path / "r.jsonl", quiet=True)
    assert not (tmp_path / "r.jsonl").exists()


def test_a_lesion_model_is_scored_on_lesions(finetune_plan, tmp_path):
    data = scans(tmp_path / "scans", {"tumour": 2})
    finetune(finetune_plan(data), tmp_path / "run", quiet=True)
    rows = evaluate(tmp_path / "run", Cohort(data=str(data)), tmp_path / "r.jsonl", quiet=True)
    assert [row["class"] for row in rows] == ["tumour"]


def test_the_report_shows_the_segmentations_and_the_scores(copied, labels_folder, tmp_path):
    ledger = tmp_path / "results.jsonl"
    evaluate(copied, Cohort(data=str(labels_folder)), ledger, quiet=True)
    found = read_segmentations(copied / "segmentations.npz")
    assert found.captions == ("sub-01, mprage", "sub-02, mprage")
    assert found.classes == ("background", *CLASSES)
    assert found.truth.max() == 3
    page = write_report(tmp_path / "report.html", title="t", runs=[copied], ledger=ledger).read_text()
    assert "sub-02, mprage" in page


@pytest.mark.parametrize(
    ("cohort", "contrasts", "message"),
    [
        ({}, ("mprge",), "contrasts: found 'mprge'.*Did you mean 'mprage'"),
        ({"subjects": ("sub-1",)}, ("fse",), "cohort.subjects: found 'sub-1'.*Did you mean 'sub-0[12]'"),
    ],
)
def test_an_unknown_name_is_refused(cohort, contrasts, message, copied, labels_folder, tmp_path):
    with pytest.raises(PlanError, match=message):
        evaluate(copied, Cohort(data=str(labels_folder), **cohort), tmp_path / "r", contrasts=contrasts, quiet=True)


def test_maps_have_no_truth_to_score_against(copied, maps_folder, tmp_path):
    with pytest.raises(InputError, match="tissue maps without labels"):
        evaluate(copied, Cohort(data=str(maps_folder())), tmp_path / "r", quiet=True)


def test_weights_are_scored_by_their_name_and_leave_nothing_beside_them(labels_folder, tmp_path):
    rows = evaluate(
        "tissue-nano", Cohort(data=str(labels_folder), subjects=("sub-01",)), tmp_path / "r.jsonl", quiet=True
    )
    assert {row["run"] for row in rows} == {"tissue-nano"}
    assert {path.suffix for path in FOLDER.iterdir()} == {".safetensors", ".md"}
    with pytest.raises(InputError, match="tissue-nano"):
        evaluate("tissue-nao", Cohort(data=str(labels_folder)), tmp_path / "r.jsonl", quiet=True)


def test_a_folder_without_model_is_refused(labels_folder, tmp_path):
    with pytest.raises(InputError, match=r"model\.safetensors"):
        evaluate(Path(tmp_path), Cohort(data=str(labels_folder)), tmp_path / "r", quiet=True)


def test_heads_that_the_model_was_trained_on_are_marked(finetune_plan, labels_folder, tmp_path, capsys):
    plan = replace(finetune_plan(labels_folder), cohort=Cohort(data=str(labels_folder), subjects=("sub-01",)))
    finetune(plan, tmp_path / "run", quiet=True)
    rows = evaluate(tmp_path / "run", Cohort(data=str(labels_folder)), tmp_path / "r.jsonl")
    assert {(row["subject"], row["trained_on"]) for row in rows} == {("sub-01", True), ("sub-02", False)}
    assert "warning: sub-01 is among the heads" in capsys.readouterr().out


def test_heads_are_known_again_by_another_path_and_in_a_cache(finetune_plan, labels_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(labels_folder.parent)
    plan = replace(finetune_plan(labels_folder), cohort=Cohort(data=labels_folder.name, subjects=("sub-01",)))
    finetune(plan, tmp_path / "run", quiet=True)
    prepare(Settings(str(labels_folder)), tmp_path / "cache", jobs=1, quiet=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for k, data in enumerate((labels_folder, tmp_path / "cache")):
        rows = evaluate(tmp_path / "run", Cohort(data=str(data)), tmp_path / f"{k}.jsonl", quiet=True)
        assert {(row["subject"], row["trained_on"]) for row in rows} == {("sub-01", True), ("sub-02", False)}
    monkeypatch.chdir(tmp_path)
    for stated in ("cache", str(tmp_path / "cache"), str(labels_folder), "elsewhere/../cache"):  # by older versions
        assert _same_people(stated, "cache")
        assert _same_people(stated, str(labels_folder))
        assert not _same_people(stated, str(tmp_path / "elsewhere"))
    assert _same_people(labels_folder.name, str(labels_folder))  # packed weights say no more
    assert not _same_people("embedded", "cache")
    assert not _same_people("", "cache")
