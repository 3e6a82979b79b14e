import json
import math
import multiprocessing
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qontrast.basics.errors import InputError, WriteError
from qontrast.results.ledger import append_rows, read_rows

FIELDS = st.one_of(st.text(), st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False))
ROWS = st.lists(st.dictionaries(st.text(), FIELDS, max_size=4), max_size=5)


@settings(max_examples=40, deadline=None)
@given(first=ROWS, second=ROWS, cut=st.integers(0, 29))
def test_what_is_appended_comes_back_whatever_was_torn(tmp_path_factory, first, second, cut):
    path = tmp_path_factory.mktemp("ledger") / "deep" / "ledger.jsonl"
    append_rows(path, first)
    torn = json.dumps({"run": "killed", "dice": 0.5}).encode()[:cut]
    path.parent.mkdir(exist_ok=True)
    with path.open("ab") as stream:
        stream.write(torn)
    assert read_rows(path) == first
    append_rows(path, second)
    assert read_rows(path) == first + second


def test_a_last_row_that_lacks_only_its_line_break_is_kept(tmp_path):
    path = tmp_path / "ledger.jsonl"
    path.write_text('{"a": 1}\n{"a": 2}')
    append_rows(path, [{"a": 3}])
    assert path.read_text() == '{"a": 1}\n{"a": 2}\n{"a": 3}\n'


def test_one_call_is_one_write(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    append_rows(tmp_path / "ledger.jsonl", ({"subject": n} for n in range(1000)))
    assert len(synced) == 1
    assert [row["subject"] for row in read_rows(tmp_path / "ledger.jsonl")] == list(range(1000))


def test_a_failed_write_leaves_the_rows_before(tmp_path, monkeypatch):
    path = tmp_path / "ledger.jsonl"
    append_rows(path, [{"a": 1}])

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError, match="No space left"):
        append_rows(path, [{"a": 2}])
    assert path.read_text() == '{"a": 1}\n'


def append_many(path, writer):
    for n in range(150):
        append_rows(path, [{"writer": writer, "n": n}])


def test_several_processes_may_append_to_one_file(tmp_path):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=append_many, args=(tmp_path / "ledger.jsonl", w)) for w in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    rows = read_rows(tmp_path / "ledger.jsonl")
    assert [[row["n"] for row in rows if row["writer"] == w] for w in range(2)] == [list(range(150))] * 2


@pytest.mark.parametrize("value", [math.nan, math.inf, [1.0, math.nan], np.float32("nan"), {1, 2}])
def test_what_is_no_number_is_refused_before_anything_is_written(tmp_path, value):
    path = tmp_path / "ledger.jsonl"
    with pytest.raises(InputError, match="row 1 to append, 'hd95_mm'"):
        append_rows(path, [{"hd95_mm": 1.0}, {"hd95_mm": value}])
    assert not path.exists()


def test_numpy_scalars_become_numbers(tmp_path):
    append_rows(tmp_path / "ledger.jsonl", [{"dice": np.float32(0.5), "truth_voxels": np.int64(7)}])
    assert read_rows(tmp_path / "ledger.jsonl") == [{"dice": 0.5, "truth_voxels": 7}]


@pytest.mark.parametrize("line", ["{broken", "[1, 2]", '{"dice": NaN}'])
def test_a_broken_line_in_the_middle_is_named(tmp_path, line):
    path = tmp_path / "ledger.jsonl"
    path.write_text(f'{{"a": 1}}\n{line}\n{{"a": 3}}\n')
    with pytest.raises(InputError, match=r"ledger\.jsonl, line 2"):
        read_rows(path)


def test_a_journal_may_hold_nan(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_text('{"loss": NaN}\n')
    assert math.isnan(read_rows(path, allow_nan=True)[0]["loss"])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.jsonl: found no such file"):
        read_rows(tmp_path / "nowhere.jsonl")
