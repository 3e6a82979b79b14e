"""Every scan of a BIDS folder is segmented or denoised once, whatever happens to the others."""

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from qontrast.basics.errors import InputError, WriteError
from qontrast.tasks import predict_cohort as module
from qontrast.tasks.loading import digest_of
from qontrast.tasks.predict import predict
from qontrast.tasks.predict_cohort import predict_cohort

SHAPE = (30, 34, 32)
AFFINE = np.array([[-2.0, 0, 0, 29], [0, 2, 0, -34], [0, 0, 2, -32], [0, 0, 0, 1]])
SCANS = (
    "sub-01/anat/sub-01_T1w.nii.gz",
    "sub-01/anat/sub-01_acq-fast_FLAIR.nii.gz",
    "sub-02/ses-a/anat/sub-02_ses-a_T1w.nii.gz",
)
OTHERS = ("sub-01/anat/sub-01_dseg.nii.gz", "derivatives/x/sub-01/anat/sub-01_T1w.nii.gz")
RESULTS = (
    "sub-01/anat/sub-01_desc-T1w_dseg",
    "sub-01/anat/sub-01_acq-fast_desc-FLAIR_dseg",
    "sub-02/ses-a/anat/sub-02_ses-a_desc-T1w_dseg",
)


def head(seed):
    index = np.indices(SHAPE, dtype=float)
    radius = sum(((i - (n - 1) / 2) / (0.42 * n)) ** 2 for i, n in zip(index, SHAPE, strict=True))
    noise = np.random.default_rng(seed).normal(0, 20, SHAPE)
    return ((400 + 300 * (radius < 0.5) + noise) * (radius < 1)).astype(np.float32)


def save(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, AFFINE), path)


@pytest.fixture
def dataset(tmp_path):
    """A BIDS folder of three scans, and images that are none."""
    for seed, name in enumerate(SCANS + OTHERS):
        save(tmp_path / "raw" / name, head(seed))
    return tmp_path / "raw"


def run(dataset, model, **options):
    return predict_cohort(model, dataset, dataset.parent / "out", device="cpu", quiet=True, **options)


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_each_scan_has_a_segmentation_by_the_names_of_bids(dataset, segmenter):
    summary = run(dataset, segmenter)
    out = dataset.parent / "out"
    assert {path.relative_to(out).as_posix() for path in summary.written} == {f"{name}.nii.gz" for name in RESULTS}
    assert (summary.kept, summary.failed, summary.complaint) == ((), (), "")
    beside = [name + ending for name in RESULTS for ending in (".nii.gz", ".tsv", ".json")]
    assert files(out) == sorted([*beside, ".bidsignore", "dataset_description.json", "volumes.tsv"])
    assert json.loads((out / "dataset_description.json").read_text())["Name"] == "Segmentations"
    about = json.loads((out / f"{RESULTS[1]}.json").read_text())
    assert about["Sources"] == [f"bids:raw:{SCANS[1]}"]
    assert about["WeightsSHA256"] == digest_of(segmenter / "model.safetensors")


def test_a_segmentation_is_that_of_the_scan_alone(dataset, segmenter, tmp_path):
    run(dataset, segmenter)
    alone = predict(segmenter, dataset / SCANS[2], tmp_path / "alone.nii.gz", device="cpu", quiet=True)
    found = nib.load(dataset.parent / "out" / f"{RESULTS[2]}.nii.gz")
    assert np.array_equal(np.asarray(found.dataobj), np.asarray(nib.load(alone).dataobj))
    assert np.array_equal(found.affine, AFFINE)


def test_one_table_holds_all_volumes(dataset, segmenter):
    run(dataset, segmenter)
    out = dataset.parent / "out"
    with (out / "volumes.tsv").open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    who = {row["scan"]: (row["participant_id"], row["session_id"]) for row in rows}
    assert who == {
        "sub-01_T1w.nii.gz": ("sub-01", "n/a"),
        "sub-01_acq-fast_FLAIR.nii.gz": ("sub-01", "n/a"),
        "sub-02_ses-a_T1w.nii.gz": ("sub-02", "ses-a"),
    }
    volume = {row["scan"]: float(row["white matter (ml)"]) for row in rows}
    for scan, name in zip(SCANS, RESULTS, strict=True):
        classes = np.asarray(nib.load(out / f"{name}.nii.gz").dataobj)
        assert volume[scan.split("/")[-1]] == pytest.approx(np.count_nonzero(classes == 2) * 8 / 1000, abs=1e-3)


def test_what_is_done_is_left_and_what_changed_is_done_again(dataset, segmenter):
    run(dataset, segmenter)
    out = dataset.parent / "out"
    before = (out / f"{RESULTS[1]}.nii.gz").stat().st_mtime_ns
    save(dataset / SCANS[0], head(9))
    (out / f"{RESULTS[2]}.tsv").unlink()
    summary = run(dataset, segmenter)
    assert {path.name for path in summary.written} == {f"{RESULTS[i].split('/')[-1]}.nii.gz" for i in (0, 2)}
    assert (out / f"{RESULTS[1]}.nii.gz").stat().st_mtime_ns == before
    assert len(run(dataset, segmenter).kept) == 3


