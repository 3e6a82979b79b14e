"""The ledger: one JSON object per line, appended to and never rewritten.

A row of scores holds: run, arm, data, snr, subject, contrast, class, dice, hd95_mm, truth_voxels, predicted_voxels,
note, seed, train_subjects, model_digest. The ledger itself takes rows of any keys.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from qontrast.basics.errors import InputError, WriteError


def append_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Append all ``rows`` in one write, flushed to disk; folders are made as needed.

    A last line that a killed writer left unfinished is dropped first. If the write itself fails, the file is cut back
    to what it held. Several processes may append to one file: each waits for the others.

    Raises:
        InputError: if a row holds NaN, an infinity, or a value that JSON does not know; nothing is written.
        WriteError: if the disk is full or the folder cannot be written.
    """
    path = Path(path)
    data = b"".join(_encode(path, number, row) for number, row in enumerate(rows))
    if not data:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b", buffering=0) as stream:
            with suppress(OSError):  # of file systems without locks
                fcntl.lockf(stream, fcntl.LOCK_EX)
            stream.seek(0)
            whole, tail = _split_tail(stream.read())
            kept = len(whole) + len(tail)
            stream.truncate(kept)
            block = (b"\n" if tail else b"") + data
            try:
                if stream.write(block) != len(block):
                    raise OSError(None, "the disk took only a part")
                os.fsync(stream.fileno())
            except OSError:
                stream.truncate(kept)
                raise
    except OSError as error:
        raise WriteError(
            f"{path}: the rows could not be appended ({error.strerror or error}); the rows before them are untouched. "
            "Free some space or choose another folder, then run again."
        ) from error


def read_rows(path: Path, *, allow_nan: bool = False) -> list[dict[str, Any]]:
    """Every row of the file, in order; an unfinished last line (a killed writer) is left out.

    Args:
        path: a file of JSON lines.
        allow_nan: whether NaN and infinities are taken (a training journal may hold them; a ledger may not).

    Raises:
        InputError: if the file is missing, or a line is no JSON object (the message names its number).
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(
            path, "no such file", "a file of JSON lines", "Check the path, or run evaluate first."
        ) from None
    except OSError as error:
        raise InputError(path, f"{error.strerror}", "a file of JSON lines", "Check the path and its rights.") from error
    whole, tail = _split_tail(content)
    lines = (whole + tail).split(b"\n")
    return [_decode(path, number, line, allow_nan) for number, line in enumerate(lines, 1) if line.strip()]


def _split_tail(content: bytes) -> tuple[bytes, bytes]:
    """The finished lines, and a last line that lacks only its line break (else empty)."""
    cut = content.rfind(b"\n") + 1
    whole, tail = content[:cut], content[cut:]
    try:
        finished = isinstance(json.loads(tail), dict)
    except ValueError:
        finished = False
    return whole, tail if finished else b""


def _encode(path: Path, number: int, row: Mapping[str, Any]) -> bytes:
    for key, value in row.items():
        try:
            json.dumps(value, allow_nan=False, default=_plain)
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{path}, row {number} to append, {key!r}",
                f"{value!r}",
                "a finite number, text, true, false, null, or lists of these",
                "A score that is not a number would vanish from the means: record what it stands for, with a note.",
            ) from error
    return json.dumps(dict(row), allow_nan=False, default=_plain).encode() + b"\n"


def _plain(value: Any) -> Any:
    """The Python number inside a NumPy scalar."""
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} is no JSON")


def _decode(path: Path, number: int, line: bytes, allow_nan: bool) -> dict[str, Any]:
    try:
        row = json.loads(line) if allow_nan else json.loads(line, parse_constant=_refuse_constant)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        shown = line[:60].decode(errors="replace")
        raise InputError(
            f"{path}, line {number}",
            f"{shown!r}",
            "one JSON object with finite numbers",
            "Restore the file from a copy, or remove that line and score its subject again.",
        )
    return row


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
