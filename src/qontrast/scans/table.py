"""A cohort given as a table: a row for each image, or a row for each subject with a column for each kind of image."""

import csv
from pathlib import Path

from qontrast.basics.cells import cells_of, said
from qontrast.basics.errors import InputError
from qontrast.scans.names import Named, stem

SUBJECT = ("subject", "participant_id", "sub", "id")
OTHER = ("session", "ses", "site")


def read_table(path: Path) -> list[Named]:
    """The images that a table names.

    TSV or CSV (by its ending) with a column ``subject`` (or ``participant_id``), optionally ``session`` and ``site``,
    and either the columns ``suffix`` and ``path``, or one column of paths for each BIDS suffix (``T1w``, ``R1map``,
    ``dseg``, ...). Paths are relative to the table; an empty cell is no image. Files are not looked at.

    Raises:
        InputError: naming the line and the remedy.
    """
    try:
        head, *lines = cells_of(path.read_text(encoding="utf-8-sig"), "," if path.suffix == ".csv" else "\t") or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, f"no readable table ({error})", "a TSV or CSV with a header") from error
    columns = [name.strip() for name in head] if lines else []
    key = next((c for c in SUBJECT if c in columns), None)
    images = [c for c in columns if c and c not in (*SUBJECT, *OTHER, "path", "suffix")]
    long = {"path", "suffix"} <= set(columns)
    if key is None or not (long or images):
        raise InputError(
            path,
            f"the columns {', '.join(map(str, columns)) or '(none)'}",
            "a column subject, and path with suffix or one column for each suffix",
            "The columns of a .tsv are separated by tabs, those of a .csv by commas.",
        )
    found = []
    for line, cells in enumerate(lines, start=2):
        row = dict.fromkeys(columns, "") | dict(zip(columns, map(said, cells), strict=False))
        subject = row[key]
        named = {row["suffix"]: row["path"]} if long else {c: row[c] for c in images}
        for suffix, cell in named.items():
            if not cell:
                continue
            image = path.parent / cell
            if not (subject and suffix):
                raise InputError(f"{path}, line {line}", "no subject or no suffix", "both, for every image")
            if not stem(image):
                if long:
                    raise InputError(f"{path}, line {line}", f"the path {cell!r}", "the path of an image")
                continue  # a column of something else, such as age
            entities = {"ses": row.get("session") or row.get("ses") or "", "site": row.get("site", "")}
            told = {k: v.removeprefix(f"{k}-") for k, v in entities.items() if v}
            found.append(Named(image, suffix, told, named=subject))
    if not found:
        raise InputError(path, "no image in any row", "at least one path of an image")
    return found