@pytest.mark.parametrize("later", [{"refine": True}, {"picture": True}])
def test_what_is_asked_for_otherwise_is_done_again(later, dataset, segmenter):
    run(dataset, segmenter, suffixes=("FLAIR",))
    assert len(run(dataset, segmenter, suffixes=("FLAIR",), **later).written) == 1
    assert len(run(dataset, segmenter, suffixes=("FLAIR",), **later).kept) == 1


def test_a_bad_scan_costs_itself_alone_and_the_table_holds_the_others(dataset, segmenter):
    (dataset / SCANS[0]).write_bytes(b"no image")
    summary = run(dataset, segmenter)
    assert len(summary.written) == 2
    assert [path for path, _ in summary.failed] == [dataset / SCANS[0]]
    assert summary.complaint.startswith("1 of 3 scans failed:\n")
    assert len((dataset.parent / "out" / "volumes.tsv").read_text().splitlines()) == 3


def test_a_full_disk_ends_the_run_and_the_table_holds_what_was_done(dataset, segmenter, monkeypatch):
    original, calls = module.use, []

    def full(*given, **named):
        calls.append(given)
        if len(calls) > 1:
            raise WriteError("no space")
        return original(*given, **named)

    monkeypatch.setattr(module, "use", full)
    with pytest.raises(WriteError, match="no space"):
        run(dataset, segmenter)
    assert len((dataset.parent / "out" / "volumes.tsv").read_text().splitlines()) == 2


def test_the_table_keeps_what_other_runs_made(dataset, segmenter):
    run(dataset, segmenter, suffixes=("T1w",))
    run(dataset, segmenter, suffixes=("FLAIR",))
    rows = (dataset.parent / "out" / "volumes.tsv").read_text().splitlines()[1:]
    assert [row.split("\t")[:2] for row in rows] == [["sub-01", "n/a"], ["sub-01", "n/a"], ["sub-02", "ses-a"]]


def test_the_table_passes_over_what_other_programmes_put_there_and_what_is_not_whole(dataset, segmenter):
    out = dataset.parent / "out"
    run(dataset, segmenter)
    save(out / "freesurfer/sub-01/anat/sub-01_dseg.nii.gz", head(0))
    (out / "freesurfer/sub-01/anat/sub-01_dseg.json").write_text("{}")
    (out / f"{RESULTS[1]}.tsv").unlink()
    run(dataset, segmenter, suffixes=("T1w",))
    assert len((out / "volumes.tsv").read_text().splitlines()) == 3


def test_the_table_names_the_scan_that_was_segmented_of_two_of_one_name(dataset, segmenter):
    save(dataset / "sub-02/ses-a/anat/sub-02_ses-a_T1w.nii", head(7))
    summary = run(dataset, segmenter)
    assert [why for _, why in summary.failed if "a second scan of that name" in why]
    table = (dataset.parent / "out" / "volumes.tsv").read_text()
    assert len(table.splitlines()) == 4
    assert "sub-02_ses-a_T1w.nii.gz" not in table  # .nii comes first


def test_an_interrupted_repetition_does_not_pass_for_what_was_asked_before(dataset, segmenter, monkeypatch):
    run(dataset, segmenter, refine=True, picture=True)

    def stopped(opened, image, out, **_):
        out.write_bytes(b"half done")
        raise WriteError("no space")

    with monkeypatch.context() as patch:
        patch.setattr(module, "use", stopped)
        with pytest.raises(WriteError):
            run(dataset, segmenter, refine=False)
    assert len(run(dataset, segmenter, refine=True, picture=True).written) == 1


def test_a_picture_of_an_older_result_does_not_stay(dataset, segmenter):
    run(dataset, segmenter, picture=True)
    save(dataset / SCANS[0], head(9))
    run(dataset, segmenter)
    assert not (dataset.parent / "out" / f"{RESULTS[0]}.png").exists()


def test_nothing_of_a_scan_before_stays_where_the_new_one_cannot_be_used(dataset, segmenter):
    run(dataset, segmenter)
    save(dataset / SCANS[0], np.zeros(SHAPE, np.float32))
    assert len(run(dataset, segmenter).failed) == 1
    assert not [name for name in files(dataset.parent / "out") if name.startswith(RESULTS[0])]


def test_a_background_amid_tissue_is_said_of_its_scan(dataset, segmenter, capsys):
    scan = head(0)
    brain = scan != 0
    scan[brain] = (scan[brain] - scan[brain].mean()) / scan[brain].std()
    save(dataset / SCANS[0], scan)
    predict_cohort(segmenter, dataset, dataset.parent / "out", device="cpu")
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("scaled to mean 0 within a mask") == 1
    assert f"note: {dataset / SCANS[0]}" in said


