"""One vector for each scan of a BIDS folder, once, whatever happens to the others."""

import csv
import json

import nibabel as nib
import numpy as np
import pytest

from qontrast.basics.errors import InputError, WriteError
from qontrast.tasks import embed as module
from qontrast.tasks.embed import embed
from qontrast.tasks.loading import load


def head(seed=0, shape=(36, 40, 34)):
    index = np.indices(shape, dtype=float)
    radius = sum(((i - (n - 1) / 2) / (0.42 * n)) ** 2 for i, n in zip(index, shape, strict=True))
    noise = np.random.default_rng(seed).normal(0, 20, shape)
    return ((400 + 300 * (radius < 0.5) + noise) * (radius < 1)).astype(np.float32)


AFFINE = np.array([[-2.0, 0, 0, 35], [0, 2, 0, -40], [0, 0, 2, -34], [0, 0, 0, 1]])
SCANS = (
    "sub-01/anat/sub-01_T1w.nii.gz",
    "sub-01/anat/sub-01_acq-fast_FLAIR.nii.gz",
    "sub-02/ses-a/anat/sub-02_ses-a_T1w.nii.gz",
    "sub-02/ses-b/anat/sub-02_ses-b_desc-preproc_T1w.nii",
)
OTHERS = (
    "sub-01/anat/sub-01_dseg.nii.gz",
    "sub-01/func/sub-01_task-rest_bold.nii.gz",
    "derivatives/x/sub-01/anat/sub-01_T1w.nii.gz",
    "sourcedata/sub-01/anat/sub-01_T1w.nii.gz",
)


@pytest.fixture
def dataset(tmp_path):
    """A BIDS folder of four scans, and images that are none."""
    for seed, name in enumerate(SCANS + OTHERS):
        path = tmp_path / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(head(seed), AFFINE), path)
    return tmp_path / "raw"


def run(dataset, packed, **options):
    return embed(dataset, packed, dataset.parent / "out", device="cpu", quiet=True, **options)


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


TABLES = [
    "sub-01/anat/sub-01_acq-fast_desc-FLAIR_embedding.tsv",
    "sub-01/anat/sub-01_desc-T1w_embedding.tsv",
    "sub-02/ses-a/anat/sub-02_ses-a_desc-T1w_embedding.tsv",
    "sub-02/ses-b/anat/sub-02_ses-b_desc-preprocT1w_embedding.tsv",
]


def test_every_scan_has_a_table_and_a_sidecar_by_the_names_of_bids(dataset, packed):
    summary = run(dataset, packed)
    out = dataset.parent / "out"
    assert sorted(str(p.relative_to(out)) for p in summary.written) == TABLES
    assert (summary.kept, summary.failed) == ((), ())
    sidecars = [name.replace(".tsv", ".json") for name in TABLES]
    assert files(out) == sorted([*TABLES, *sidecars, "dataset_description.json"])


def test_the_numbers_are_those_of_the_loaded_weights(dataset, packed):
    run(dataset, packed)
    loaded = load(packed, device="cpu")
    with (dataset.parent / "out" / TABLES[1]).open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert [row["feature"] for row in rows] == [str(i) for i in range(12)]
    assert np.array_equal(np.float32([row["value"] for row in rows]), loaded.embed(dataset / SCANS[0]))


