"""Sex and age from a frozen encoder: what a linear model or the nearest people tell of people never trained on."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from qontrast.basics.errors import InputError, PlanError, nearest
from qontrast.metrics.logistic import logistic
from qontrast.metrics.nearest import nearest_mean
from qontrast.metrics.representation import finite
from qontrast.metrics.ridge import ridge
from qontrast.results.ledger import append_rows, read_rows
from qontrast.tasks.loading import Loaded
from qontrast.tasks.people import SEXES, Goal, Seen, check_training, folds, halves, see_people
from qontrast.tasks.speaking import say

Method = Literal["linear", "knn"]


def probe_people(
    goal: Goal,
    source: Path,
    weights: Loaded,
    out: Path,
    ledger: Path,
    *,
    method: Method = "linear",
    train: tuple[str, ...] = (),
    fold_count: int = 5,
    seed: int = 0,
    suffixes: tuple[str, ...] = (),
    train_on: tuple[str, ...] = (),
    neighbours: int = 5,
    table: Path | None = None,
    name: str | None = None,
    quiet: bool = False,
) -> list[dict[str, Any]]:
    """Predict the sex or age of people whom the predictor has not seen, and append a row for each of their scans.

    The encoder stays as it is: each scan is embedded once. On the embeddings, logistic regression (sex) or ridge
    regression (age) is trained, standardised, with a penalty chosen within the training subjects by leaving some of
    them out; or the nearest training scans tell (``knn``, by cosine). All scans of a subject are on one side. Rows
    that the ledger already holds for this very encoder, data, split and method are not written again.

    Args:
        goal: ``sex`` or ``age``.
        source: the cohort's folder.
        weights: of the encoder, by :func:`~qontrast.tasks.loading.load` or :func:`~qontrast.tasks.wrapping.wrap`.
        out: folder of the embeddings.
        ledger: file of JSON lines.
        method: ``linear`` or ``knn``.
        train: subjects to train on, all others are tested; none for folds that test everybody once.
        fold_count: how many folds.
        seed: of the folds.
        suffixes: BIDS suffixes of the scans; empty for all usual ones.
        train_on: suffixes of the scans that are trained on; empty for all. Others are tested all the same.
        neighbours: that are asked by ``knn``.
        table: that says who was scanned; by default looked for in ``source``.
        name: of the run in the ledger; None for the weights' name.
        quiet: print nothing.

    Returns:
        The rows of this probe.

    Raises:
        InputError: for data that cannot be used, training subjects from whom nothing can be learned, or a ledger with
            rows of this very probe by another sex or age of these people.
        PlanError: for subjects or suffixes to train on that are not there.
        WriteError: if a row cannot be written.
    """
    seen = see_people(source, weights, out, goal, table=table, suffixes=suffixes, quiet=quiet)
    contrasts = {one.contrast for one in seen}
    for suffix in train_on:
        if suffix not in contrasts:
            raise PlanError("train_on", repr(suffix), "a suffix of the scans", nearest(suffix, contrasts))
    splits = halves(seen, train, goal) if train else folds(seen, fold_count, seed, goal)
    given = [one for one in seen if not train_on or one.contrast in train_on]
    for known, _ in splits:
        check_training(given, known, goal)
    origin = weights.contract.origin
    about = {
        "run": name or (origin.name if origin else weights.path.stem),
        "arm": str(weights.contract.plan.get("views.arm", "external")),
        "task": goal,
        "target": goal,
        "schedule": "linear-probe" if method == "linear" else f"knn-{neighbours}",
        "data": str(Path(source).resolve()),
        "trained_on_contrasts": sorted(train_on or contrasts),
        "seed": seed,
        "split": _digest([[sorted(known), sorted(unknown)] for known, unknown in splits]),
        "truth_digest": _digest([(one.image, one.truth(goal)) for one in seen]),
        "model_digest": weights.digest,
    }
    there = read_rows(ledger) if ledger.is_file() else []
    alike = [row for row in there if all(row.get(k) == v for k, v in about.items() if k != "truth_digest")]
    own = [row for row in alike if row.get("truth_digest") == about["truth_digest"]]
    if len(own) < len(alike):
        remedy = "A report would mix them: take another --ledger, or another --name."
        raise InputError(ledger, f"rows of {about['run']} with another {goal} of these people", "none", remedy)
    done = {(row["subject"], row["image"]) for row in own}
    rows = []
    for fold, (known, unknown) in enumerate(splits):
        trained = [one for one in given if one.person.subject in set(known)]
        tested = [one for one in seen if one.person.subject in set(unknown)]
        predicted = predict_people(goal, trained, tested, method, neighbours)
        for one, value in zip(tested, predicted.tolist(), strict=True):
            if (one.person.subject, one.image) not in done:
                rows.append({**about, "fold": fold, "train_subjects": len(known), **row_of(one, goal, value)})
    append_rows(ledger, rows)
    say(f"{about['run']}: {len(own) + len(rows)} rows in {ledger}", quiet=quiet)
    return own + rows


def predict_people(
    goal: Goal, trained: Sequence[Seen], tested: Sequence[Seen], method: Method, neighbours: int = 5
) -> np.ndarray:
    """Probability of male, or age in years, of each tested scan."""
    names = {name: number for number, name in enumerate(dict.fromkeys(one.person.subject for one in trained))}
    groups = torch.tensor([names[one.person.subject] for one in trained])
    features, unseen = (finite(torch.from_numpy(np.stack([o.embedding for o in s]))) for s in (trained, tested))
    truths = [one.truth(goal) for one in trained]
    if goal == "sex":
        classes = torch.tensor([SEXES.index(str(truth)) for truth in truths])
        if method == "knn":
            return nearest_mean(features, classes[:, None].double(), unseen, neighbours)[:, 0].numpy()
        return logistic(features, classes, groups, unseen, len(SEXES))[:, 1].numpy()
    ages = torch.tensor([float(truth) for truth in truths], dtype=torch.float64)[:, None]
    found = (
        nearest_mean(features, ages, unseen, neighbours) if method == "knn" else ridge(features, ages, groups, unseen)
    )
    return found[:, 0].numpy()


def row_of(one: Seen, goal: Goal, value: float) -> dict[str, Any]:
    """What a ledger keeps of a prediction.

    Args:
        one: the scan.
        goal: of the prediction.
        value: probability of male, or age in years.
    """
    row: dict[str, Any] = {
        "subject": one.person.subject,
        "site": one.person.site,
        "contrast": one.contrast,
        "image": one.image,
        "truth": one.truth(goal),
    }
    if goal == "sex":
        told = SEXES[int(value > 0.5)]
        return {**row, "predicted": told, "probability_male": value, "correct": told == row["truth"]}
    return {**row, "predicted": value, "absolute_error_years": abs(value - float(row["truth"]))}


def _digest(values: list[Any]) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]
