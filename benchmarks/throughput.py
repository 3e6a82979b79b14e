"""How fast views are made and an encoder is trained, each beside the floor that the machine sets it.

    python benchmarks/throughput.py [--crops 48 96] [--steps 6]

Views: pairs per second in one process, and the time beside that of merely copying the same tissue block once (the
memory floor). Training: pairs per second with one loader process, and beside that of the step alone, without making
views (the arithmetic floor). Peak memory is that of the process and its loaders together. One JSON object a line.
"""

import argparse
import json
import os
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch

from qontrast.anatomy.cohort import find_subjects
from qontrast.engine.fabric import make_fabric
from qontrast.engine.journal import JOURNAL
from qontrast.engine.optimisation import Optimisation
from qontrast.nets.quick import quicken
from qontrast.objectives.objective import Across
from qontrast.objectives.pretrainer import Pretrainer, losses_of
from qontrast.results.ledger import read_rows
from qontrast.tasks.compute import Compute
from qontrast.tasks.plans import Cohort, PretrainPlan, Probing
from qontrast.tasks.pretrain import fresh_encoder, pretrain
from qontrast.views.pair import make_pair
from qontrast.views.plan import ViewPlan

SPACING = {48: 2.0, 96: 1.0}
BATCH = {48: 8, 96: 2}  # eight pairs of 96³ need more memory than a laptop has


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crops", type=int, nargs="+", default=[48, 96])
    parser.add_argument("--steps", type=int, default=6, help="training steps, of which the first two are not counted")
    parser.add_argument("--data", default="embedded")
    given = parser.parse_args()
    machine = {"machine": _processor(), "cores": os.cpu_count(), "torch": torch.__version__}
    print(json.dumps(machine), flush=True)
    for crop in given.crops:
        found = {"crop": crop, **views(crop, given.data), **training(crop, given.data, given.steps)}
        print(json.dumps(found), flush=True)


def views(crop: int, data: str) -> dict[str, float]:
    """Pairs per second in one process and on one thread, and the ratio to copying the tissue block."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    subject = find_subjects(data, embedded=1)[0].open()
    plan = ViewPlan(crop=crop, spacing=SPACING.get(crop, 2.0))
    make_pair(subject, plan, 0, 0)
    pair = median(_seconds(lambda step=step: make_pair(subject, plan, 0, step)) for step in range(1, 25))
    edge = round(crop * plan.spacing / min(subject.grid.spacing))
    block = torch.rand(5, edge, edge, edge)
    copy = median(_seconds(block.clone) for _ in range(25))
    torch.set_num_threads(threads)
    return {"view_pairs_per_second": round(1 / pair, 2), "view_pair_over_copying_its_maps": round(pair / copy, 1)}


def training(crop: int, data: str, steps: int) -> dict[str, float]:
    """Pairs per second of ``pretrain`` with one loader, its ratio to the step alone, and the peak memory."""
    batch = BATCH.get(crop, 2)
    plan = PretrainPlan(
        cohort=Cohort(data=data, embedded=batch),
        batch=batch,
        views=ViewPlan(crop=crop, spacing=SPACING.get(crop, 2.0)),
        optimisation=Optimisation(steps=steps),
        compute=Compute(workers=1),
        probe=Probing(every=0),
    )
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        pretrain(plan, out, quiet=True)
        rows = read_rows(out / JOURNAL, allow_nan=True)
        times = [row["time"] for row in rows]
    together = median(b - a for a, b in pairwise(times[1:]))
    alone = _step_alone(plan, crop)
    own, loaders = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "training_pairs_per_second": round(batch / together, 2),
        "batch": batch,
        "share_of_time_waiting_for_views": round(median(row["waiting"] for row in rows[1:]), 4),
        "training_step_over_step_without_views": round(together / alone, 2),
        "peak_memory_gb": round((own + loaders) / 1024**2, 2),
    }


def _step_alone(plan: PretrainPlan, crop: int) -> float:
    fabric = make_fabric("cpu" if not torch.cuda.is_available() else "cuda")
    objectives = plan.objectives.chosen()
    model = quicken(Pretrainer(fresh_encoder(plan), objectives))
    model, optimizer = fabric.setup(model, torch.optim.AdamW(model.parameters()))
    batch = fabric.to_device(
        {k: torch.randn(plan.batch, 1, crop, crop, crop) for k in ("a", "b", "clean_a", "clean_b")}
    )

    def step() -> None:
        fabric.backward(losses_of(model(batch), objectives, Across())["loss"])
        optimizer.step()
        optimizer.zero_grad()

    step()
    return median(_seconds(step) for _ in range(3))


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
