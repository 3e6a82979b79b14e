"""Runs small enough for a test, and two finished ones that the session shares (not to be written to)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from qontrast.engine.optimisation import Optimisation
from qontrast.tasks.compute import Compute
from qontrast.tasks.finetune import finetune
from qontrast.tasks.plans import Cohort, FinetunePlan, PretrainPlan, Probing
from qontrast.tasks.pretrain import pretrain
from qontrast.views.plan import ViewPlan

VIEWS = ViewPlan(crop=32, spacing=2.0)
UNWATCHED = Probing(every=0)
COMPUTE = Compute(device="cpu", precision="32", workers=0)


@pytest.fixture(scope="session")
def pretrain_plan() -> Callable[..., PretrainPlan]:
    """``pretrain_plan(data, steps=2, checkpoint_steps=1, ...)``: cnn-nano, crops of 32³ at 2 mm, batch 2."""

    def make(data: Path, steps: int = 2, checkpoint_steps: int = 1, **changes: Any) -> PretrainPlan:
        optimisation = Optimisation(steps=steps, checkpoint_steps=checkpoint_steps)
        fields = {
            "batch": 2,
            "views": VIEWS,
            "optimisation": optimisation,
            "compute": COMPUTE,
            "probe": UNWATCHED,
            **changes,
        }
        return PretrainPlan(cohort=Cohort(data=str(data)), **fields)

    return make


@pytest.fixture(scope="session")
def finetune_plan() -> Callable[..., FinetunePlan]:
    """``finetune_plan(data, steps=2, ...)``: cnn-nano, crops of 32³ at 2 mm, batch 2."""

    def make(data: Path, steps: int = 2, rate: float = 1e-3, **changes: Any) -> FinetunePlan:
        optimisation = Optimisation(steps=steps, learning_rate=rate)
        fields = {"batch": 2, "views": VIEWS, "optimisation": optimisation, "compute": COMPUTE, **changes}
        return FinetunePlan(cohort=Cohort(data=str(data)), **fields)

    return make


@pytest.fixture
def new_scan(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes sub-NN's T1w with a truth beside it and returns the BIDS folder."""

    def write(truth: str, name: str = "sub-01", shift: float = 0.0) -> Path:
        folder = tmp_path / "scans"
        anat = folder / name / "anat"
        anat.mkdir(parents=True)
        shape = (36, 34, 32)
        affine = np.diag([2.0, 2.0, 2.0, 1.0])
        index = np.indices(shape) - np.array([17, 16, 15]).reshape(3, 1, 1, 1)
        radius = np.sqrt((index**2).sum(axis=0))
        classes = np.select([radius < 6, radius < 10, radius < 13], [3, 2, 1], 0)
        image = np.array([5, 60, 100, 20], np.float32)[classes]
        image = np.abs(image + np.random.default_rng(0).normal(0, 3, shape).astype(np.float32))
        moved = affine.copy()
        moved[0, 3] = shift
        nib.save(nib.Nifti1Image(image, affine), anat / f"{name}_T1w.nii.gz")
        if truth == "dseg":
            labels = np.array([0, 3, 2, 4], np.int16)[classes]
            nib.save(nib.Nifti1Image(labels, moved), anat / f"{name}_dseg.nii.gz")
        elif truth == "probseg":
            for label, value in (("GM", 1), ("WM", 2)):
                share = (classes == value).astype(np.float32)
                nib.save(nib.Nifti1Image(share, moved), anat / f"{name}_label-{label}_probseg.nii.gz")
        else:
            mask = (classes == 3).astype(np.uint8)
            nib.save(nib.Nifti1Image(mask, moved), anat / f"{name}_label-lesion_mask.nii.gz")
        return folder

    return write


class _Reached(Exception):
    """That a training has come to where it reads its examples."""


@pytest.fixture
def given_at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """``given_at(step, task, plan, folder)``: the batch that a training of that task (a module) is given at a step."""

    def stop(fabric: Any, model: Any, losses: Any, batches_from: Callable[[int], Any], *_: Any) -> None:
        raise _Reached(batches_from)

    def given(step: int, task: Any, plan: Any, folder: Path) -> dict[str, Any]:
        monkeypatch.setattr(task, "fit", stop)
        with pytest.raises(_Reached) as reached:
            getattr(task, task.__name__.rpartition(".")[2])(plan, folder, quiet=True)
        batch: dict[str, Any] = next(reached.value.args[0](step))
        return batch

    return given


@pytest.fixture(scope="session")
def pretrained(
    new_labels_folder: Callable[[], Path],
    pretrain_plan: Callable[..., PretrainPlan],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The folder of a finished pretraining."""
    out = tmp_path_factory.mktemp("shared") / "pretrained"
    pretrain(pretrain_plan(new_labels_folder()), out, quiet=True)
    return out


@pytest.fixture(scope="session")
def segmenter(
    new_labels_folder: Callable[[], Path],
    finetune_plan: Callable[..., FinetunePlan],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The folder of a fine-tuning from scratch that has learned a little."""
    out = tmp_path_factory.mktemp("shared") / "segmenter"
    finetune(finetune_plan(new_labels_folder(), steps=60, rate=5e-3), out, quiet=True)
    return out


@pytest.fixture(scope="session")
def denoiser(
    new_labels_folder: Callable[[], Path],
    finetune_plan: Callable[..., FinetunePlan],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The folder of a denoiser that has taken two steps (not to be written to)."""
    out = tmp_path_factory.mktemp("shared") / "denoiser"
    finetune(finetune_plan(new_labels_folder(), task="denoise"), out, quiet=True)
    return out


@pytest.fixture(scope="session")
def journal() -> Callable[[Path], list[dict[str, Any]]]:
    """A function from a run's folder to the lines of its journal."""

    def read(out: Path) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]

    return read
