"""Who was scanned: IXI's spreadsheet with its oddities, and participants.tsv of BIDS."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from cohorts.ixi_sheet import ROWS, xls

from qontrast.basics.errors import InputError
from qontrast.cohorts.people import Person, find_table, read_people

HEAD = ("IXI_ID", "SEX_ID (1=m, 2=f)", "AGE")


def write_csv(path: Path, head=HEAD, rows=ROWS, delimiter=",", decimal="."):
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, delimiter=delimiter)
        writer.writerow(head)
        writer.writerows([[str(c).replace(".", decimal) for c in row] for row in rows])
    return path


@pytest.fixture
def ixi(tmp_path):
    pytest.importorskip("xlrd")
    (tmp_path / "IXI.xls").write_bytes(xls())
    (tmp_path / "IXI-T1").mkdir()
    for name in ("IXI002-Guys-0828-T1.nii.gz", "IXI012-HH-1211-T1.nii.gz", "IXI035-IOP-0873-T1.nii.gz"):
        (tmp_path / "IXI-T1" / name).touch()
    return tmp_path


def test_ixi_as_downloaded(ixi):
    people = read_people(ixi)
    assert people.by_subject() == {
        "sub-IXI001": Person("sub-IXI001", "male", None),
        "sub-IXI002": Person("sub-IXI002", "female", 35.800137, "Guys"),
        "sub-IXI012": Person("sub-IXI012", "male", 38.781656, "HH"),
        "sub-IXI013": Person("sub-IXI013", "male", 46.710472),  # the second row is a copy with zeros
        "sub-IXI014": Person("sub-IXI014", "female", 34.236824),
        "sub-IXI015": Person("sub-IXI015", None, 24.284736),
    }
    told = " ".join(people.notes)
    assert "sub-IXI219: 2 rows that disagree (female, 41.2 years; female, 58.7 years); the subject is left out" in told
    assert "sub-IXI328: 2 rows that disagree" in told
    assert "sub-IXI013: 2 rows that agree, merged" in told
    assert len(people.notes) == 4


@pytest.mark.parametrize(
    ("name", "delimiter", "decimal"), [("IXI.csv", ",", "."), ("IXI.csv", ";", ","), ("ixi.tsv", "\t", ".")]
)
def test_exports_say_the_same_as_the_spreadsheet(ixi, tmp_path_factory, name, delimiter, decimal):
    folder = tmp_path_factory.mktemp("export")
    write_csv(folder / name, delimiter=delimiter, decimal=decimal)
    exported, original = read_people(folder), read_people(ixi / "IXI.xls")
    assert exported.persons == tuple(replace(p, site="") for p in original)
    assert exported.notes == original.notes


def test_a_missing_age_column_is_told_with_the_columns_and_a_remedy(tmp_path):
    table = write_csv(tmp_path / "IXI.csv", HEAD[:2], [row[:2] for row in ROWS])
    with pytest.raises(InputError) as error:
        read_people(tmp_path)
    assert str(table) in str(error.value)
    assert "found the columns IXI_ID, SEX_ID (1=m, 2=f); wanted a column AGE" in str(error.value)
    assert "age_column" in error.value.remedy
    assert read_people(tmp_path, needs=("sex",)).by_subject()["sub-IXI002"].sex == "female"


def test_ids_are_read_with_and_without_letters(tmp_path):
    write_csv(tmp_path / "IXI.csv", rows=[("IXI002", 2, 35.5), ("12", 1, 40), ("645.0", 1, 41), ("x7", 1, 42)])
    people = read_people(tmp_path)
    assert [p.subject for p in people] == ["sub-IXI002", "sub-IXI012", "sub-IXI645"]
    assert people.notes == ("'x7' is no subject's name; its row is left out",)


def test_rows_that_differ_by_rounding_agree(tmp_path):
    write_csv(tmp_path / "IXI.csv", rows=[(2, 2, 35.800137), (2, 2, 35.8), (3, 1, 35.8), (3, 1, 36.0)])
    assert [p.subject for p in read_people(tmp_path)] == ["sub-IXI002"]


def test_participants_of_bids(tmp_path):
    lines = [
        "participant_id\tsex\tage\tsite\tetiology",
        'sub-2\tM\t78\tA\t"2: Cardioembolism (atrial fibrillation, valve)"',
        "sub-6\tn/a\tn/a\tA\tn/a",
        "sub-38\tF\t89+\tB\tn/a",
        "7\tfemale\t34.5\tB\tn/a",
        "sub-8\tO\t-3\tn/a\tn/a",
    ]
    (tmp_path / "participants.tsv").write_text("\n".join(lines) + "\n")
    people = read_people(tmp_path)
    assert people.by_subject() == {
        "sub-2": Person("sub-2", "male", 78.0, "A"),
        "sub-38": Person("sub-38", "female", None, "B"),
        "sub-6": Person("sub-6", None, None, "A"),
        "sub-7": Person("sub-7", "female", 34.5, "B"),
        "sub-8": Person("sub-8", None, None, ""),
    }
    assert len(people.notes) == 3
    assert "sub-38: '89+' is a bound; its age is left out" in people.notes
    assert "sub-8: the sex 'o' is not understood" in people.notes


def test_a_quotation_mark_that_is_never_closed_swallows_nobody(tmp_path):
    lines = ["participant_id\tsex\tage\tnotes\tsite", 'sub-1\tF\t30\t"tall\tA', "sub-2\tM\t31\t\tN/A"]
    (tmp_path / "participants.tsv").write_text("\n".join(lines) + "\n")
    assert read_people(tmp_path).persons == (Person("sub-1", "female", 30.0, "A"), Person("sub-2", "male", 31.0, ""))


def test_arcs_age_has_another_name(tmp_path):
    (tmp_path / "participants.tsv").write_text("participant_id\tsex\tage_at_stroke\nsub-M2001\tF\t38\n")
    with pytest.raises(InputError, match="participant_id, sex, age_at_stroke"):
        read_people(tmp_path)
    assert read_people(tmp_path, age_column="age_at_stroke").persons == (Person("sub-M2001", "female", 38.0),)
    with pytest.raises(InputError, match="Did you mean 'age_at_stroke'"):
        read_people(tmp_path, age_column="age_at_strok")


def test_a_folder_without_a_table_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"IXI\.xls"):
        find_table(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        find_table(tmp_path / "nowhere")


def test_a_damaged_spreadsheet_is_refused(tmp_path):
    pytest.importorskip("xlrd")
    (tmp_path / "IXI.xls").write_bytes(xls()[:900])
    with pytest.raises(InputError, match="no readable spreadsheet"):
        read_people(tmp_path)
    (tmp_path / "IXI.xls").write_bytes(b"<html>404</html>")
    with pytest.raises(InputError, match="no readable spreadsheet"):
        read_people(tmp_path)
