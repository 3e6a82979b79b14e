"""Files appear whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from qontrast.basics.atomic import claim_folder, publish, write_atomic
from qontrast.basics.errors import InputError, WriteError


def full_disk(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("content", ["größer\n", b"\x00\xff"])
def test_what_is_written_is_read_back(tmp_path, content):
    target = tmp_path / "new" / "folder" / "file"
    write_atomic(target, content)
    write_atomic(target, content)
    assert target.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert [p.name for p in target.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, failing):
    target = tmp_path / "result.json"
    write_atomic(target, "old")
    monkeypatch.setattr(*((os, "fsync") if failing == "fsync" else (Path, "replace")), full_disk)
    with pytest.raises(WriteError) as caught:
        write_atomic(target, "new")
    monkeypatch.undo()
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]
    message = str(caught.value)
    assert message.startswith(f"{target}: ")
    assert "No space left on device" in message
    assert "untouched" in message
    assert "--out" in message


def test_the_file_is_on_disk_before_it_takes_its_name(tmp_path, monkeypatch):
    target, seen = tmp_path / "result.json", []
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append((os.fstat(descriptor).st_size, target.exists())))
    write_atomic(target, "12345")
    assert seen == [(5, False)]


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt()])
def test_an_interruption_leaves_the_old_file_and_passes_on(tmp_path, error):
    target = tmp_path / "image.nii.gz"
    target.write_text("old")

    def fill(part):
        part.write_text("half")
        raise error

    with pytest.raises(type(error)):
        publish(target, fill)
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["image.nii.gz"]


def test_the_part_lies_in_the_same_folder_and_ends_alike(tmp_path):
    parts = []

    def fill(part):
        parts.append(part)
        part.write_text("whole")

    publish(tmp_path / "image.nii.gz", fill)
    assert parts[0].parent == tmp_path
    assert parts[0].name.endswith("image.nii.gz")
    assert parts[0].name.startswith(".")
    assert not parts[0].exists()


def test_a_file_in_place_of_the_folder_is_said_plainly(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(WriteError, match=r"out/result\.json: could not be written"):
        write_atomic(tmp_path / "out" / "result.json", "new")
    with pytest.raises(WriteError, match="out/deeper: the folder could not be made"):
        claim_folder(tmp_path / "out" / "deeper")


def test_a_folder_in_place_of_the_file_is_said_plainly(tmp_path):
    (tmp_path / "result.json" / "inside").mkdir(parents=True)
    with pytest.raises(WriteError, match=r"result\.json: could not be written"):
        write_atomic(tmp_path / "result.json", "new")
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]


def test_a_new_or_empty_folder_is_claimed(tmp_path):
    claim_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    claim_folder(tmp_path / "a" / "b")


def test_a_folder_that_holds_something_is_refused_and_kept(tmp_path):
    (tmp_path / "one").write_text("1")
    (tmp_path / ".two").mkdir()
    with pytest.raises(InputError, match=r"already holds 2 entries; wanted a new or an empty folder\. Try --again"):
        claim_folder(tmp_path, flag="Try --again")
    assert (tmp_path / "one").read_text() == "1"


def test_a_file_is_not_a_folder(tmp_path):
    (tmp_path / "out").write_text("1")
    with pytest.raises(InputError, match="found a file; wanted a folder, new or empty"):
        claim_folder(tmp_path / "out")
