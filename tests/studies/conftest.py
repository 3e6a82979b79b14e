"""Tiny people on disk, and studies of them that train two steps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from qontrast.studies.plan import StudyPlan
from qontrast.tasks.plan_file import laid_over, plan_of

TINY = {
    "batch": 1,
    "views": {"crop": 32, "spacing": 2.5},
    "optimisation": {"steps": 2, "checkpoint_steps": 1},
    "compute": {"device": "cpu", "precision": "32", "workers": 0},
}


def head(number: int) -> np.ndarray:
    """A head of 32³ voxels in FreeSurfer's labels; each number another one."""
    axes = 12.0 * np.array([1.0, 1.0 + 0.02 * (number % 7), 1.0 - 0.015 * (number // 7)])
    index = np.indices((32, 32, 32), dtype=float)
    radius = np.sqrt(sum(((i - 15.5) / a) ** 2 for i, a in zip(index, axes, strict=True)))
    labels = np.zeros((32, 32, 32), np.int16)
    for below, label in ((1.0, 258), (0.9, 24), (0.8, 3), (0.6, 2)):
        labels[radius < below] = label
    return labels


def write(path: Path, data: np.ndarray) -> Path:
    """Write an image with voxels of 2.5 mm."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, np.diag([2.5, 2.5, 2.5, 1.0])), path)
    return path


@pytest.fixture
def people(tmp_path: Path) -> Callable[..., Path]:
    """``people("a", 6, sessions=1, first=1)``: a folder of label maps of sub-01 ... sub-06, all different."""

    def make(name: str = "people", count: int = 6, sessions: int = 1, first: int = 1) -> Path:
        for number in range(first, first + count):
            sub = f"sub-{number - first + 1:02d}"
            for session in range(1, sessions + 1):
                ses = f"_ses-{session}" if sessions > 1 else ""
                data = head(number)
                data[0, 0, session] = 258  # sessions differ
                write(tmp_path / name / sub / "anat" / f"{sub}{ses}_dseg.nii.gz", data)
        return tmp_path / name

    return make


@pytest.fixture
def study_plan() -> Callable[..., StudyPlan]:
    """``study_plan(data, fractions=[1], ...)``: one site with an MPRAGE, from scratch, two steps in each cell."""

    def make(data: Path | str, **changes: Any) -> StudyPlan:
        values = {
            "data": str(data),
            "embedded": 20,
            "sites": {"here": {"contrasts": {"T1w": "mprage"}}},
            "train": ["here/T1w"],
            "arms": {"scratch": {}},
            "fractions": [1],
            "split": {"train": 0.5, "validation": 0.0, "test": 0.5},
            "finetune": TINY,
            "threads": 1,
        }
        whole = {key: changes.pop(key) for key in ("sites", "arms", "split") if key in changes}
        return plan_of(StudyPlan, {**laid_over(values, changes), **whole}, "the test's plan")

    return make
