import csv
import io
import re
import shutil
import subprocess

import numpy as np
import pytest
from ledgers import study_ledger

from qontrast.basics.errors import InputError
from qontrast.results.layout import tables_of, write_tables
from qontrast.results.study_rows import study_rows
from qontrast.results.study_table import EVERYWHERE, arms_in_order, study_table
from qontrast.results.table_text import as_csv, as_csv_cells, as_latex, as_markdown, latex

EVIL = "[50% & a_b #1 {x} \\y ~z^2 $m$ | <i>"


@pytest.fixture(scope="module")
def rows():
    found = study_ledger()
    found[1]["note"] = "empty prediction"
    return found


@pytest.fixture(scope="module")
def table(rows):
    return study_table(study_rows(rows), "dice", arms=("scratch", "base"))


def test_lines_are_places_and_columns_fractions_by_arm(table):
    assert table.places == (("guys", "T1w"), ("guys", "T2w"), ("hh", "T1w"), ("hh", "T2w"), EVERYWHERE)
    assert (table.fractions, table.arms) == (("1 subject", "3 subjects"), ("scratch", "base", "seqinv"))
    assert len(table.scores) == 5 * 2 * 3


def test_a_cell_is_the_mean_over_subjects(rows, table):
    here = [r["dice"] for r in rows if (r["site"], r["contrast"], r["fraction"], r["arm"]) == ("hh", "T2w", 3, "base")]
    score = table.scores[("hh", "T2w"), "3 subjects", "base"]
    assert score.interval.mean == pytest.approx(np.mean(here))
    assert (score.interval.count, score.scores) == (8, 32)
    assert table.scores[EVERYWHERE, "3 subjects", "base"].interval.count == 16


def test_the_best_is_marked_and_what_is_not_told_from_it(table):
    assert [arm for arm in table.arms if table.scores[EVERYWHERE, "1 subject", arm].best] == ["seqinv"]
    assert [table.scores[EVERYWHERE, "1 subject", arm].tier for arm in table.arms][2] == 1
    assert table.scores[EVERYWHERE, "1 subject", "scratch"].tier > 1
    assert all(table.scores[("hh", "T1w"), "1 subject", arm].tier == 1 for arm in table.arms)
    assert "So few subjects could not have told any arms apart inside of a site and contrast." in table.notes


def test_for_distances_the_lowest_is_best(rows):
    table = study_table(study_rows(rows), "hd95_mm")
    for place in table.places:
        means = {arm: table.scores[place, "1 subject", arm].interval.mean for arm in table.arms}
        assert table.scores[place, "1 subject", min(means, key=means.get)].best


def test_empty_predictions_are_counted_where_they_are(table):
    assert table.scores[("guys", "T1w"), "1 subject", "scratch"].empty == 1 or table.empty("1 subject", "scratch") == (
        1,
        128,
    )
    assert sum(table.empty(fraction, arm)[0] for fraction in table.fractions for arm in table.arms) == 1
    for text in (as_markdown(table), as_latex(table)):
        assert text.count("1 empty") == 2  # its own line, and all places
        assert "1 of 128" in text
    assert "empty predictions,,1,0,0,0,0,0" in as_csv(table)


def test_what_an_arm_lacks_is_named_in_the_notes(rows):
    fewer = [
        row
        for row in rows
        if not (row["arm"] == "base" and row["subject"] == "hh-03" and row["contrast"] == "T1w")
        and not (row["arm"] == "scratch" and row["fraction"] == 3 and row["site"] == "guys")
        and not (row["arm"] == "seqinv" and row["seed"] == 1 and row["fraction"] == 3)
    ]
    table = study_table(study_rows(fewer), "dice")
    assert "Not scored: base, hh, T1w: hh-03 (1 subject, 3 subjects)." in table.notes
    assert "Not scored: scratch, guys, T2w: none of 8 subjects (3 subjects)." in table.notes
    assert any(note.startswith("Seeds differ, 3 subjects: base 2, scratch 2, seqinv 1.") for note in table.notes)
    assert "not scored" in as_markdown(table)
    assert " -- " in as_latex(table)


def test_travelling_subjects_count_once(rows):
    same = [{**row, "subject": row["subject"][-2:]} for row in rows]
    table = study_table(study_rows(same), "dice")
    assert table.scores[EVERYWHERE, "1 subject", "base"].interval.count == 8
    assert any(
        note.startswith("Scored at several sites: 8 of 8 subjects (00, 01, 02, 03, 04 and others)")
        for note in table.notes
    )


