"""A file over HTTP: whole or not at all, whatever the server does."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple

import pytest

from qontrast.basics.errors import InputError, WriteError
from qontrast.cohorts import download as module
from qontrast.cohorts.download import Wanted, digest, download, mirrored, new_client, part_of

BODY = bytes(range(256)) * 1200  # 307,200 bytes


@pytest.fixture
def client():
    with new_client() as client:
        yield client


@pytest.fixture
def wanted(server):
    server.content["host/a.tar"] = BODY
    return Wanted(f"{server.url}/host/a.tar", "a.tar", md5=hashlib.md5(BODY).hexdigest())


def get(wanted, tmp_path, client, **more):
    return download(wanted, tmp_path / "a.tar", client, pause=0.001, **more)


def left(tmp_path):
    return sorted(p.name for p in tmp_path.iterdir())


def test_a_file_comes_whole_with_its_digests(wanted, tmp_path, client):
    told = []
    found = get(wanted, tmp_path, client, told=told.append)
    assert (tmp_path / "a.tar").read_bytes() == BODY
    assert (found.size, found.sha256) == (len(BODY), hashlib.sha256(BODY).hexdigest())
    assert told == sorted(told)
    assert told[-1] == len(BODY)
    assert left(tmp_path) == ["a.tar"]


def test_broken_connections_are_taken_up_where_they_broke(wanted, server, tmp_path, client):
    server.cut = [1000, 70_000, 5]
    get(wanted, tmp_path, client)
    assert (tmp_path / "a.tar").read_bytes() == BODY
    assert server.fetched("host/a.tar") == [None, "bytes=1000-", "bytes=71000-", "bytes=71005-"]


def test_a_server_that_ignores_ranges_sends_it_all_again(wanted, server, tmp_path, client):
    server.ranges, server.cut = False, [1000]
    get(wanted, tmp_path, client)
    assert (tmp_path / "a.tar").read_bytes() == BODY


def test_a_file_that_changes_in_between_is_not_patched_together(wanted, server, tmp_path, client):
    server.cut = [1000]

    def change(done):
        if done == 1000:
            server.content["host/a.tar"] = BODY[::-1]

    download(Wanted(wanted.url, "a.tar"), tmp_path / "a.tar", client, told=change, pause=0.001)
    assert (tmp_path / "a.tar").read_bytes() == BODY[::-1]


def test_without_an_etag_or_a_date_nothing_is_patched_together(wanted, server, tmp_path, client):
    server.stamped, server.cut = False, [1000]
    get(wanted, tmp_path, client)
    assert server.fetched("host/a.tar") == [None, None]
    assert (tmp_path / "a.tar").read_bytes() == BODY


def test_a_part_that_was_whole_already_is_not_sent_again(wanted, server, tmp_path, client):
    server.cut = [1000, 0]
    with pytest.raises(InputError):
        get(wanted, tmp_path, client, attempts=1)
    part_of(tmp_path / "a.tar").write_bytes(BODY)  # killed after the last byte, before the name
    get(wanted, tmp_path, client)
    assert server.fetched("host/a.tar")[2:] == [f"bytes={len(BODY)}-"]
    assert (tmp_path / "a.tar").read_bytes() == BODY


def test_a_part_of_an_old_version_is_given_up(wanted, server, tmp_path, client):
    """A server that lies about If-Range: the digest finds it, and the file is fetched anew."""
    server.cut = [1000, 0]
    with pytest.raises(InputError):
        get(wanted, tmp_path, client, attempts=1)
    part = part_of(tmp_path / "a.tar")
    part.write_bytes(b"x" * 1000)
    get(wanted, tmp_path, client)
    assert (tmp_path / "a.tar").read_bytes() == BODY


def test_a_wrong_digest_is_refused_and_deleted(wanted, server, tmp_path, client):
    server.content["host/a.tar"] = BODY[:-1] + b"!"
    with pytest.raises(InputError, match=f"the MD5 .* instead of {wanted.md5}") as error:
        get(wanted, tmp_path, client)
    assert error.value.where == wanted.url
    assert left(tmp_path) == []


def test_a_wrong_size_is_refused_before_it_comes(wanted, server, tmp_path, client):
    with pytest.raises(InputError, match=f"a file of {len(BODY)} bytes; wanted one of 5"):
        download(Wanted(wanted.url, "a.tar", size=5), tmp_path / "a.tar", client)
    assert left(tmp_path) == []


def test_a_busy_server_is_asked_again(wanted, server, tmp_path, client):
    server.statuses = [503, 429, 500]
    get(wanted, tmp_path, client)
    assert (tmp_path / "a.tar").read_bytes() == BODY


def test_a_server_that_never_recovers_is_given_up_and_the_part_stays(wanted, server, tmp_path, client):
    server.cut = [1000] + [0] * 50
    with pytest.raises(InputError, match="a connection that broke") as error:
        get(wanted, tmp_path, client, attempts=3)
    assert "run the same command again" in str(error.value)
    assert part_of(tmp_path / "a.tar").stat().st_size == 1000
    assert not (tmp_path / "a.tar").exists()


def test_breaks_do_not_count_while_bytes_come(wanted, server, tmp_path, client):
    server.cut = [10_000] * 20
    get(wanted, tmp_path, client, attempts=2)
    assert (tmp_path / "a.tar").read_bytes() == BODY


def test_refusals_name_the_address(server, tmp_path, client):
    url = f"{server.url}/nowhere/b.tar"
    with pytest.raises(InputError, match="status 404") as error:
        download(Wanted(url, "b.tar"), tmp_path / "b.tar", client)
    assert error.value.where == url
    with pytest.raises(InputError, match="a connection that broke"):
        download(Wanted("http://127.0.0.1:9/b.tar", "b"), tmp_path / "b", client, attempts=1)
    with pytest.raises(InputError):
        download(Wanted("nonsense://x/b.tar", "b"), tmp_path / "b", client, attempts=1)


def test_a_web_page_is_no_archive(wanted, server, tmp_path, client):
    server.kinds["host/a.tar"] = "text/html; charset=utf-8"
    with pytest.raises(InputError, match="a web page"):
        get(wanted, tmp_path, client)


def test_a_full_disk_is_told_before_anything_comes(wanted, tmp_path, client, monkeypatch):
    usage = namedtuple("usage", "total used free")(100, 90, 10)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(WriteError, match="GB are free"):
        get(wanted, tmp_path, client)


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="no /dev/full to write to")
def test_a_disk_that_fills_up_keeps_what_is_here(wanted, server, tmp_path, client):
    part = part_of(tmp_path / "a.tar")
    part.symlink_to("/dev/full")
    with pytest.raises(WriteError, match="Free some space") as error:
        get(wanted, tmp_path, client)
    assert wanted.url in str(error.value)
    assert not (tmp_path / "a.tar").exists()


SCRIPT = """
import sys
from pathlib import Path
from qontrast.cohorts.download import Wanted, download, new_client
with new_client() as client:
    download(Wanted(sys.argv[1], "a.tar"), Path(sys.argv[2]), client, pause=30)
