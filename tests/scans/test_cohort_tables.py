"""A cohort as a table: long or wide, by tabs or commas; what is wrong is named with its line."""

import pytest

from qontrast.basics.errors import InputError
from qontrast.scans.table import read_table


def write(tmp_path, text, name="cohort.tsv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_row_for_each_image(tmp_path):
    table = write(tmp_path, "subject\tsession\tsuffix\tpath\nA 1\t2\tR1map\tx/r1.nii\nA 1\t2\tPDmap\tx/pd.nii.gz\n")
    found = read_table(table)
    assert [(f.session, f.suffix, f.path) for f in found] == [
        ("A 1_ses-2", "R1map", tmp_path / "x/r1.nii"),
        ("A 1_ses-2", "PDmap", tmp_path / "x/pd.nii.gz"),
    ]


def test_a_row_for_each_subject(tmp_path):
    table = write(
        tmp_path, "participant_id,site,age,T1w,FLAIR\nsub-1,Guys,34,a.nii,b.nii\nsub-2,HH,40,c.nii,\n", "c.csv"
    )
    found = read_table(table)
    assert [(f.session, f.suffix, f.entities["site"]) for f in found] == [
        ("sub-1", "T1w", "Guys"),
        ("sub-1", "FLAIR", "Guys"),
        ("sub-2", "T1w", "HH"),
    ]


def test_a_quotation_mark_that_is_never_closed_is_a_letter(tmp_path):
    text = 'subject\tnotes\tT1w\n1\t"tall\ta.nii\n2\t\tb.nii\n3\t"two ""words"""\t"c d.nii"\n'
    found = read_table(write(tmp_path, text))
    assert [(f.subject, f.path.name) for f in found] == [("1", "a.nii"), ("2", "b.nii"), ("3", "c d.nii")]


def test_what_is_not_available_is_blank(tmp_path):
    text = "subject\tsession\tsite\tT1w\tFLAIR\n1\tn/a\tN/A\ta.nii\tn/a\n2\t\n"
    (found,) = read_table(write(tmp_path, text))
    assert (found.session, found.suffix, found.entities) == ("1", "T1w", {})


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "columns"),
        ("name\tT1w\nx\ta.nii\n", "a column subject"),
        ("subject\tage\nx\t3\n", "no image"),
        ("subject\tsuffix\tpath\n\tT1w\ta.nii\n", "line 2"),
        ("subject\tsuffix\tpath\nx\tT1w\ta.doc\n", "a.doc"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, match):
    with pytest.raises(InputError, match=match):
        read_table(write(tmp_path, text))


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "x.tsv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="no readable table"):
        read_table(path)
