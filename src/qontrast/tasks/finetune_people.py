"""Fine-tuning for people's sex or age: encoder and a linear layer on crops, tested on whole heads of others."""

import hashlib
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qontrast.basics.errors import PlanError, nearest
from qontrast.basics.shapes import Box, Volume
from qontrast.engine.fabric import described, make_fabric
from qontrast.engine.loop import Run, fit
from qontrast.engine.memory import keep_memory
from qontrast.engine.passes import in_one_pass
from qontrast.geometry.sample import occupied, whole
from qontrast.nets.contract import Encoder
from qontrast.nets.quick import quicken
from qontrast.nets.subject_net import SubjectNet
from qontrast.results.ledger import append_rows, read_rows
from qontrast.tasks.loading import prepared
from qontrast.tasks.people import Seen, check_training, halves, known_scans
from qontrast.tasks.people_plan import PeoplePlan
from qontrast.tasks.people_probe import row_of
from qontrast.tasks.plan_file import digest, plan_values
from qontrast.tasks.resampling import foreground
from qontrast.tasks.run_folder import keep_plan, open_run
from qontrast.tasks.speaking import say, track
from qontrast.tasks.starting import start_from
from qontrast.tasks.windows import tile
from qontrast.tasks.wrapping import wrap
from qontrast.views.heads import HeadCrops
from qontrast.views.loader import Examples, batches
from qontrast.views.normalise import NORMALISATION
from qontrast.weights.contract import Contract, save_weights
from qontrast.weights.segmenter import MODEL


def finetune_people(
    plan: PeoplePlan,
    out: Path,
    ledger: Path,
    *,
    encoder: Encoder | None = None,
    resume: bool = False,
    quiet: bool = False,
) -> list[dict[str, Any]]:
    """Train on the named people, test on all others, and append a row for each scan that was tested.

    Args:
        plan: the run.
        out: folder for plan, journal, checkpoint and ``model.safetensors`` (encoder and linear layer).
        ledger: file of JSON lines.
        encoder: the network itself, where it is at hand; ``plan.encoder`` is then merely what it is called.
        resume: go on from the folder's checkpoint.
        quiet: print nothing.

    Returns:
        The rows of this run.

    Raises:
        InputError: for data or an encoder that cannot be used, or training subjects from whom nothing can be learned.
        PlanError: for subjects or suffixes that are not there.
        WriteError: if the disk is full.
    """
    with torch.random.fork_rng(devices=[]):
        start = start_from(plan, encoder)
        net = SubjectNet(start.encoder)
    table = Path(plan.people) if plan.people else None
    seen = known_scans(Path(plan.data), plan.goal, out, table=table, suffixes=plan.suffixes, quiet=quiet)
    trained, tested = _sides(seen, plan)
    open_run(out, plan, resume=resume)
    keep_plan(out, plan, [f"{one.person.subject} {one.image}" for one in trained])
    scale = _scale([one.truth(plan.goal) for one in trained], plan.goal)
    targets = [(_number(one, plan) - scale[0]) / scale[1] for one in trained]
    _train(net, [one.path for one in trained], targets, plan, out, resume=resume, quiet=quiet)
    about = {
        "run": out.resolve().name,
        "arm": start.arm,
        "task": plan.goal,
        "target": plan.goal,
        "schedule": plan.schedule.kind,
        "data": str(Path(plan.data).resolve()),
        "trained_on_contrasts": sorted({one.contrast for one in trained}),
        "train_subjects": len({one.person.subject for one in trained}),
        "seed": plan.seed,
    }
    values = plan_values(plan) | {"pretraining.arm": start.arm, "target.mean": scale[0], "target.deviation": scale[1]}
    values |= start.past
    features, settings = start.encoder.features_per_level, start.encoder.settings
    contract = Contract("predictor", features, plan.spacing, plan.crop, NORMALISATION, encoder=settings, plan=values)
    save_weights(out / MODEL, net.state_dict(), contract)
    about["model_digest"] = hashlib.sha256((out / MODEL).read_bytes()).hexdigest()
    return _test(net, tested, scale, about, plan, ledger, quiet=quiet)


