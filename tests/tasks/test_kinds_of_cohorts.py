"""Cohorts of the three kinds go from their folders to view pairs that are the same for any number of processes."""

import shutil

import nibabel as nib
import numpy as np
import pytest
import torch

from qontrast.anatomy.cohort import find_subjects
from qontrast.anatomy.prepared import read_manifest
from qontrast.tasks.prepare import Settings, prepare
from qontrast.views.loader import Examples, batches
from qontrast.views.maker import PairMaker
from qontrast.views.plan import ViewPlan

TOOLBOX = {"PDmap": "PD", "R1map": "R1", "R2starmap": "R2s_OLS", "MTsat": "MTsat"}
PERCENT = {"PDmap": 100.0, "MTsat": 100.0}
PEOPLE = ("IXI002-Guys-0828", "IXI012-HH-1211", "IXI035-IOP-0873")


def toolbox_folder(maps_folder, folder):
    """Two people as the hMRI toolbox leaves them: ``p1/Results/<series>_R1.nii``, rates in 1/s."""
    for person in ("p1", "p2"):
        for file in maps_folder().rglob("*.nii.gz"):
            image = nib.load(file)
            name = TOOLBOX[file.name.split("_")[1].split(".")[0]]
            target = folder / person / "Results" / f"s2013-{person}-1-00001-00224_{name}.nii"
            target.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(image.get_fdata(dtype=np.float32), image.affine), target)


def ixi_folder(maps_folder, folder):
    """Three people as IXI's archives unpack: all files in one folder."""
    folder.mkdir()
    scan = nib.load(next(maps_folder().rglob("*R1map.nii.gz")))
    values = scan.get_fdata(dtype=np.float32)
    for number, person in enumerate(PEOPLE):
        for contrast, image in (("T1", values), ("T2", 1.5 - values), ("PD", np.sqrt(values))):
            shown = np.where(values > 0, (100 + number) * image, 0).astype(np.float32)
            nib.save(nib.Nifti1Image(shown, scan.affine), folder / f"{person}-{contrast}.nii.gz")


@pytest.fixture(scope="module", params=["maps", "labels", "scans"])
def cache(request, maps_folder, new_labels_folder, tmp_path_factory):
    """A prepared cache of each kind, and the folder it was made of, moved away."""
    folder = tmp_path_factory.mktemp(request.param)
    cohort = folder / "cohort"
    if request.param == "maps":
        toolbox_folder(maps_folder, cohort)
    elif request.param == "scans":
        ixi_folder(maps_folder, cohort)
    else:
        shutil.copytree(new_labels_folder(), cohort)
    summary = prepare(Settings(str(cohort)), folder / "cache", jobs=1, quiet=True)
    assert not summary.left_out
    shutil.rmtree(cohort)
    return request.param, folder / "cache"


def test_a_folder_of_each_kind_is_prepared(cache):
    kind, folder = cache
    entries = read_manifest(folder)["subjects"]
    names = {"maps": ["p1", "p2"], "labels": ["sub-01", "sub-02"], "scans": [f"sub-{p.split('-')[0]}" for p in PEOPLE]}
    assert {entry["kind"] for entry in entries.values()} == {kind}
    assert list(entries) == names[kind] or kind == "scans"
    if kind == "scans":
        assert [entry["site"] for entry in entries.values()] == ["Guys", "HH", "IOP"]
        assert set(find_subjects(str(folder))[0].open().scans) == {"T1w", "T2w", "PDw"}


def test_views_from_a_cache_are_the_same_for_any_number_of_processes_and_ranks(cache):
    """Batch equals single; 0, 1 and 3 loader processes; two ranks."""
    heads = [source.open() for source in find_subjects(str(cache[1]))]
    examples = Examples(PairMaker(heads, ViewPlan(arm="seqinv", crop=16, spacing=3.0), 3), len(heads), 2, 3)
    here = list(batches(examples, 0, 4, 0))
    for step, batch in enumerate(here):
        for name, values in batch.items():
            assert torch.isfinite(values).all()
            single = [examples[2 * step + slot][name] for slot in range(2)]
            assert torch.equal(values, torch.stack(single))
    for workers in (1, 3):
        there = list(batches(examples, 0, 4, workers))
        assert all(torch.equal(a[n], b[n]) for a, b in zip(here, there, strict=True) for n in a)
    ranks = [list(batches(examples, 0, 4, 1, rank=rank, ranks=2)) for rank in (0, 1)]
    for step, whole in enumerate(here):
        for name, values in whole.items():
            assert torch.equal(torch.cat([rank[step][name] for rank in ranks]), values)
