"""A line of JSON for each step."""

import json
import math

import pytest

from qontrast.basics.errors import WriteError
from qontrast.engine.journal import JOURNAL, Journal


def written(folder):
    return [json.loads(line) for line in (folder / JOURNAL).read_text().splitlines()]


@pytest.fixture
def old(tmp_path):
    """A folder with the journal of five steps."""
    journal = Journal(tmp_path)
    for step in range(5):
        journal.write(step=step, loss=1.0 / (step + 1))
    journal.close()
    return tmp_path


def test_each_line_can_be_read_as_soon_as_it_is_written(tmp_path):
    journal = Journal(tmp_path)
    assert written(tmp_path) == []
    for step in range(3):
        journal.write(step=step, loss=0.5)
        assert written(tmp_path) == [{"step": s, "loss": 0.5} for s in range(step + 1)]
    journal.close()


def test_numbers_that_are_not_finite_become_null(tmp_path):
    journal = Journal(tmp_path)
    journal.write(step=0, a=math.nan, b=math.inf, c=-math.inf, d=2.5, e=None, f=3)
    journal.close()
    assert written(tmp_path) == [{"step": 0, "a": None, "b": None, "c": None, "d": 2.5, "e": None, "f": 3}]
    for word in ("NaN", "Infinity"):
        assert word not in (tmp_path / JOURNAL).read_text()


@pytest.mark.parametrize("below", [0, 1, 3, 5, 9])
def test_lines_below_the_step_that_a_run_resumes_at_are_kept(old, below):
    before = written(old)
    journal = Journal(old, keep_below=below)
    assert written(old) == before[:below]
    journal.write(step=below, loss=9.0)
    journal.close()
    assert written(old) == [*before[:below], {"step": below, "loss": 9.0}]


@pytest.mark.parametrize("torn", ['{"step": 5, "lo', '{"step": 5, "loss": 0.1', "{", "\0\0\0\0"])
def test_a_torn_last_line_is_dropped(old, torn):
    before = written(old)
    with (old / JOURNAL).open("a") as stream:
        stream.write(torn)
    journal = Journal(old, keep_below=9)
    journal.write(step=5, loss=0.1)
    journal.close()
    assert written(old) == [*before, {"step": 5, "loss": 0.1}]


def test_a_full_disk_is_said_and_what_was_written_stays(tmp_path, small_disk):
    journal = Journal(tmp_path)
    journal.write(step=0, loss=1.0)
    with small_disk((tmp_path / JOURNAL).stat().st_size), pytest.raises(WriteError, match=r"journal.*--resume"):
        journal.write(step=1, loss=0.5)
    journal.close()
    again = Journal(tmp_path, keep_below=1)
    assert written(tmp_path) == [{"step": 0, "loss": 1.0}]
    again.close()
