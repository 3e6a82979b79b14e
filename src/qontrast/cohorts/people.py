"""Who was scanned: sex, age and site of a cohort's subjects, from IXI's spreadsheet or from BIDS' participants.tsv."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from qontrast.basics.cells import said
from qontrast.basics.errors import InputError, nearest
from qontrast.cohorts.spreadsheet import ENDINGS, Sheet, read_sheet

Sex = Literal["female", "male"]
Field = Literal["sex", "age"]
IXI_SEX: dict[str, Sex] = {"1": "male", "2": "female"}
BIDS_SEX: dict[str, Sex] = {"m": "male", "male": "male", "f": "female", "female": "female"}
MISSING = ("", "n/a", "na", "nan", "none", "0")
SAME_AGE = 0.05  # years: exports round
OLDEST = 120.0  # years
IXI_SCAN = re.compile(r"^IXI(\d+)-(\w+)-\d+-(T1|T2|PD|MRA|DTI)\b")


@dataclass(frozen=True)
class Person:
    """One subject.

    Args:
        subject: as the readers of images call it: ``sub-IXI002``, ``sub-M2001``.
        sex: None where it is not known.
        age: in years; None where it is not known.
        site: where the subject was scanned; empty where that is not known.
    """

    subject: str
    sex: Sex | None = None
    age: float | None = None
    site: str = ""


@dataclass(frozen=True)
class People:
    """The subjects of a cohort, sorted by name.

    Args:
        persons: each once.
        notes: what was merged, left out or not understood, one sentence each.
        table: the file that said so.
    """

    persons: tuple[Person, ...]
    notes: tuple[str, ...]
    table: Path

    def __iter__(self) -> Iterator[Person]:
        return iter(self.persons)

    def __len__(self) -> int:
        return len(self.persons)

    def by_subject(self) -> dict[str, Person]:
        """Each person by the subject's name."""
        return {p.subject: p for p in self.persons}


def read_people(
    folder: Path, *, needs: Iterable[Field] = ("sex", "age"), age_column: str = "", sex_column: str = ""
) -> People:
    """Sex, age and site of a cohort's subjects.

    Rows of one subject that agree are merged, what one leaves blank taken from the other; a subject whose rows
    disagree is left out and named. A sex of 0 and an age of 0 are blanks, as they are in IXI's spreadsheet; an age such
    as ``89+`` is a bound and no age. Subjects with blanks are there, with None.

    Args:
        folder: of the cohort, with ``IXI.xls`` (or ``IXI.csv``, ``IXI.tsv``) or ``participants.tsv``; or that file.
        needs: what has to have a column.
        age_column: name of the column of ages, where it has another one (ARC has ``age_at_stroke``).
        sex_column: the same for the sex.

    Raises:
        InputError: if there is no such file, or no such column; it names the file, the columns found and the remedy.
    """
    table = find_table(Path(folder))
    ixi = table.stem.lower().startswith("ixi")
    sheet = read_sheet(table, "IXI_ID" if ixi else "participant_id")
    columns = _columns(sheet, ixi, tuple(needs), {"age": age_column, "sex": sex_column})
    sites = scanned_sites(table.parent) if ixi else {}
    notes: list[str] = []
    rows: dict[str, list[Person]] = {}
    for row in sheet.rows:
        person = _person(row, columns, ixi, notes)
        if person is not None:
            rows.setdefault(person.subject, []).append(person)
    persons = []
    for subject, own in sorted(rows.items()):
        merged = _merged(own, notes)
        if merged is not None:
            persons.append(replace(merged, site=merged.site or sites.get(subject, "")))
    return People(tuple(persons), tuple(notes), table)


def find_table(folder: Path) -> Path:
    """The file of a cohort's folder that says who was scanned; a file is taken as it is.

    Raises:
        InputError: if there is none.
    """
    if folder.is_file():
        return folder
    found = _tables(folder)
    if not found:
        raise InputError(
            folder,
            "no table of its subjects" if folder.is_dir() else "no such folder",
            "IXI.xls (or .csv, .tsv), or participants.tsv",
            "`qontrast data get` brings it along; or put it there.",
        )
    return found[0]


def has_table(folder: Path) -> bool:
    """Whether a folder holds a table of its subjects."""
    return bool(_tables(folder))