def test_what_an_older_version_made_is_made_again(dataset, segmenter, monkeypatch):
    run(dataset, segmenter)
    monkeypatch.setattr(module.qontrast, "__version__", "9.0")
    assert len(run(dataset, segmenter).written) == 3


def test_derivatives_in_the_data_set_are_no_scans_of_it(dataset, segmenter, denoiser):
    predict_cohort(denoiser, dataset, dataset / "denoised", device="cpu", quiet=True)
    assert len(run(dataset, segmenter).written) == 3


def test_sessions_told_by_their_folders_alone_are_kept_apart(dataset, segmenter):
    for session in "12":
        save(dataset / f"sub-03/ses-{session}/anat/sub-03_T1w.nii.gz", head(int(session)))
    assert not run(dataset, segmenter).failed
    own = [f"sub-03/ses-{s}/anat/sub-03_ses-{s}_desc-T1w_dseg.nii.gz" for s in "12"]
    assert all((dataset.parent / "out" / name).is_file() for name in own)
    with (dataset.parent / "out" / "volumes.tsv").open(newline="") as stream:
        rows = [(row["participant_id"], row["session_id"]) for row in csv.DictReader(stream, delimiter="\t")]
    assert rows[-2:] == [("sub-03", "ses-1"), ("sub-03", "ses-2")]
    for session in "12":  # one session's folder at a time
        predict_cohort(segmenter, dataset / f"sub-03/ses-{session}", dataset.parent / "one", device="cpu", quiet=True)
    assert all((dataset.parent / "one" / name).is_file() for name in own)


def test_a_source_past_the_working_folder_is_told_by_its_own_name(dataset, segmenter, monkeypatch):
    monkeypatch.chdir(dataset / "sub-02" / "ses-a" / "anat")
    out = dataset.parent / "out"
    predict_cohort(segmenter, Path("../../../sub-01"), out, device="cpu", quiet=True)
    about = json.loads((out / f"{RESULTS[0]}.json").read_text())
    assert about["Sources"] == [f"bids:raw:{SCANS[0]}"]
    links = json.loads((out / "dataset_description.json").read_text())["DatasetLinks"]
    assert links == {"raw": dataset.resolve().as_uri()}


def test_a_subject_that_is_a_link_to_elsewhere(dataset, segmenter):
    store = dataset.parent / "store" / "a"
    store.parent.mkdir()
    (dataset / "sub-02").rename(store)
    (dataset / "sub-02").symlink_to(store)
    summary = run(dataset, segmenter)
    assert (len(summary.written), summary.failed) == (3, ())
    about = json.loads((dataset.parent / "out" / f"{RESULTS[2]}.json").read_text())
    assert about["Sources"] == [f"bids:raw:{SCANS[2]}"]


def test_a_subject_that_cannot_be_read_is_listed_with_those_that_failed(dataset, segmenter):
    (dataset / "sub-03").symlink_to(dataset.parent / "unmounted")
    (dataset / "derivatives" / "sub-04").symlink_to(dataset.parent / "unmounted")
    summary = run(dataset, segmenter)
    assert len(summary.written) == 3
    assert summary.failed == ((dataset / "sub-03", "a symbolic link that leads nowhere"),)
    assert f"{dataset / 'sub-03'}: a symbolic link that leads nowhere" in summary.complaint


@pytest.mark.filterwarnings("ignore::qontrast.basics.errors.LeftOut")
def test_what_cannot_be_read_and_is_no_subject_fails_nothing(dataset, segmenter):
    for name in ("README", "sourcedata"):
        (dataset / name).symlink_to(dataset.parent / "unmounted")
    assert run(dataset, segmenter).failed == ()


def test_a_link_that_leads_round_in_a_circle_does_not_end_the_run(dataset, segmenter):
    (dataset / "sub-03").symlink_to(dataset / "sub-03")
    assert [path.name for path, _ in run(dataset, segmenter).failed] == ["sub-03"]


def test_a_folder_is_not_written_into_an_image(dataset, segmenter):
    with pytest.raises(InputError, match=r"seg\.nii\.gz: found the name of an image; wanted that of a folder in --out"):
        predict_cohort(segmenter, dataset, dataset.parent / "seg.nii.gz", quiet=True)


def test_denoised_scans_keep_their_suffix(dataset, denoiser, tmp_path):
    summary = run(dataset, denoiser)
    out = dataset.parent / "out"
    names = sorted(path.relative_to(out).as_posix() for path in summary.written)
    assert names == [
        "sub-01/anat/sub-01_acq-fast_desc-denoised_FLAIR.nii.gz",
        "sub-01/anat/sub-01_desc-denoised_T1w.nii.gz",
        "sub-02/ses-a/anat/sub-02_ses-a_desc-denoised_T1w.nii.gz",
    ]
    alone = predict(denoiser, dataset / SCANS[0], tmp_path / "alone.nii.gz", device="cpu", quiet=True)
    assert np.array_equal(nib.load(out / names[1]).get_fdata(), nib.load(alone).get_fdata())
    assert not (out / "volumes.tsv").exists()
    assert len(run(dataset, denoiser).kept) == 3
