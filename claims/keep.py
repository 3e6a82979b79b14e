"""Keep what the results page needs of finished runs: ledgers' columns, compressed, the same bytes each time.

python claims/keep.py runs/claims/main runs/claims/again-1 runs/claims/sweeps runs/claims/supervised ...
"""

import csv
import gzip
import json
import re
import sys
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path, PureWindowsPath
from typing import Any

import torch
from after import CONTROL, REAL, RECIPE, SWEEPS
from scores import AGAIN
from shipped import SHIPPED, protocols
from strokes import RECIPE as SECOND_RECIPE
from strokes import STROKES, labelled_at

from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import InputError
from qontrast.metrics.leakage import sequence_leakage
from qontrast.results.ledger import read_rows
from qontrast.studies.folder import LEDGER
from qontrast.studies.plan import StudyPlan
from qontrast.sweeps.plan import SweepPlan
from qontrast.sweeps.rows import LEDGER as SWEPT_HEADS
from qontrast.sweeps.writing import POINTS
from qontrast.tasks.plan_file import read_plan
from qontrast.weights.encoder import ENCODER

KEPT = Path(__file__).parent / "ledgers"
TEN = "ten-heads"
"""Name of a link to the main study's folder once it was run anew (version 10 of docs/claims.md)."""
COLUMNS = (
    *("task", "arm", "schedule", "fraction", "seed", "train_site", "train_contrast", "site", "contrast", "subject"),
    *("image", "class", "snr", "dice", "hd95_mm", "lesion_f1", "psnr_db", "ssim", "noisy_psnr_db", "note", "lesions"),
    *("person", "encoder_digest", "model_digest", "data_digest", "cell_digest"),
)


REFERENCE = SweepPlan().reference
MASKS = r"(?<=masks of ).*?(?=(?: left out of learning)?, in )"
"""The folder in what a row says of its lesions."""
Row = dict[str, Any]


def keep(folder: Path) -> Path:
    """Write ``claims/ledgers/<folder>.jsonl.gz`` of a study or of what else was scored."""
    readers = {SWEEPS: swept, REAL: real, CONTROL: control, STROKES: strokes, SHIPPED: shipped, TEN: again}
    rows = [{k: v for k, v in row.items() if v is not None} for row in readers.get(folder.name, studied)(folder)]
    out = KEPT / f"{folder.name}.jsonl.gz"
    write_atomic(out, gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode(), mtime=0))
    return out


def studied(folder: Path) -> Iterable[Row]:
    """A study's scores, and how long each of its pretrainings took.

    Raises:
        InputError: for lesions that are not of real shape, which docs/claims.md says that C4 has.
    """
    for row in read_rows(folder / LEDGER):
        if "drawn shapes" in (row.get("lesions") or ""):
            asked = "masks of real lesions (--tasks.lesion.views.pathology.folder)"
            raise InputError(folder, "lesions of drawn shapes", asked)
        yield columns(row)
    for journal in sorted(folder.glob("pretrain/*/journal.jsonl")):
        if (journal.parent / ENCODER).is_file():  # else it has not come to its end
            yield from cost(journal, folder.name)


def again(folder: Path) -> Iterable[Row]:
    """Scores of the main study from encoders that were trained anew, apart from those that are judged."""
    for row in studied(folder):
        yield row | {"task": AGAIN} if row["task"] == "tissue" else row


def columns(row: Row) -> Row:
    """What is kept of a score: of the folder of masks its name alone."""
    own = {key: row[key] for key in COLUMNS if key in row}
    if row.get("lesions"):
        own["lesions"] = re.sub(MASKS, lambda found: PureWindowsPath(found[0]).name, row["lesions"])
    return own


def cost(journal: Path, study: str) -> Iterable[Row]:
    """How long a training took: its steps times their median, since it may have been stopped and gone on with."""
    steps = [row for row in read_rows(journal) if "loss" in row]
    gaps = sorted(later["time"] - row["time"] for row, later in pairwise(steps))
    if gaps:
        minutes = round(len(steps) * gaps[len(gaps) // 2] / 60, 1)
        yield {
            "task": "pretraining",
            "study": study,
            "arm": journal.parent.name,
            "steps": len(steps),
            "minutes": minutes,
        }


def control(folder: Path) -> Iterable[Row]:
    """The control's scores, as a study's, and how long it took."""
    sites = read_plan(StudyPlan, RECIPE).sites.items()
    places = {what: (site, label) for site, known in sites for label, what in known.contrasts.items()}
    for row in read_rows(folder / LEDGER):
        site, contrast = places[row["contrast"]]
        yield columns(row) | {"task": "tissue", "arm": CONTROL, "fraction": 16, "site": site, "contrast": contrast}
    yield from cost(folder / "journal.jsonl", folder.name)


def real(folder: Path) -> Iterable[Row]:
    """Scores on the real scan, by arm."""
    for row in read_rows(folder / LEDGER):
        yield columns(row) | {"task": "real", "arm": row["run"]}


def shipped(folder: Path) -> Iterable[Row]:
    """Scores of the library's own weights, by their name."""
    places = protocols()
    for row in read_rows(folder / LEDGER):
        site, contrast = places[row["contrast"]]
        yield columns(row) | {"task": SHIPPED, "arm": row["run"], "site": site, "contrast": contrast}


def strokes(folder: Path) -> Iterable[Row]:
    """Scores on more strokes of each head, by arm: as many images as there are seeds of the scans."""
    plan: StudyPlan = read_plan(StudyPlan, SECOND_RECIPE)
    (labels,), (seed,), (site, contrast) = plan.fractions, plan.seeds, labelled_at(plan)
    about = {"fraction": labels, "seed": seed, "site": site, "contrast": contrast}
    for row in read_rows(folder / LEDGER):
        yield columns(row) | about | {"arm": row["run"], "image": f"stroke {row['seed']}"}


def swept(folder: Path) -> Iterable[Row]:
    """The points of each arm's sweeps but the reference, and how well its embeddings tell the sequence."""
    numbers = ("field_T", "dice_mean", "drift_relative", "retrieval")
    for points in sorted(folder.glob(f"*/*/{POINTS}")):
        arm = points.parent.parent.name
        with points.open(encoding="utf-8", newline="") as stream:
            for number, line in enumerate(csv.DictReader(stream)):
                if line["state"] == "scored" and number > 0 and line["name"] != REFERENCE:
                    values = {key: float(line[key]) for key in numbers if line.get(key)}
                    about = {"sequence": line["sequence"], "useless": bool(line["useless"])}
                    yield {"task": "sweep", "arm": arm, "model": points.parent.name, **about, **values}
        if points.parent.name == "encoder":
            yield {"task": "leakage", "arm": arm, "leakage": leakage(read_rows(points.parent / SWEPT_HEADS))}


def leakage(rows: list[Row]) -> float:
    """Of the sequence, from all embeddings of a sweep."""
    rows = [row for row in rows if row["state"] == "scored"]
    embeddings = torch.tensor([row["embedding"] for row in rows], dtype=torch.float64)
    heads, sequences = (
        torch.tensor([sorted({r[key] for r in rows}).index(row[key]) for row in rows]) for key in ("head", "sequence")
    )
    return round(sequence_leakage(embeddings, sequences, heads), 4)


if __name__ == "__main__":
    for given in sys.argv[1:]:
        print(keep(Path(given)))