def test_sidecar_and_description_say_by_which_weights(dataset, packed):
    run(dataset, packed)
    out, digest = dataset.parent / "out", load(packed, device="cpu").digest
    about = json.loads((out / TABLES[3]).with_suffix(".json").read_text())
    assert about["Sources"] == [f"bids:raw:{SCANS[3]}"]
    assert about["WeightsSHA256"] == digest
    description = json.loads((out / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    assert description["GeneratedBy"][0]["WeightsSHA256"] == digest
    assert description["GeneratedBy"][0]["Name"] == "qontrast"


def test_what_is_done_is_left_and_what_changed_is_done_again(dataset, packed):
    run(dataset, packed)
    out = dataset.parent / "out"
    before = {name: (out / name).stat().st_mtime_ns for name in TABLES}
    nib.save(nib.Nifti1Image(head(9), AFFINE), dataset / SCANS[0])
    (out / TABLES[0]).unlink()
    summary = run(dataset, packed)
    assert sorted(str(p.relative_to(out)) for p in summary.written) == TABLES[:2]
    assert len(summary.kept) == 2
    assert all((out / name).stat().st_mtime_ns == before[name] for name in TABLES[2:])


def test_features_lie_where_the_head_lies(dataset, packed):
    summary = run(dataset, packed, features=True)
    assert len(summary.written) == 4
    image = nib.load(dataset.parent / "out" / TABLES[1].replace("_embedding.tsv", "_features.nii.gz"))
    features, grid = load(packed, device="cpu").features(dataset / SCANS[0])
    assert image.shape == (*features.shape[1:], 12)
    assert np.allclose(image.affine, grid.affine)
    assert image.header.get_zooms()[:3] == (32, 32, 32)
    assert np.array_equal(np.moveaxis(np.asarray(image.dataobj), -1, 0), features)
    assert run(dataset, packed, features=True).written == ()


def test_features_that_are_wanted_later_are_added(dataset, packed):
    run(dataset, packed)
    assert len(run(dataset, packed, features=True).written) == 4


def test_a_bad_scan_costs_itself_alone(dataset, packed):
    (dataset / SCANS[1]).write_bytes(b"no image")
    nib.save(nib.Nifti1Image(np.full((30, 30, 30), np.nan, np.float32), AFFINE), dataset / SCANS[2])
    summary = run(dataset, packed)
    assert len(summary.written) == 2
    assert [path for path, _ in summary.failed] == [dataset / SCANS[1], dataset / SCANS[2]]
    assert "NaN" in summary.failed[1][1]
    assert not (dataset.parent / "out" / TABLES[2]).exists()


def test_a_full_disk_ends_the_run(dataset, packed, monkeypatch):
    def full(*_, **__):
        raise WriteError("no space")

    monkeypatch.setattr(module.EmbeddingFiles, "write", full)
    with pytest.raises(WriteError, match="no space"):
        run(dataset, packed)


def test_other_suffixes_can_be_asked_for(dataset, packed):
    assert len(run(dataset, packed, suffixes=("FLAIR",)).written) == 1
    with pytest.raises(InputError, match=r"no scan; wanted files named _PDw.*--suffix"):
        run(dataset, packed, suffixes=("PDw",))


def test_one_scan_is_embedded_whatever_its_name(dataset, packed, tmp_path, capsys):
    scan = tmp_path / "some where" / "scan.nii.gz"
    scan.parent.mkdir()
    scan.write_bytes((dataset / SCANS[0]).read_bytes())
    summary = embed(scan, packed, tmp_path / "one", device="cpu")
    (table,) = summary.written
    assert table.relative_to(tmp_path / "one").as_posix() == "scan/anat/scan_desc-scan_embedding.tsv"
    assert str(table) in capsys.readouterr().out
    with pytest.raises(InputError, match="no scan"):
        embed(scan, packed, tmp_path / "two", suffixes=("T1w",), device="cpu", quiet=True)


def test_two_scans_of_one_name_are_not_mixed(dataset, packed):
    nib.save(nib.Nifti1Image(head(5), AFFINE), dataset / "sub-01/anat/sub-01_T1w.nii")
    summary = run(dataset, packed)
    assert len(summary.written) == 4
    assert [why for _, why in summary.failed if "a second scan of that name" in why]


def test_embeddings_of_other_weights_are_not_mixed_in(dataset, packed, finished_run):
    run(dataset, packed)
    with pytest.raises(InputError, match=r"dataset_description\.json: found embeddings of other weights.*--out"):
        embed(dataset, finished_run, dataset.parent / "out", device="cpu", quiet=True)
    (dataset.parent / "out" / "dataset_description.json").write_text("{}")
    with pytest.raises(InputError, match="a data set of something else"):
        run(dataset, packed)


def test_derivatives_inside_the_data_set_are_not_embedded_again(dataset, packed):
    out = dataset / "embeddings"
    embed(dataset, packed, out, features=True, device="cpu", quiet=True)
    assert len(embed(dataset, packed, out, features=True, device="cpu", quiet=True).kept) == 4
