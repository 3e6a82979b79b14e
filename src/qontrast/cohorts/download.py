"""A file over HTTP, whole or not at all: taken up where the connection broke, checked, then renamed into its place."""

import errno
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2

from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import InputError, WriteError

CHUNK = 1 << 20  # bytes
ATTEMPTS = 6  # in a row that bring nothing new
PAUSE = 1.0  # seconds before the second attempt, doubled each time
LONGEST_PAUSE = 60.0
PASSING = (408, 425, 429, 500, 502, 503, 504)  # statuses that may be gone the next time
KEPT = "What is here already stays: run the same command again to go on."


@dataclass(frozen=True)
class Wanted:
    """A file to download.

    Args:
        url: address.
        path: where it belongs, relative to the cohort's folder.
        size: in bytes; 0 where it is not known.
        md5, sha256: empty where they are not known.
    """

    url: str
    path: str
    size: int = 0
    md5: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Received:
    """What a file is, once it is here."""

    size: int
    md5: str
    sha256: str


class _BrokenError(Exception):
    """A transfer that may succeed the next time."""


def new_client() -> httpx2.Client:
    """A client that waits at most a minute for the next byte."""
    return httpx2.Client(
        follow_redirects=True,
        timeout=httpx2.Timeout(60.0, connect=20.0),
        headers={"User-Agent": "qontrast", "Accept-Encoding": "identity"},
    )


def mirrored(url: str, mirror: str = "") -> str:
    """The address at a mirror that lays hosts out as folders, as ``wget --recursive`` does; the same without one."""
    return f"{mirror.rstrip('/')}/{url.split('://', 1)[1]}" if mirror else url


def digest(path: Path) -> Received:
    """Size, MD5 and SHA-256 of a file."""
    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            md5.update(chunk)
            sha256.update(chunk)
            size += len(chunk)
    return Received(size, md5.hexdigest(), sha256.hexdigest())


def differs(found: Received, wanted: Wanted) -> str:
    """How a file is not the one wanted; empty where it is, as far as that is known."""
    if wanted.size and found.size != wanted.size:
        return f"{found.size} bytes instead of {wanted.size}"
    if wanted.sha256 and found.sha256 != wanted.sha256:
        return f"the SHA-256 {found.sha256} instead of {wanted.sha256}"
    if wanted.md5 and found.md5 != wanted.md5:
        return f"the MD5 {found.md5} instead of {wanted.md5}"
    return ""


def download(
    wanted: Wanted,
    target: Path,
    client: httpx2.Client,
    *,
    told: Callable[[int], None] = lambda done: None,
    attempts: int = ATTEMPTS,
    pause: float = PAUSE,
) -> Received:
    """Fetch a file to ``target``. Until it is whole and checked it is called ``.NAME.part``, and is gone on with.

    A part is gone on with only if the server says that the file is still the same (If-Range with its ETag or date);
    a server that ignores ranges sends all of it again.

    Args:
        wanted: address, and what is known of the file.
        target: where it is put.
        client: see :func:`new_client`.
        told: is told the bytes that are here.
        attempts: how many in a row may bring nothing new.
        pause: seconds before the second of them; doubled each time.

    Raises:
        InputError: if the server refuses, the connection stays broken, or the file is not the one wanted.
        WriteError: if the disk is full or cannot be written.
    """
    part = part_of(target)
    for last in (False, True):
        patched = _until_whole(wanted, part, client, told, attempts, pause)
        found = digest(part)
        wrong = differs(found, wanted)
        if not wrong:
            part.replace(target)
            _note_of(part).unlink(missing_ok=True)
            return found
        _forget(part)
        if last or not patched:  # what was gone on with may have been the old file's beginning
            break
    raise InputError(
        wanted.url,
        f"a file with {wrong}",
        "the file that is known to be there",
        "What came was deleted. Try again; if it stays so, the file at the source was changed or is damaged.",
    )


def part_of(target: Path) -> Path:
    """The name of a file that is not whole yet."""
    return target.with_name(f".{target.name}.part")


def _note_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note_of(part).unlink(missing_ok=True)