def test_csv_holds_the_same_numbers(table):
    head, *lines = csv.reader(io.StringIO(as_csv(table)))
    assert head[:4] == ["site", "contrast", "1 subject: scratch", "1 subject: base"]
    for line in lines[:-1]:
        for name, value in zip(head[2:], line[2:], strict=True):
            fraction, arm = name.split(": ")
            assert float(value) == table.scores[(line[0], line[1]), fraction, arm].interval.mean
    cells = list(csv.DictReader(io.StringIO(as_csv_cells([table]))))
    assert len(cells) == len(table.scores)
    for cell in cells:
        score = table.scores[(cell["site"], cell["contrast"]), cell["fraction"], cell["arm"]]
        assert (float(cell["low"]), float(cell["high"])) == (score.interval.low, score.interval.high)
        assert (cell["best"] == "True", int(cell["tier"])) == (score.best, score.tier)


def unescaped(text, letter):
    return len(re.findall(rf"(?<!\\){re.escape(letter)}", text))


def test_latex_is_escaped_and_every_line_has_every_column(rows):
    evil = [{**row, "site": EVIL, "arm": EVIL if row["arm"] == "base" else row["arm"]} for row in rows]
    text = as_latex(study_table(study_rows(evil), "dice"))
    tabular = text.split(r"\begin{tabular}")[1].split(r"\end{tabular}")[0]
    for line in tabular.splitlines():
        if line.endswith(r"\\") and "multicolumn" not in line:
            assert unescaped(line, "&") == 2 + 6 - 1
    assert unescaped(text, "{") == unescaped(text, "}")
    assert unescaped(text, "%") == unescaped(text, "#") == unescaped(text, "_") == unescaped(text, "^") == 0
    assert unescaped(text, "$") % 2 == 0
    assert latex("a_b & 5 %") == r"a\_b \& 5 \%"
    assert latex("\\") == r"\textbackslash{}"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on PATH")
def test_latex_compiles_as_it_stands(tmp_path, rows):
    evil = [{**row, "site": EVIL, "arm": EVIL if row["arm"] == "base" else row["arm"]} for row in rows[:-4]]
    text = "\n\n".join(as_latex(table) for table in tables_of(evil))
    (tmp_path / "t.tex").write_text(rf"\documentclass{{article}}\begin{{document}}{text}\end{{document}}")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-draftmode", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-600:]


def test_markdown_of_evil_names_keeps_its_columns(rows):
    evil = [{**row, "site": EVIL} for row in rows]
    lines = [line for line in as_markdown(study_table(study_rows(evil), "dice")).splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {2 + 6 + 1}
    assert r"\<i\>" in lines[2]


def test_files_of_all_tasks_and_metrics(tmp_path, rows):
    more = [
        {"subject": f"s{n}", "arm": arm, "task": "Age, in years", "absolute_error_years": 3.0 + n}
        for n in range(7)
        for arm in "ab"
    ]
    files = write_tables(tmp_path / "tables", [*rows, *more])
    names = {
        f"{stem}.{end}"
        for stem in ("tissue_dice", "tissue_hd95_mm", "age-in-years_absolute_error_years")
        for end in ("md", "csv", "tex")
    }
    assert {file.name for file in files} == names | {"cells.csv"} == {f.name for f in (tmp_path / "tables").iterdir()}
    age = (tmp_path / "tables" / "age-in-years_absolute_error_years.md").read_text()
    assert "labels not stated: a" in age
    assert "Empty" not in age
    again = write_tables(tmp_path / "again", [*rows, *more][::-1])
    assert [a.read_text() for a in sorted(again)] == [f.read_text() for f in sorted(files)]


def test_arms_keep_the_order_asked_for():
    rows = [{"arm": arm} for arm in ("b, full", "b, frozen", "c", "a")]
    assert arms_in_order(rows, ("c", "b")) == ["c", "b, frozen", "b, full", "a"]


def test_a_table_is_of_one_task(rows):
    two = study_rows([*rows, {"subject": "s", "arm": "a", "absolute_error_years": 1.0}])
    for task in (None, "ages"):
        with pytest.raises(InputError, match="one of age, tissue"):
            study_table(two, "dice", task=task)
    with pytest.raises(InputError, match="no key 'hd95_mm'"):
        tables_of([{k: v for k, v in rows[0].items() if k != "hd95_mm"}, *rows[1:]])
