"""Seconds per view pair from disk: ours by source and stage, three peers, and two floors, in one table of one run.

    make bench                                      # installs the peers beside the library and runs this among others
    python benchmarks/views.py [--crops 96 48] [--rounds 4]

Every contender makes pairs on one thread, first alone and then on every core at the same time, whoever is free taking
the next pair: seconds per pair of one core and of the whole machine (means: a pair's cost depends on the sequences that
were drawn). Contenders take turns in each round, so that a machine whose speed drifts is the same to all.

Ours reads prepared caches, whose making is timed apart. The peers read uncompressed maps and do the same kinds of
operation with fewer artefacts: see ``peers.py``. None of them has lesions or atrophy: so label maps have a row without.
Rows "as MONAI" have those artefacts alone that MONAI's have, too: shading, coarse voxels in half of the views, noise.
The floors: PyTorch's ``grid_sample`` of the two contrasts at the view's points, and copying what a pair has to move in
any case: the maps of its box in, two views out.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from queue import Empty
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import torch
import torch.multiprocessing as mp
from peers import COARSE, SPACING, peers, write_head

from qontrast.anatomy.cohort import find_subjects
from qontrast.anatomy.labelled import LabelTissue
from qontrast.anatomy.measured import MeasuredTissue
from qontrast.anatomy.mni_heads import mni_head
from qontrast.anatomy.source import SubjectSource
from qontrast.artefacts.prevalence import DEFAULT
from qontrast.engine.memory import keep_memory
from qontrast.geometry.warp import WarpRanges, draw_warp
from qontrast.physics.presets import PRESETS
from qontrast.scans.chunks import Chunks
from qontrast.scans.nifti import read_image, write_image
from qontrast.tasks.prepare import Settings, prepare
from qontrast.views.acquisition import Acquisition, Observed
from qontrast.views.pair import make_pair
from qontrast.views.plan import ArtefactRanges, ViewPlan
from qontrast.views.render import Place
from qontrast.views.whole_scan import simulate_scan

Work = Callable[[int], object]
SUFFIXES = {"pd": "PDmap", "r1": "R1map", "r2star": "R2starmap", "mt": "MTsat"}
OURS = 8  # pairs of ours in each turn, for their cost varies with what is drawn
GOAL = 0.07  # s per pair of 96³ on two cores
NONE = dict.fromkeys(("dropout", "motion", "thick_slices", "partial_fourier", "erasure"), 0.0)
AS_MONAI = ArtefactRanges(gibbs=COARSE / DEFAULT.gibbs, **NONE)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crops", type=int, nargs="+", default=[96, 48])
    parser.add_argument("--rounds", type=int, default=4)
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        caches = make_caches(Path(folder))
        for crop in given.crops:
            table(Path(folder), caches, crop, given.rounds)
        if torch.cuda.is_available():
            for crop in given.crops:
                on_gpu(caches, crop)


def make_caches(folder: Path) -> dict[str, SubjectSource]:
    """One head as maps, as labels and as two scans, each prepared; says how long that took."""
    write_head(folder)
    anat = {kind: folder / kind / "sub-01" / "anat" for kind in ("maps", "scans")}
    for name, suffix in SUFFIXES.items():
        image = read_image(folder / f"{name}.nii.gz")
        write_image(anat["maps"] / f"sub-01_{suffix}.nii.gz", image.data, image.grid)
    head = mni_head(1)
    for name, suffix in (("mprage", "T1w"), ("flair", "FLAIR")):
        scan = simulate_scan(head, PRESETS[name], 1.0, 40.0, 0)
        write_image(anat["scans"] / f"sub-01_{suffix}.nii.gz", scan.image[0, 0].numpy(), scan.grid)
    sources = {}
    for kind, data in (("maps", folder / "maps"), ("labels", "embedded"), ("scans", folder / "scans")):
        began = time.perf_counter()
        cache = folder / f"cache-{kind}"
        prepare(Settings(str(data), embedded=1), cache, jobs=1, quiet=True)
        size = sum(p.stat().st_size for p in cache.rglob("*") if p.is_file()) / 1e6
        print(f"cache of {kind}: {time.perf_counter() - began:.1f} s a head, {size:.0f} MB", flush=True)
        (sources[kind],) = find_subjects(str(cache))
    return sources


def table(folder: Path, caches: dict[str, SubjectSource], crop: int, rounds: int) -> None:
    """One crop's table."""
    spacing = SPACING[crop]
    plan = ViewPlan(crop=crop, spacing=spacing)
    work: dict[str, tuple[Work, int]] = {
        f"ours, {kind}": (lambda step, s=source: make_pair(s.open(), plan, 0, step), OURS)
        for kind, source in caches.items()
    }
    well = replace(plan, pathology=replace(plan.pathology, lesions=0.0, ageing=0.0))
    work["ours, labels, healthy"] = (lambda step: make_pair(caches["labels"].open(), well, 0, step), OURS)
    alike = replace(well, artefacts=AS_MONAI)
    for kind in ("maps", "labels"):
        work[f"ours, {kind}, as MONAI"] = (lambda step, s=caches[kind]: make_pair(s.open(), alike, 0, step), OURS)
    work |= {name: (peer, 1) for name, peer in peers(folder, crop, spacing).items()}
    work |= {name: (floor, OURS) for name, floor in floors(crop, spacing).items()}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    alone = in_turn(work, 1, rounds)
    together = in_turn(work, cores, rounds)
    reference = min((t for n, t in together.items() if n.startswith("MONAI")), default=float("nan"))
    print(f"\n{crop}³ at {spacing:g} mm, seconds per pair", flush=True)
    print(f"{'':28}{'one core':>10}{f'{cores} cores':>10}{'MONAI / it':>12}")
    for name, seconds in together.items():
        print(f"{name:28}{alone[name]:10.3f}{seconds:10.3f}{reference / seconds:12.1f}")
    if crop == 96:
        goal = min(GOAL, reference / 8) if np.isfinite(reference) else GOAL
        print(f"goal: {goal:.3f} s (the harder of {GOAL} s and an eighth of MONAI, crop first)")
    print(f"\n{'stages, ms on one core':28}" + "".join(f"{s:>11}" for s in (*STAGES, "rest", "at floor")))
    least = sum(alone[n] for n in work if n.startswith("floor"))
    for kind, source in caches.items():
        found = stages(source, plan, 4 * OURS)
        shown = "".join(f"{1000 * t:11.1f}" for t in found.values())
        print(f"{f'ours, {kind}':28}{shown}{least / sum(found.values()):11.0%}")


