"""Which label is which tissue: FreeSurfer's indices, or any table given as TSV."""

import csv
import math
from dataclasses import dataclass, fields
from pathlib import Path

from qontrast.anatomy.classes import Scheme, class_index
from qontrast.anatomy.priors import FREESURFER, PRIORS, Prior
from qontrast.basics.errors import InputError, nearest
from qontrast.scans.names import stem

NUMBERS = tuple(f.name for f in fields(Prior))
NAMES = {
    **dict.fromkeys(("background", "bg", "air"), "air"),
    **dict.fromkeys(("grey matter", "gray matter", "gm"), "cortical grey matter"),
    **dict.fromkeys(("white matter", "wm"), "white matter"),
    **dict.fromkeys(("cerebrospinal fluid", "csf"), "cerebrospinal fluid"),
    **dict.fromkeys(("cortical gray matter", "cgm"), "cortical grey matter"),
    **dict.fromkeys(("brainstem", "bs"), "brain stem"),
    **dict.fromkeys(("bone", "bn"), "cortical bone"),
    "st": "soft tissue",
}
"""What the names of a tissue segmentation mean beside the tissues' own: those that ``predict`` writes, and BIDS'."""


@dataclass(frozen=True)
class LabelTable:
    """Priors by label.

    Args:
        priors: tissue parameters at 3 T for each label.
        tissues: name of the tissue of each label; labels with numbers of their own may name none of ours.
        origin: where the table came from, for messages.
    """

    priors: dict[int, Prior]
    tissues: dict[int, str]
    origin: str

    def classes(self, scheme: Scheme = "tissues") -> dict[int, int]:
        """Index of the segmentation class of each label; what is in no class of the scheme is background."""
        return {label: class_index(scheme, label, tissue) for label, tissue in self.tissues.items()}


BUILT_IN = LabelTable({k: PRIORS[v] for k, v in FREESURFER.items()}, FREESURFER, "the built-in FreeSurfer table")


def read_label_table(path: Path) -> LabelTable:
    """Read a table of labels.

    A TSV with the column ``index`` (or ``value``) and either ``tissue`` (a name of ours, such as ``white matter``) or
    numbers of its own in columns ``t1`` (s), ``t2`` and ``t2star`` (ms), ``pd`` (fraction) and ``mt`` (percent units),
    optionally ``spread``. A table that has neither (BIDS ``dseg.tsv``: index and name) is read by its names if it
    names grey or white matter so (``grey matter``, ``GM``), and other names then have no prior; else by FreeSurfer's
    indices.

    Raises:
        InputError: naming the row and the remedy.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, f"no readable table ({error})", "a TSV with a row for each label") from error
    if not rows:
        raise InputError(path, "no row", "a row for each label", "The columns are separated by tabs.")
    key = next((k for k in ("index", "value") if k in rows[0]), None)
    if key is None:
        raise InputError(path, f"columns {', '.join(map(str, rows[0]))}", "a column named index", "It is a TSV.")
    # FreeSurfer never calls a label plainly grey or white matter: such a table has numbers of its own.
    by_name = any(_named_tissue(row) in ("cortical grey matter", "white matter") for row in rows)
    priors: dict[int, Prior] = {}
    tissues: dict[int, str] = {}
    for line, row in enumerate(rows, start=2):
        try:
            index = int(row[key])
        except (TypeError, ValueError):
            raise InputError(f"{path}, line {line}", f"the index {row[key]!r}", "a whole number") from None
        tissue = (row.get("tissue") or "").strip()
        prior = _own_numbers(path, line, row)
        if prior is None and tissue and tissue not in PRIORS:
            raise InputError(
                f"{path}, line {line}", f"the tissue {tissue!r}", "a known tissue", nearest(tissue, PRIORS)
            )
        if prior is None:
            # With numbers of its own a label means what its row says, whatever FreeSurfer's index means.
            tissue = tissue or (_named_tissue(row) if by_name else FREESURFER.get(index, ""))
            prior = PRIORS.get(tissue)
        if prior is not None:
            priors[index] = prior
            tissues[index] = tissue or (row.get("name") or str(index))
    priors.setdefault(0, PRIORS["air"])
    tissues.setdefault(0, "air")
    return LabelTable(priors, tissues, str(path))


def _named_tissue(row: dict[str, str]) -> str:
    name = (row.get("name") or "").strip().lower()
    return NAMES.get(name) or (name if name in PRIORS else "")


def table_for(path: Path, given: Path | None) -> LabelTable:
    """The user's table, else one beside the label map ``path`` that says which tissue a label is, else FreeSurfer's.

    Raises:
        InputError: see :func:`read_label_table`.
    """
    if given is not None:
        return read_label_table(given)
    for file in tables(path, None):
        table = read_label_table(file)
        return table if len(table.priors) > 1 else BUILT_IN
    return BUILT_IN


def tables(path: Path, given: Path | None) -> list[Path]:
    """The tables that may tell the labels of ``path``: the user's, else those beside and above it, nearest first."""
    folders = (path.parent, *list(path.parents)[1:3])
    beside = [folder / name for folder in folders for name in (f"{stem(path)}.tsv", "dseg.tsv")]
    return [file for file in ([given] if given else beside) if file.is_file()]


def _own_numbers(path: Path, line: int, row: dict[str, str]) -> Prior | None:
    given = {n: (row.get(n) or "").strip() for n in NUMBERS}
    if not any(given.values()):
        return None
    missing = [n for n in NUMBERS if not given[n] and n != "spread"]
    if missing:
        raise InputError(f"{path}, line {line}", f"no {', '.join(missing)}", "t1, t2, t2star, pd and mt together")
    try:
        numbers = {n: float(v) for n, v in given.items() if v}
    except ValueError as error:
        raise InputError(f"{path}, line {line}", str(error), "numbers") from None
    if not all(math.isfinite(v) and v >= 0 for v in numbers.values()):
        raise InputError(f"{path}, line {line}", "a negative or infinite number", "finite numbers, 0 or more")
    if numbers["pd"] > 1.6:
        raise InputError(f"{path}, line {line}", f"pd = {numbers['pd']:g}", "a fraction", "Divide percent by 100.")
    if numbers["t1"] > 20:
        raise InputError(f"{path}, line {line}", f"t1 = {numbers['t1']:g}", "seconds, below 20", "Divide ms by 1000.")
    if min(numbers["t1"], numbers["t2"], numbers["t2star"]) <= 0:
        raise InputError(f"{path}, line {line}", "a relaxation time of 0 or less", "times above 0")
    return Prior(**numbers)
