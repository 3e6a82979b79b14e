"""A spreadsheet to rows of words: .xls (by xlrd), or .csv and .tsv as they are exported."""

import csv
from dataclasses import dataclass
from pathlib import Path

from qontrast.basics.cells import cells_of
from qontrast.basics.errors import InputError

ENDINGS = (".xls", ".tsv", ".csv")
EXPORT = "Export the sheet from a spreadsheet program as .csv, or download the file again."


@dataclass(frozen=True)
class Sheet:
    """The first sheet that has the column asked for.

    Args:
        path: of the file.
        columns: names of its columns, in order.
        rows: by column; an empty cell is an empty word. Numbers are written as shortly as they can be: ``2``, ``35.8``.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]


def read_sheet(path: Path, key: str) -> Sheet:
    """Read the sheet with a column ``key`` (upper or lower case); other sheets of a workbook are passed over.

    Raises:
        InputError: if the file cannot be read, or no sheet has such a column; the columns found are named.
    """
    tables = _read_xls(path) if path.suffix.lower() == ".xls" else [_read_text(path)]
    seen: list[str] = []
    for table in tables:
        head = [cell.strip() for cell in table[0]] if table else []
        seen += head
        if key.lower() in (name.lower() for name in head):
            rows = [dict(zip(head, (c.strip() for c in row), strict=False)) for row in table[1:] if any(row)]
            return Sheet(path, tuple(head), tuple(dict.fromkeys(head, "") | row for row in rows))
    raise InputError(path, f"the columns {', '.join(filter(None, seen)) or '(none)'}", f"a column {key}", EXPORT)


def _read_text(path: Path) -> list[list[str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:  # as Windows exports them
        text = path.read_text(encoding="latin-1")
    except OSError as error:
        raise InputError(path, f"no readable table ({error.strerror})", "a .tsv or .csv with a header") from error
    head = text.split("\n", 1)[0]
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=head.count)
    try:
        table = cells_of(text, delimiter)
    except csv.Error as error:
        raise InputError(path, f"no readable table ({error})", "a .tsv or .csv with a header", EXPORT) from error
    # Where semicolons part the cells, commas are decimal points.
    return [[_decimal(c) for c in row] for row in table] if delimiter == ";" else table


def _decimal(cell: str) -> str:
    whole, comma, part = cell.strip().partition(",")
    return f"{whole}.{part}" if comma and whole.lstrip("-").isdigit() and part.isdigit() else cell


def _read_xls(path: Path) -> list[list[list[str]]]:
    import xlrd

    try:
        book = xlrd.open_workbook(path, on_demand=True)
        sheets = [book.sheet_by_index(i) for i in range(book.nsheets)]
        return [[[_word(cell.value) for cell in sheet.row(r)] for r in range(sheet.nrows)] for sheet in sheets]
    except Exception as error:  # the library raises whatever its damaged file makes it stumble over
        raise InputError(
            path, f"no readable spreadsheet ({error})", "an .xls file, a .csv or a .tsv", EXPORT
        ) from error


def _word(value: object) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)