def on_gpu(caches: dict[str, SubjectSource], crop: int) -> None:
    """Seconds per pair of one process, on one core and on the GPU in turns."""
    plan = ViewPlan(crop=crop, spacing=SPACING[crop])
    torch.set_num_threads(1)
    print(f"\n{crop}³, seconds per pair of one process{'':4}{'one core':>10}{'GPU':>10}")
    for kind, source in caches.items():
        spent = {"cpu": 0.0, "cuda": 0.0}
        for step in range(-2, 2 * OURS):  # the first two warm up
            for device in spent:
                began = time.perf_counter()
                make_pair(source.open(), plan, 0, step + 2, device=device)
                torch.cuda.synchronize()
                spent[device] += time.perf_counter() - began if step >= 0 else 0.0
        print(f"{f'ours, {kind}':40}" + "".join(f"{s / (2 * OURS):10.3f}" for s in spent.values()), flush=True)


def floors(crop: int, spacing: float) -> dict[str, Work]:
    """What cannot be left out of a pair: reading two contrasts at a view's points, and moving its bytes."""
    edge = round(1.3 * crop * spacing)
    centre = torch.full((3,), edge / 2)
    warp = draw_warp(WarpRanges(), centre, (crop,) * 3, spacing, (1.0,) * 3, torch.Generator().manual_seed(0))
    grid = (2 * warp.coordinates(round(spacing)) / (edge - 1) - 1).flip(-1)[None].contiguous()
    block = torch.rand(1, 2, edge, edge, edge)
    moved = torch.rand(5 * edge**3 + 2 * crop**3)
    kept = torch.empty_like(moved)
    sample = torch.nn.functional.grid_sample
    return {
        "floor: grid_sample": lambda _: sample(block, grid, align_corners=True),
        "floor: memory copy": lambda _: kept.copy_(moved),
    }


