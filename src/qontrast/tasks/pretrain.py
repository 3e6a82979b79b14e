"""Pretraining: two views of each subject, an encoder that learns they are the same brain."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qontrast.anatomy.source import KEPT_IN_MEMORY, SubjectSource
from qontrast.anatomy.subject import Head, Subject
from qontrast.basics.atomic import publish
from qontrast.basics.randomness import derive_seed
from qontrast.engine.fabric import described, make_fabric
from qontrast.engine.loop import Run, fit
from qontrast.engine.memory import keep_memory
from qontrast.engine.passes import in_two_passes
from qontrast.engine.ranks import gather_rows, processes
from qontrast.objectives.catalogue import Objectives
from qontrast.objectives.objective import Across
from qontrast.objectives.pretrainer import Pretrainer, losses_of
from qontrast.tasks.arranging import Steps, arrange
from qontrast.tasks.plan_file import digest, plan_values
from qontrast.tasks.plans import PretrainPlan
from qontrast.tasks.run_folder import keep_plan, open_run
from qontrast.tasks.speaking import say
from qontrast.tasks.starting import fresh_encoder
from qontrast.tasks.subjects import most_in_a_batch, open_subjects, say_if_unprepared, shares_of, sources_of
from qontrast.tasks.watching import watch_over
from qontrast.views.contrast import check_contrasts
from qontrast.views.loader import Examples, batches
from qontrast.views.maker import PairMaker
from qontrast.views.normalise import NORMALISATION
from qontrast.views.pair import make_pair
from qontrast.views.targets import Wanted
from qontrast.weights.encoder import ENCODER, save_encoder

SHOWN_PAIRS = 4
TENSORS = 4  # of a pair: two views, and both without artefacts


def pretrain(plan: PretrainPlan, out: Path, *, resume: bool = False, quiet: bool = False) -> Path:
    """Pretrain an encoder.

    Args:
        plan: the run.
        out: folder for ``plan.yaml``, ``heads.txt``, ``journal.jsonl``, ``checkpoint.safetensors``, ``pairs.npz`` and,
            at the end, ``encoder.safetensors``.
        resume: go on from the folder's checkpoint; the result is that of a run that was never stopped.
        quiet: print nothing.

    Returns:
        The encoder's file.

    Raises:
        InputError: for data that cannot be used, a folder that is not empty, a plan that has changed.
        QontrastError: if the loss is not finite.
        WriteError: if the disk is full; the last good checkpoint remains.
    """
    cohorts = [plan.cohort, *plan.others]
    found = [sources_of(cohort) for cohort in cohorts]
    sources = [source for cohort in found for source in cohort]
    shares = shares_of(cohorts, found)
    fabric = make_fabric(plan.compute.device, plan.compute.precision)
    making = plan.compute.making(fabric.device)
    quiet = quiet or fabric.global_rank > 0
    if fabric.global_rank == 0:
        open_run(out, plan, resume=resume)
        say_if_unprepared(sources, quiet=quiet)
        check_subjects(sources, plan, quiet=quiet)
        keep_plan(out, plan, [source.name for source in sources])
        say(
            f"{plan.views.arm}: {plan.net} on {len(sources)} subjects, crops of {plan.views.crop}³ at "
            f"{plan.views.spacing:g} mm, {described(fabric)}",
            quiet=quiet,
        )
        if (times := most_in_a_batch(len(sources), plan.batch, shares)) > 1:
            say(f"note: a batch of {plan.batch} sees some subjects up to {times} times: they are few", quiet=quiet)
        if not (out / "pairs.npz").is_file():
            save_pairs(out / "pairs.npz", [source.open() for source in sources[:SHOWN_PAIRS]], plan)
    fabric.barrier()
    objectives = plan.objectives.chosen()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(plan.seed, "weights"))
        model = Pretrainer(fresh_encoder(plan), objectives)
    keep_memory()
    pairs = plan.compute.micro or max(1, plan.batch // fabric.world_size)
    steps = Steps(partial(seen_by, model), 2 * pairs, plan.views.crop, plan.optimisation.steps)
    arrange(fabric, model, steps, plan.compute, out, quiet=quiet)
    across = Across(fabric.global_rank, fabric.world_size, gather_rows)
    size, on_gpu = 4 * TENSORS * plan.batch * plan.views.crop**3, making.type != "cpu"
    loading = plan.compute.loading(size, processes()[0], on_gpu=on_gpu)
    maker = PairMaker(sources, plan.views, plan.seed, wanted_of(plan.objectives), making)
    examples = Examples(maker, len(sources), plan.batch, plan.seed, shares)
    count = plan.optimisation.steps * plan.optimisation.accumulate
    pairs = plan.batch * plan.optimisation.accumulate
    run = Run(out, f"pretrain {plan.views.arm}", plan.seed, digest(plan), pairs, resume=resume, quiet=quiet)
    pin = fabric.device.type == "cuda"
    ranks: dict[str, Any] = {"rank": fabric.global_rank, "ranks": fabric.world_size}
    fit(
        fabric,
        model,
        in_two_passes(lambda rows: losses_of(rows, objectives, across), plan.compute.micro),
        lambda start: batches(examples, start, count, pin=pin, **loading, **ranks),
        plan.optimisation,
        run,
        watch_over(plan, out, quiet=quiet) if fabric.global_rank == 0 else None,
    )
    file = out / ENCODER
    if fabric.global_rank > 0:
        fabric.barrier()
        return file
    save_encoder(
        file,
        model.encoder,
        decoder=model.decoder,
        spacing=plan.views.spacing,
        crop=plan.views.crop,
        normalisation=NORMALISATION,
        plan=plan_values(plan),
    )
    fabric.barrier()
    say(f"encoder: {file}", quiet=quiet)
    return file


def wanted_of(objectives: Objectives) -> Wanted:
    """What the objectives ask for beside the views."""
    chosen = objectives.chosen().values()
    masked = objectives.masked if objectives.masked.weight > 0 else None
    return Wanted(
        points=objectives.points if any(o.needs_points for o in chosen) else 0,
        maps=any(o.needs_tissue for o in chosen),
        clean=any(o.needs_clean for o in chosen),
        protocol=any(o.needs_protocol for o in chosen),
        hidden=masked.block if masked else 0,
        share=masked.share if masked else 0.0,
    )


def check_subjects(sources: list[SubjectSource], plan: PretrainPlan, *, quiet: bool = False) -> None:
    """Open every subject once, so that what is wrong with one is said before hours of training.

    Raises:
        InputError: for data that cannot be used, or maps that suffice for none of the plan's sequences.
    """
    for start in range(0, len(sources), KEPT_IN_MEMORY):  # not all of them at a time
        for head in open_subjects(sources[start : start + KEPT_IN_MEMORY], quiet=quiet):
            if isinstance(head, Subject):
                check_contrasts(plan.views, head)


def save_pairs(path: Path, subjects: list[Head], plan: PretrainPlan) -> None:
    """Write a pair of each subject with what was drawn for it, for the report."""
    pairs = [make_pair(s, plan.views, plan.seed, 0) for s in subjects]
    arrays: dict[str, Any] = {
        "views": np.stack([np.stack([v.image[0, 0].numpy() for v in (p.a, p.b)]) for p in pairs]).astype(np.float16),
        "captions": np.array([[p.a.describe(), p.b.describe()] for p in pairs]),
    }
    publish(path, lambda part: np.savez_compressed(part, **arrays))


def seen_by(model: Pretrainer, images: Tensor) -> tuple[Tensor, ...]:
    """The maps that objectives look at: the deepest, and the finest decoded one where there is a decoder.

    With more levels gradients of two orders in memory would meet, which can cost more than the pass itself.
    """
    levels = model.encoder.features(images)
    return levels[-1:] if model.decoder is None else (levels[-1], model.decoder(levels)[0])
