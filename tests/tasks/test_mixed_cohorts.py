"""Cohorts of several kinds in one pretraining: each has its weight, and sites may share alike."""

import json

import numpy as np
import pytest
import yaml

from qontrast.anatomy.source import SubjectSource
from qontrast.basics.errors import PlanError
from qontrast.basics.grid import Grid
from qontrast.cli.app import run
from qontrast.scans.nifti import write_image
from qontrast.tasks.plans import Cohort
from qontrast.tasks.prepare import Settings, prepare
from qontrast.tasks.subjects import shares_of


def people(*sites):
    return [SubjectSource(f"sub-{i}", "maps", site=site) for i, site in enumerate(sites)]


def test_one_cohort_goes_by_epochs():
    assert shares_of([Cohort()], [people("", "", "")]) is None


def test_cohorts_share_by_their_weights_whatever_their_size():
    shares = shares_of([Cohort(weight=3.0), Cohort(weight=1.0)], [people(*"a" * 10), people("b", "b")])
    assert sum(shares[:10]) == pytest.approx(0.75)
    assert shares[10:] == pytest.approx([0.125, 0.125])


def test_sites_share_alike_where_it_is_asked():
    shares = shares_of([Cohort(balance="sites")], [people("Guys", "Guys", "Guys", "HH")])
    assert shares == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])


@pytest.mark.parametrize("weight", [0.0, -1.0, float("inf")])
def test_a_weight_that_is_none_is_refused(weight):
    with pytest.raises(PlanError, match=r"cohort\.weight"):
        Cohort(weight=weight)


@pytest.fixture
def scans(tmp_path):
    """Two contrasts of two bright balls."""
    axes = [np.arange(40) - 19.5] * 3
    x, y, z = np.meshgrid(*axes, indexing="ij")
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    for name, place in (("sub-A", 4), ("sub-B", -5)):
        for suffix, power in (("T1w", 1.0), ("FLAIR", 2.0)):
            ball = np.exp(-((x - place) ** 2 + y**2 + z**2) / 150) ** power
            head = (x**2 + y**2 + z**2 < 18**2) * 0.4 + ball
            path = tmp_path / "scans" / name / "anat" / f"{name}_{suffix}.nii.gz"
            write_image(path, (900 * head).astype(np.float32), Grid((40, 40, 40), affine))
    return tmp_path / "scans"


def test_maps_labels_and_scans_pretrain_together_from_caches(maps_folder, new_labels_folder, scans, tmp_path):
    caches = {}
    for kind, data in (("maps", maps_folder()), ("labels", new_labels_folder()), ("scans", scans)):
        caches[kind] = tmp_path / f"cache-{kind}"
        prepare(Settings(str(data)), caches[kind], jobs=1, quiet=True)
    plan = {
        "cohort": {"data": str(caches["maps"]), "weight": 1},
        "others": [{"data": str(caches["labels"]), "weight": 2}, {"data": str(caches["scans"])}],
        "batch": 2,
        "views": {"crop": 32, "spacing": 3.0},
        "optimisation": {"steps": 2},
        "compute": {"workers": 1},
    }
    file = tmp_path / "plan.yaml"
    file.write_text(yaml.safe_dump(plan))
    assert run(["pretrain", str(file), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    rows = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "loss" in row] == [0, 1]
    assert all(np.isfinite(row["loss"]) for row in rows if "loss" in row)
    assert run(["show", str(file), "--out", str(tmp_path / "pairs.png"), "--pairs", "3", "--quiet"]) == 0
    assert (tmp_path / "pairs.png").stat().st_size > 10_000
