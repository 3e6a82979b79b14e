"""The command that asks a frozen encoder for sex or age."""

from pathlib import Path
from typing import Any, Literal

from qontrast.cli.lists import Words


def probe(
    goal: Literal["sex", "age"],
    data: Path,
    /,
    *,
    weights: str,
    out: Path,
    ledger: Path = Path("results.jsonl"),
    method: Literal["linear", "knn"] = "linear",
    train: Words = (),
    folds: int = 5,
    seed: int = 0,
    suffix: Words = (),
    train_on: Words = (),
    neighbours: int = 5,
    people: Path | None = None,
    spacing: float | None = None,
    crop: int | None = None,
    name: str | None = None,
    device: str = "auto",
    quiet: bool = False,
) -> None:
    """Predict the sex or age of people from the embeddings of a frozen encoder, each by others' scans alone.

    Parameters
    ----------
    goal
        sex or age.
    data
        Folder of the cohort, with participants.tsv or IXI's spreadsheet.
    weights
        Packed file, pretraining run's folder, short name, or owner/repo on the hub. With spacing and crop also a
        checkpoint of the method's code, or package.module:function of your own code, which is run.
    out
        Folder of the embeddings; those that are there are kept.
    ledger
        File of JSON lines.
    method
        linear (logistic or ridge regression) or knn.
    train
        Subjects to train on, all others are tested; without them, folds.
    folds
        So many, each tested once.
    seed
        Of the folds.
    suffix
        BIDS suffixes of the scans, such as T1w FLAIR; all usual ones where not given.
    train_on
        Suffixes to train on; others are tested all the same.
    neighbours
        That knn asks.
    people
        Table of sex and age, where it is not in the data's folder.
    spacing
        Millimetres, of weights that do not say theirs.
    crop
        Voxels along the edge of a window, of weights that do not say theirs.
    name
        Of the run in the ledger.
    device
        auto, cpu or cuda.
    quiet
        Print nothing.
    """
    from qontrast.tasks.people_probe import probe_people
    from qontrast.tasks.wrapping import load_any

    rows = probe_people(
        goal,
        data,
        load_any(weights, spacing=spacing, crop=crop, device=device),
        out,
        ledger,
        method=method,
        train=train,
        fold_count=folds,
        seed=seed,
        suffixes=suffix,
        train_on=train_on,
        neighbours=neighbours,
        table=people,
        name=name,
        quiet=quiet,
    )
    if not quiet:
        print_scores(rows)


def print_scores(rows: list[dict[str, Any]]) -> None:
    """A line for each contrast and score."""
    from qontrast.results.people_scores import score_people

    for contrast in sorted({row["contrast"] for row in rows}):
        for score, value in score_people([row for row in rows if row["contrast"] == contrast]).items():
            between = "" if value.low is None or value.high is None else f" ({value.low:.3f} to {value.high:.3f})"
            print(f"{contrast}: {score.replace('_', ' ')} {value.mean:.3f}{between}, n = {value.count}")