"""


def test_killed_midway_and_run_again_gives_the_same_bytes(wanted, server, tmp_path, client):
    server.cut = [123_456]  # then it waits for half a minute, and is killed there
    target = tmp_path / "a.tar"
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, wanted.url, str(target)])
    until = time.monotonic() + 30
    while not (part_of(target).is_file() and part_of(target).stat().st_size == 123_456):
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not target.exists()
    get(wanted, tmp_path, client)
    assert server.fetched("host/a.tar")[-1] == "bytes=123456-"
    assert target.read_bytes() == BODY
    assert left(tmp_path) == ["a.tar"]


def test_a_damaged_note_beside_a_part_starts_it_anew(wanted, server, tmp_path, client):
    server.cut = [1000, 0]
    with pytest.raises(InputError):
        get(wanted, tmp_path, client, attempts=1)
    note = next(p for p in tmp_path.iterdir() if p.suffix == ".json")
    for content in ("[", json.dumps(["x"]), json.dumps({"url": "other", "validator": '"x"'})):
        note.write_text(content)
        get(wanted, tmp_path, client)
        assert server.fetched("host/a.tar")[-1] is None
        (tmp_path / "a.tar").rename(part_of(tmp_path / "a.tar"))
    shutil.rmtree(tmp_path)


def test_mirrors_lay_hosts_out_as_folders():
    assert mirrored("https://a.org/b/c?d=e", "http://127.0.0.1:1/") == "http://127.0.0.1:1/a.org/b/c?d=e"
    assert mirrored("https://a.org/b") == "https://a.org/b"


def test_digests_are_those_of_the_standard_library(tmp_path):
    (tmp_path / "x").write_bytes(BODY)
    found = digest(tmp_path / "x")
    assert (found.md5, found.sha256) == (hashlib.md5(BODY).hexdigest(), hashlib.sha256(BODY).hexdigest())