def _until_whole(
    wanted: Wanted, part: Path, client: httpx2.Client, told: Callable[[int], None], attempts: int, pause: float
) -> bool:
    """Go on until every byte is here; say whether they are of several transfers."""
    failures, most = 0, _size(part)
    while True:
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            return _transfer(wanted, part, client, told)
        except (_BrokenError, httpx2.TransportError) as error:
            failures = 0 if _size(part) > most else failures + 1
            most = max(most, _size(part))
            if failures >= attempts:
                why = str(error).strip() or type(error).__name__
                raise InputError(
                    wanted.url, f"a connection that broke ({why})", "a whole transfer", f"Check the network. {KEPT}"
                ) from error
            time.sleep(min(pause * 2**failures, LONGEST_PAUSE))
        except httpx2.HTTPError as error:
            raise InputError(wanted.url, f"no usable answer ({error})", "the file", "Check the address.") from error
        except (httpx2.InvalidURL, UnicodeError) as error:
            raise InputError(wanted.url, f"no address ({error})", "an address", "Check --mirror.") from error
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            remedy = "Free some space" if full else "Choose another --out"
            raise WriteError(
                f"{part.parent}: {wanted.url} could not be written ({error.strerror or error}). {remedy}. {KEPT}"
            ) from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _transfer(wanted: Wanted, part: Path, client: httpx2.Client, told: Callable[[int], None]) -> bool:
    """One request: the rest of the file (then it is true), or all of it."""
    have, validator = _size(part), _validator(part, wanted.url)
    if have and (not validator or (wanted.size and have > wanted.size)):
        _forget(part)  # nothing says whose beginning it is
        have = 0
    ranged = {"Range": f"bytes={have}-", "If-Range": validator} if have else {}
    with client.stream("GET", wanted.url, headers=ranged) as response:
        if response.status_code == 416:  # nothing is left to send, or the file has shrunk
            total = _total(response)
            if total == have and _stamp(response) in ("", validator):
                return True
            _forget(part)
            raise _BrokenError("the file is shorter than what is here of it")
        _refuse(response, wanted)
        start = _start(response, have)
        if start != have and response.status_code == 206:
            _forget(part)
            raise _BrokenError(f"bytes from {start} came instead of from {have}")
        total = _total(response)
        if wanted.size and total is not None and total != wanted.size:
            raise InputError(wanted.url, f"a file of {total} bytes", f"one of {wanted.size}", "Was it changed there?")
        _refuse_full(part, (total or wanted.size) - start, wanted.url)
        if start == 0:
            write_atomic(_note_of(part), json.dumps({"url": wanted.url, "validator": _stamp(response)}))
        done = start
        with part.open("ab" if start else "wb") as stream:
            told(done)
            for chunk in response.iter_raw():  # as it comes: of larger pieces a break would lose what waits
                stream.write(chunk)
                done += len(chunk)
                told(done)
            stream.flush()
            os.fsync(stream.fileno())
    if total is not None and done != total:
        raise _BrokenError(f"{done} of {total} bytes came")
    return start > 0


def _refuse(response: httpx2.Response, wanted: Wanted) -> None:
    status = response.status_code
    if status in PASSING:
        raise _BrokenError(f"status {status}")
    if status not in (200, 206):
        remedy = (
            "It may have moved: see the cohort's own page." if status in (404, 410) else "See the cohort's own page."
        )
        raise InputError(wanted.url, f"status {status} {response.reason_phrase}".strip(), "the file", remedy)
    kind = response.headers.get("Content-Type", "")
    if kind.startswith("text/html") and not wanted.path.endswith((".html", ".htm")):
        remedy = "Open the address in a browser: a login or a notice may stand before it."
        raise InputError(wanted.url, "a web page", f"the file {wanted.path}", remedy)
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise InputError(wanted.url, "a file that was packed on its way", "the file as it is", "Try without a proxy.")


def _start(response: httpx2.Response, have: int) -> int:
    """Where the bytes that follow begin; 0 where the server sends all of them."""
    if response.status_code == 200:
        return 0
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(match.group(1)) if match else -1


def _total(response: httpx2.Response) -> int | None:
    """Bytes of the whole file, if the server says so."""
    if response.status_code in (206, 416):
        match = re.search(r"/(\d+)$", response.headers.get("Content-Range", ""))
        return int(match.group(1)) if match else None
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _stamp(response: httpx2.Response) -> str:
    """What tells this version of the file from another: a strong ETag, else its date."""
    tag = str(response.headers.get("ETag", ""))
    return tag if tag.startswith('"') else str(response.headers.get("Last-Modified", ""))


def _validator(part: Path, url: str) -> str:
    """The stamp of the file that ``part`` is the beginning of; empty where that is not known."""
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        note = json.loads(_note_of(part).read_text(encoding="utf-8"))
        return str(note["validator"]) if note["url"] == url else ""
    return ""


def _refuse_full(part: Path, missing: int, url: str) -> None:
    free = shutil.disk_usage(part.parent).free
    if missing > free:
        raise WriteError(
            f"{part.parent}: {url} needs {missing / 1e9:.2f} GB more, and {free / 1e9:.2f} GB are free. "
            f"Free some space or choose another --out. {KEPT}"
        )
