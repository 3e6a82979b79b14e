"""Seconds of training per pair with the method's encoder at 48³: as published, and as we train it, in one run.

    make bench
    python benchmarks/training.py [--net cnn] [--batch 2] [--steps 50]

As published: MONAI's blocks in single precision, in torch's own order in memory, with the memory that a process is
given from step to step. Ours: the same network, weights and pairs with the quick blocks (``nets/quick.py``), the
precision, order and optimiser that ``pretrain`` would choose here, and freed memory kept. Both are processes of their
own that take turns of ten steps, so that a machine whose speed drifts is the same to both. Both losses are shown: they
differ by what dropout drew and by rounding.
"""

import argparse
import os
import time
from functools import partial
from multiprocessing.connection import Connection
from statistics import mean, median, stdev

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch
import torch.multiprocessing as mp

from qontrast.anatomy.cohort import find_subjects
from qontrast.engine.fabric import described, make_fabric
from qontrast.engine.memory import keep_memory
from qontrast.engine.passes import Part, in_two_passes
from qontrast.nets.catalogue import build_encoder
from qontrast.nets.quick import quicken
from qontrast.objectives.catalogue import Objectives
from qontrast.objectives.objective import Across
from qontrast.objectives.pretrainer import Pretrainer, losses_of
from qontrast.tasks.arranging import Steps, faster, timed
from qontrast.tasks.pretrain import seen_by
from qontrast.views.maker import PairMaker
from qontrast.views.plan import ViewPlan

TURN, CROP, LATE = 10, 48, 20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", default="cnn")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--steps", type=int, default=50)
    given = parser.parse_args()
    maker = PairMaker(find_subjects("embedded", embedded=given.batch), ViewPlan(crop=CROP, spacing=2.0), 0)
    pairs = [[maker(slot, step, slot) for slot in range(given.batch)] for step in range(TURN)]
    batches = [{name: torch.stack([p[name] for p in some]) for name in some[0]} for some in pairs]
    context, ways = mp.get_context("spawn"), {}
    for name in ("as published", "ours"):
        here, there = context.Pipe()
        context.Process(target=contend, args=(name == "ours", given.net, batches, there), daemon=True).start()
        ways[name] = here
    said = {name: way.recv() for name, way in ways.items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    losses: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(0, given.steps, TURN):
        for name, way in ways.items():
            way.send(True)
            took, found = way.recv()
            times[name] += took
            losses[name] += found
    for way in ways.values():
        way.send(False)
    print(f"{given.net}, {given.batch} pairs of {CROP}³ a step, {given.steps} steps")
    for name in ways:
        late = losses[name][-LATE:]
        per_pair = median(times[name][1:]) / given.batch
        curve = f"loss {losses[name][0]:.3f} to {mean(late):.3f} ± {stdev(late):.3f} in the last {LATE}"
        print(f"{name:14}{per_pair:8.3f} s a pair   {curve}   ({said[name]})")
    ratio = median(times["as published"][1:]) / median(times["ours"][1:])
    print(f"ours is {ratio:.2f} times as fast (goal: 2.5)")


def contend(ours: bool, net: str, batches: list[dict[str, torch.Tensor]], way: Connection) -> None:
    """One contender: ten steps whenever it is told to."""
    if ours:
        keep_memory()
    fabric = make_fabric("auto", "auto" if ours else "32")
    objectives = Objectives().chosen()
    torch.manual_seed(0)
    model = Pretrainer(build_encoder(net), objectives)
    said = described(fabric)
    if ours:
        layout = faster(timed(fabric, model, Steps(partial(seen_by, model), 2 * len(batches[0]["a"]), CROP, 0)))
        quicken(model, layout)
        said += f", {layout}"
    model, optimizer = fabric.setup(model, torch.optim.AdamW(model.parameters(), 1e-4, fused=ours))
    learn = in_two_passes(lambda rows: losses_of(rows, objectives, Across()), 0)
    way.send(said)
    step = 0
    while way.recv():
        took, losses = [], []
        for batch in batches:
            begin = time.perf_counter()
            found = learn(fabric, model, fabric.to_device(batch), Part((0, step)))
            fabric.clip_gradients(model, optimizer, max_norm=12.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            losses.append(float(found["loss"].detach()))
            took.append(time.perf_counter() - begin)
            step += 1
        way.send((took, losses))


if __name__ == "__main__":
    main()
