"""What a BIDS dataset says of its people: ``participants.tsv``."""

import csv
from pathlib import Path

from qontrast.basics.errors import InputError

TABLE = "participants.tsv"


def read_sites(folder: Path) -> dict[str, str]:
    """The site of each subject, ``sub-01`` to a word, where the table has a column ``site``; else nothing.

    Raises:
        InputError: if the table cannot be read.
    """
    path = Path(folder) / TABLE
    if not path.is_file():
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, f"no readable table ({error})", "a TSV with a header") from error
    sites = {}
    for row in rows:
        name, site = (row.get("participant_id") or "").strip(), (row.get("site") or "").strip()
        if name and site and site != "n/a":
            sites[name if name.startswith("sub-") else f"sub-{name}"] = site
    return sites
