"""Pretraining: two views of each subject, an encoder that learns they are the same brain."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from qontrast.anatomy.cohort import KEPT_IN_MEMORY, SubjectSource
from qontrast.anatomy.subject import Head, Subject
from qontrast.basics.atomic import publish
from qontrast.basics.randomness import derive_seed
from qontrast.engine.device import make_fabric
from qontrast.engine.loop import Run, fit
from qontrast.losses.nt_xent import nt_xent
from qontrast.nets.catalogue import build_encoder
from qontrast.nets.pretrainer import Pretrainer
from qontrast.tasks.plan_file import digest, plan_values
from qontrast.tasks.plans import PretrainPlan
from qontrast.tasks.run_folder import keep_plan, open_run
from qontrast.tasks.speaking import say
from qontrast.tasks.subjects import open_subjects, say_if_unprepared, shares_of, sources_of
from qontrast.views.contrast import check_contrasts
from qontrast.views.loader import Examples, batches
from qontrast.views.normalise import NORMALISATION
from qontrast.views.pair import PairMaker, make_pair
from qontrast.weights.encoder import ENCODER, save_encoder

SHOWN_PAIRS = 4
TENSORS = 4  # of a pair: two views, and both without artefacts


def pretrain(plan: PretrainPlan, out: Path, *, resume: bool = False, quiet: bool = False) -> Path:
    """Pretrain an encoder.

    Args:
        plan: the run.
        out: folder for ``plan.yaml``, ``journal.jsonl``, ``checkpoint.safetensors``, ``pairs.npz`` and, at the end,
            ``encoder.safetensors``.
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
    open_run(out, plan, resume=resume)
    say_if_unprepared(sources, quiet=quiet)
    check_subjects(sources, plan, quiet=quiet)
    fabric = make_fabric(plan.compute.device, plan.compute.precision)
    keep_plan(out, plan)
    say(
        f"{plan.views.arm}: {plan.net} on {len(sources)} subjects, crops of {plan.views.crop}³ at "
        f"{plan.views.spacing:g} mm, {fabric.device.type}, {fabric._precision.precision}",
        quiet=quiet,
    )
    if len(sources) < plan.batch:
        say(f"note: {len(sources)} subjects for {plan.batch} slots: a batch sees some of them twice", quiet=quiet)
    if not (out / "pairs.npz").is_file():
        save_pairs(out / "pairs.npz", [source.open() for source in sources[:SHOWN_PAIRS]], plan)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(plan.seed, "weights"))
        model: nn.Module = Pretrainer(build_encoder(plan.net))
    workers, prefetch = plan.compute.loading(4 * TENSORS * plan.batch * plan.views.crop**3)
    maker = PairMaker(sources, plan.views, plan.seed)
    examples = Examples(maker, len(sources), plan.batch, plan.seed, shares_of(cohorts, found))
    steps = plan.optimisation.steps
    run = Run(out, f"pretrain {plan.views.arm}", plan.seed, digest(plan), plan.batch, resume=resume, quiet=quiet)
    pin = fabric.device.type == "cuda"
    model = fit(
        fabric,
        model,
        lambda model, batch: pretraining_losses(model, batch, plan),
        lambda start: batches(examples, start, steps, workers, prefetch=prefetch, pin=pin),
        plan.optimisation,
        run,
    )
    assert isinstance(model, Pretrainer)
    file = out / ENCODER
    save_encoder(
        file,
        model.encoder,
        spacing=plan.views.spacing,
        crop=plan.views.crop,
        normalisation=NORMALISATION,
        plan=plan_values(plan),
    )
    say(f"encoder: {file}", quiet=quiet)
    return file


def pretraining_losses(model: nn.Module, batch: dict[str, Tensor], plan: PretrainPlan) -> dict[str, Tensor]:
    """NT-Xent on the projected features plus the weighted L1 distance to the views without artefacts."""
    embeddings, images = model(torch.cat((batch["a"], batch["b"])))
    a, b = embeddings.chunk(2)
    contrastive = nt_xent(a, b, plan.temperature)
    reconstruction = (images - torch.cat((batch["clean_a"], batch["clean_b"]))).abs().mean()
    return {
        "loss": contrastive + plan.reconstruction * reconstruction,
        "loss_contrastive": contrastive,
        "loss_reconstruction": reconstruction,
    }


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