def _tables(folder: Path) -> list[Path]:
    files = sorted(p for p in folder.iterdir() if p.is_file()) if folder.is_dir() else []
    ixi = [p for e in ENDINGS for p in files if p.stem.lower() == "ixi" and p.suffix.lower() == e]
    return ixi or [p for p in files if p.name == "participants.tsv"]


def ixi_subject(number: str) -> str | None:
    """The subject of an IXI_ID, as the images' reader calls it: ``2``, ``002`` or ``IXI002`` to ``sub-IXI002``."""
    digits = number.strip().upper().removeprefix("IXI").removesuffix(".0")
    return f"sub-IXI{int(digits):03d}" if digits.isdecimal() else None


def scanned_sites(folder: Path) -> dict[str, str]:
    """Site by subject, from the names of IXI's scans anywhere below ``folder``."""
    found = (IXI_SCAN.match(path.name) for path in sorted(folder.rglob("IXI*.nii*")))
    return {f"sub-IXI{int(m.group(1)):03d}": m.group(2) for m in found if m}


def _columns(sheet: Sheet, ixi: bool, needs: tuple[Field, ...], given: dict[str, str]) -> dict[str, str]:
    by_name = {name.lower(): name for name in sheet.columns}
    columns = {"subject": by_name["ixi_id" if ixi else "participant_id"], "site": by_name.get("site", "")}
    usual = {"age": by_name.get("age", ""), "sex": by_name.get("sex", by_name.get("gender", ""))}
    if ixi:  # SEX_ID (1=m, 2=f)
        usual["sex"] = next((c for n, c in by_name.items() if n.startswith("sex_id")), "")
    for field in ("age", "sex"):
        columns[field] = by_name.get(given[field].lower(), "") if given[field] else usual[field]
        if not columns[field] and (field in needs or given[field]):
            wanted = given[field] or (
                "SEX_ID (1=m, 2=f)" if ixi and field == "sex" else field.upper() if ixi else field
            )
            hint = nearest(wanted, sheet.columns) if given[field] else ""
            raise InputError(
                sheet.path,
                f"the columns {', '.join(sheet.columns)}",
                f"a column {wanted}",
                f"{hint} Name the column that holds it with {field}_column=..., or use the cohort's own table.".strip(),
            )
    return columns


def _person(row: dict[str, str], columns: dict[str, str], ixi: bool, notes: list[str]) -> Person | None:
    name = row[columns["subject"]]
    subject = ixi_subject(name) if ixi else (f"sub-{name.removeprefix('sub-')}" if name else None)
    if subject is None:
        if name:
            notes.append(f"{name!r} is no subject's name; its row is left out")
        return None
    sex_word = row.get(columns["sex"], "").lower()
    sex = (IXI_SEX if ixi else BIDS_SEX).get(sex_word)
    if sex is None and sex_word not in MISSING:
        notes.append(f"{subject}: the sex {sex_word!r} is not understood")
    site = said(row.get(columns["site"]))
    return Person(subject, sex, _age(row.get(columns["age"], ""), subject, notes), site)


def _age(word: str, subject: str, notes: list[str]) -> float | None:
    if word.lower() in MISSING:
        return None
    try:
        age = float(word)
    except ValueError:
        age = float("nan")
    if age == 0:
        return None
    if not 0 < age <= OLDEST:
        why = "a bound" if word.rstrip("+").isdigit() and word.endswith("+") else "no age in years"
        notes.append(f"{subject}: {word!r} is {why}; its age is left out")
        return None
    return age


def _merged(rows: list[Person], notes: list[str]) -> Person | None:
    sexes = {p.sex for p in rows if p.sex is not None}
    ages = [p.age for p in rows if p.age is not None]
    sites = {p.site for p in rows if p.site}
    name = rows[0].subject
    if len(sexes) > 1 or len(sites) > 1 or (ages and max(ages) - min(ages) > SAME_AGE):
        told = "; ".join(f"{p.sex or 'no sex'}, {p.age if p.age is not None else 'no'} years" for p in rows)
        notes.append(f"{name}: {len(rows)} rows that disagree ({told}); the subject is left out")
        return None
    if len(rows) > 1:
        notes.append(f"{name}: {len(rows)} rows that agree, merged")
    return Person(name, next(iter(sexes), None), ages[0] if ages else None, next(iter(sites), ""))
