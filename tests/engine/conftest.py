"""A toy network with dropout and its batches, to train in milliseconds."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from qontrast.basics.randomness import derive
from qontrast.engine.fabric import make_fabric
from qontrast.engine.loop import Run, Watch, fit
from qontrast.engine.optimisation import Optimisation
from qontrast.engine.passes import in_one_pass

STEPS = 8


@pytest.fixture
def toy() -> Callable[..., nn.Module]:
    """``toy()``: the same weights at each call; ``toy(hidden=5)``: another network with the same names."""

    def make(hidden: int = 6) -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, hidden), nn.Dropout(0.5), nn.GELU(), nn.Linear(hidden, 1))

    return make


@pytest.fixture
def train(tmp_path: Path, toy: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """``train("run", ...)``: the toy trained in the folder ``run``, a checkpoint every third of 8 steps.

    ``stop`` raises KeyboardInterrupt at that step; ``spoil`` makes a step's loss of the losses of that step;
    a batch takes ``slow`` seconds to make.
    """

    def run(
        name: str = "run",
        *,
        stop: int | None = None,
        slow: float = 0.0,
        resume: bool = False,
        plan: str = "plan",
        seed: int = 0,
        model: nn.Module | None = None,
        spoil: Callable[[int, torch.Tensor], torch.Tensor] | None = None,
        watch: Watch | None = None,
        **optimisation: Any,
    ) -> nn.Module:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)

        def batches(start: int) -> Iterator[dict[str, torch.Tensor]]:
            for step in range(start, STEPS):
                if step == stop:
                    raise KeyboardInterrupt
                time.sleep(slow)
                x = torch.randn((16, 4), generator=derive(seed, step))
                yield {"x": x, "y": x.sum(dim=1, keepdim=True), "step": torch.tensor(step)}

        def losses(net: nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            loss = (net(batch["x"]) - batch["y"]).square().mean()
            loss = spoil(int(batch["step"]), loss) if spoil else loss
            return {"loss": loss, "twice": 2 * loss}

        how = Optimisation(**{"steps": STEPS, "learning_rate": 0.05, "checkpoint_steps": 3, **optimisation})
        whose = Run(folder, "toy", seed, plan, 16, resume=resume, quiet=True)
        return fit(
            make_fabric("cpu", "32"), toy() if model is None else model, in_one_pass(losses), batches, how, whose, watch
        )

    return run


@pytest.fixture
def small_disk() -> Callable[[int], AbstractContextManager[None]]:
    """``with small_disk(100):`` no file may grow beyond 100 bytes."""
    resource = pytest.importorskip("resource")

    @contextmanager
    def limit(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit
