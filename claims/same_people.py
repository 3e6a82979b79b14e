"""Volumes by `tissue-nano` of the same people, in each sequence that they were scanned in, for docs/limits.md.

python claims/same_people.py FOLDER     (15 s a scan; FOLDER holds SESSION_T1W, _T2W and _FLAIR.nii.gz, at any depth)

Sessions without a T1w are left out. What is printed is each volume over that of the T1w: mean, least and largest.
"""

import csv
import io
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np

from qontrast.anatomy.classes import TISSUE_OF
from qontrast.basics.atomic import write_atomic
from qontrast.scans.names import stem
from qontrast.tasks.models import Model
from qontrast.tasks.predict import beside, open_for_scans, use

VOLUMES = Path(__file__).parents[1] / "docs" / "limits" / "same-people.csv"
SEQUENCES = ("T1w", "T2w", "FLAIR")
GREY, WHITE = (
    tuple(name for name, tissue in TISSUE_OF.items() if tissue == wanted) for wanted in ("grey matter", "white matter")
)
PARTS = {
    "brain": (*GREY, *WHITE),
    "grey matter": GREY,
    "white matter": WHITE,
    "deep grey matter": ("deep grey matter",),
    "cerebellum": ("cerebellar grey matter", "cerebellar white matter"),
    "brain stem": ("brain stem",),
    "ventricles": ("ventricles",),
    "cerebrospinal fluid around the brain": ("cerebrospinal fluid",),
}


def sessions(folder: Path) -> dict[str, dict[str, Path]]:
    """The scans of each session that has a T1w and another sequence, by sequence."""
    found: dict[str, dict[str, Path]] = defaultdict(dict)
    known = {sequence.lower(): sequence for sequence in SEQUENCES}
    for path in sorted(folder.rglob("*.nii.gz")):
        session, _, suffix = str(path.relative_to(folder).with_name(stem(path))).rpartition("_")
        if suffix.lower() in known:
            found[session][known[suffix.lower()]] = path
    return {name: scans for name, scans in found.items() if "T1w" in scans and len(scans) > 1}


def volumes(network: Model, scan: Path) -> dict[str, float]:
    """Volume of each class in a scan, ml."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "seg.nii"
        use(network, scan, out, picture=False, refine=True)
        rows = list(csv.DictReader(beside(out, "tsv").read_text().splitlines(), delimiter="\t"))
    return {row["name"]: float(row["volume_ml"]) for row in rows[1:]}


def main(folder: Path) -> None:
    """Segment all of them, write their volumes and print the ratios."""
    network, table = open_for_scans("tissue-nano", "auto", "segmenter"), io.StringIO()
    write = csv.writer(table, lineterminator="\n").writerow
    write(["session", "sequence", *(f"{part} (ml)" for part in PARTS)])
    ratios: dict[tuple[str, str], list[float]] = defaultdict(list)
    for session, scans in sessions(folder).items():
        found = {sequence: volumes(network, scans[sequence]) for sequence in SEQUENCES if sequence in scans}
        for sequence, classes in found.items():
            sums = {part: sum(classes[name] for name in names) for part, names in PARTS.items()}
            write([session, sequence, *(f"{volume:.1f}" for volume in sums.values())])
            for part, names in PARTS.items():
                ratios[part, sequence].append(sums[part] / sum(found["T1w"][name] for name in names))
        print(session, *found, flush=True)
    write_atomic(VOLUMES, table.getvalue())
    for part in PARTS:
        told = [f"{np.mean(r):.2f} ({min(r):.2f} to {max(r):.2f})" for s in SEQUENCES[1:] if (r := ratios[part, s])]
        print(f"| {part} |", " | ".join(told), "|")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
