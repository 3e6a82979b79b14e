"""The cells of a table in a text file, and which of them say nothing."""

import csv
import io

BLANK = ("", "n/a")


def cells_of(text: str, delimiter: str) -> list[list[str]]:
    """Rows of cells. Between tabs a quotation mark is a letter, as BIDS has it, but for a pair around a whole cell.

    Raises:
        csv.Error: if the text is no table.
    """
    if delimiter != "\t":
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    rows = csv.reader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
    return [[_unquoted(cell) for cell in row] for row in rows]


def said(cell: str | None) -> str:
    """What a cell says; nothing where it is blank, or ``n/a`` in any case."""
    word = (cell or "").strip()
    return "" if word.lower() in BLANK else word


def _unquoted(cell: str) -> str:
    quoted = len(cell) > 1 and cell[0] == cell[-1] == '"'
    return cell[1:-1].replace('""', '"') if quoted else cell