def _sides(seen: list[Seen], plan: PeoplePlan) -> tuple[list[Seen], list[Seen]]:
    if not plan.train:
        raise PlanError("train", "no subjects", "those to train on", "Name them: train: [sub-01, sub-02].")
    contrasts = {one.contrast for one in seen}
    for suffix in plan.train_on:
        if suffix not in contrasts:
            raise PlanError("train_on", repr(suffix), "a suffix of the scans", nearest(suffix, contrasts))
    ((known, unknown),) = halves(seen, plan.train, plan.goal)
    trained = [one for one in seen if one.person.subject in known and one.contrast in (plan.train_on or contrasts)]
    check_training(trained, known, plan.goal)
    return trained, [one for one in seen if one.person.subject in unknown]


def _number(one: Seen, plan: PeoplePlan) -> float:
    truth = one.truth(plan.goal)
    return float(truth == "male") if plan.goal == "sex" else float(truth)


def _scale(truths: list[str | float], goal: str) -> tuple[float, float]:
    """Mean and deviation of the training ages; a sex stays 0 or 1."""
    return (0.0, 1.0) if goal == "sex" else (float(np.mean(truths)), float(np.std(truths)))  # type: ignore[arg-type]


def _opened(path: Path, spacing: float, crop: int) -> tuple[Volume, Box]:
    """A scan, and where the first and the last of the windows over its head begin."""
    image, grid = prepared(path, None, spacing)
    x, y, z = tile(occupied(foreground(image)) or whole(grid.shape), crop).starts
    return image, ((x[0], x[-1]), (y[0], y[-1]), (z[0], z[-1]))


def _train(
    net: SubjectNet, paths: list[Path], targets: list[float], plan: PeoplePlan, out: Path, *, resume: bool, quiet: bool
) -> None:
    quicken(net)
    keep_memory()
    fabric = make_fabric(plan.compute.device, plan.compute.precision)
    start = f"{plan.encoder or 'scratch'}, {plan.schedule.kind}"
    say(f"{plan.goal}: from {start}, {len(paths)} scans, {described(fabric)}", quiet=quiet)
    crops = HeadCrops(
        [partial(_opened, path, plan.spacing, plan.crop) for path in paths], targets, plan.crop, plan.seed
    )
    loading = plan.compute.loading(4 * plan.batch * plan.crop**3)
    examples = Examples(crops, len(paths), plan.batch, plan.seed)
    count = Counter(targets)
    weights = {value: len(targets) / (len(count) * number) for value, number in count.items()}

    def losses(model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        told, wanted = model(batch["image"]), batch["target"]
        if plan.goal == "age":
            return {"loss": F.mse_loss(told, wanted)}
        # Both sexes weigh the same, however many there are of each.
        each = torch.where(wanted == 1, weights[1.0], weights[0.0])
        return {"loss": F.binary_cross_entropy_with_logits(told, wanted, each)}

    how = plan.optimisation
    run = Run(out, plan.goal, plan.seed, digest(plan), plan.batch * how.accumulate, "crops", resume=resume, quiet=quiet)
    steps, pin = how.steps * how.accumulate, fabric.device.type == "cuda"
    loaded = partial(batches, examples, steps=steps, pin=pin, **loading)
    groups = plan.schedule.groups((net.encoder,), (net.linear,), how)
    fit(fabric, net, in_one_pass(losses), loaded, how, run, None, groups)


def _test(
    net: SubjectNet,
    tested: list[Seen],
    scale: tuple[float, float],
    about: dict[str, Any],
    plan: PeoplePlan,
    ledger: Path,
    *,
    quiet: bool,
) -> list[dict[str, Any]]:
    """Predict from the mean embedding of the windows over each whole head, as the linear layer is linear."""
    net.eval().cpu()
    loaded = wrap(net.encoder, "model", spacing=plan.spacing, crop=plan.crop, device=plan.compute.device)
    there = read_rows(ledger) if ledger.is_file() else []
    rows = [row for row in there if all(row.get(k) == v for k, v in about.items())]
    done = {(row["subject"], row["image"]) for row in rows}
    for one in track([one for one in tested if (one.person.subject, one.image) not in done], "testing", quiet=quiet):
        embedding = torch.from_numpy(loaded.embed(one.path))[None]
        with torch.no_grad():
            told = float(net.read(embedding)[0])
        value = float(torch.sigmoid(torch.tensor(told))) if plan.goal == "sex" else scale[0] + scale[1] * told
        row = {**about, **row_of(one, plan.goal, value)}
        append_rows(ledger, [row])
        rows.append(row)
    say(f"{about['run']}: {len(rows)} rows in {ledger}", quiet=quiet)
    return rows
