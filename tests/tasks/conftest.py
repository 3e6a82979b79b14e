"""Runs small enough for a test, and two finished ones that the session shares (not to be written to)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