def in_turn(work: dict[str, tuple[Work, int]], processes: int, rounds: int) -> dict[str, float]:
    """Mean seconds per pair of each contender, made by so many processes at a time."""
    context = mp.get_context("fork")
    barrier, queue, taken = context.Barrier(processes), context.Queue(), context.Value("i")
    crew = [context.Process(target=_turns, args=(work, rounds, i, barrier, queue, taken)) for i in range(processes)]
    for one in crew:
        one.start()
    found: dict[str, list[float]] = json.loads(_first_of(queue, crew))
    for one in crew:
        one.join()
    return {name: mean(times) for name, times in found.items()}


def _first_of(queue: Any, crew: list[Any]) -> str:
    """What the crew puts into the queue; nobody waits for a process that the system has killed."""
    while True:
        with suppress(Empty):
            return str(queue.get(timeout=2.0))
        if any(one.exitcode for one in crew):
            for one in crew:
                one.kill()
            raise SystemExit(f"one of {len(crew)} processes ended early: is there memory for all (7 GB each)?")


def _turns(work: dict[str, tuple[Work, int]], rounds: int, own: int, barrier: Any, queue: Any, taken: Any) -> None:
    torch.set_num_threads(1)
    keep_memory()
    found: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(rounds + 1):
        for name, (make, count) in work.items():
            pairs = count * barrier.parties
            taken.value = 0
            barrier.wait()
            began = time.perf_counter()
            while (i := _next(taken)) < pairs:
                make(turn * pairs + i)
            barrier.wait()
            if turn > 0:  # the first warms up
                found[name].append((time.perf_counter() - began) / pairs)
    if own == 0:
        queue.put(json.dumps(found))


def _next(taken: Any) -> int:
    with taken.get_lock():
        taken.value += 1
        return int(taken.value) - 1


STAGES = ("read", "contrast", "place", "resample", "artefacts")


def stages(source: SubjectSource, plan: ViewPlan, pairs: int) -> dict[str, float]:
    """Mean seconds of each stage of a pair on one thread; what one stage calls of another counts there."""
    torch.set_num_threads(1)
    spent = dict.fromkeys(STAGES, 0.0)
    running: list[str] = []
    since = [0.0]

    def switch() -> None:
        now = time.perf_counter()
        if running:
            spent[running[-1]] += now - since[0]
        since[0] = now

    @contextmanager
    def timed(owner: type, method: str, stage: str) -> Iterator[None]:
        real = getattr(owner, method)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            switch()
            running.append(stage)
            try:
                return real(*args, **kwargs)
            finally:
                switch()
                running.pop()

        setattr(owner, method, wrapped)
        try:
            yield
        finally:
            setattr(owner, method, real)

    with (
        timed(Chunks, "__getitem__", "read"),
        timed(MeasuredTissue, "scan", "contrast"),
        timed(LabelTissue, "scan", "contrast"),
        timed(Place, "__init__", "place"),
        timed(Place, "read", "resample"),
        timed(Observed, "render", "resample"),
        timed(Acquisition, "image", "artefacts"),
    ):
        make_pair(source.open(), plan, 0, 0)
        spent.update(dict.fromkeys(STAGES, 0.0))
        began = time.perf_counter()
        for step in range(1, pairs + 1):
            make_pair(source.open(), plan, 0, step)
        total = time.perf_counter() - began
    found = {stage: seconds / pairs for stage, seconds in spent.items()}
    return found | {"rest": total / pairs - sum(found.values())}


if __name__ == "__main__":
    main()
