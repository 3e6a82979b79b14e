"""Files appear whole or not at all: written beside their place, flushed to disk, then renamed into it."""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from qontrast.basics.errors import InputError, WriteError

PART = ".part-"
"""What the names of unfinished folders begin with."""


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write ``content`` to ``path`` atomically.

    Raises:
        WriteError: if the disk is full or the folder cannot be written; the previous file stays as it was.
    """
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content

    def fill(part: Path) -> None:
        with part.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())

    publish(path, fill)


def publish(path: Path, fill: Callable[[Path], None]) -> None:
    """Let ``fill`` write a file beside ``path``, then rename it into place.

    Raises:
        WriteError: if writing fails; nothing is left behind and the previous file stays as it was.
    """
    path = Path(path)
    # The ending stays the same: writers such as nibabel choose their format by it.
    part = path.with_name(f".{os.getpid()}.part-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fill(part)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):  # where the folder itself is missing there is no part either
            part.unlink()
        raise WriteError(
            f"{path}: could not be written ({error.strerror or error}). What stood there before is untouched. "
            "Free some space or choose another folder with --out, then run again (a training run: with --resume)."
        ) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def publish_folder(folder: Path, fill: Callable[[Path], object]) -> None:
    """Let ``fill`` write files into a new folder beside ``folder``, then put it in its place: all of it or nothing.

    Raises:
        WriteError: if writing fails; what stood there before stays.
    """
    part = folder.with_name(f"{PART}{os.getpid()}-{folder.name}")
    old = folder.with_name(f"{PART}old-{os.getpid()}-{folder.name}")
    try:
        for left in (part, old):
            remove(left)
        part.mkdir(parents=True)
        fill(part)
        for file in (p for p in part.rglob("*") if p.is_file()):
            with file.open("rb") as stream:
                os.fsync(stream.fileno())
        there = folder.is_symlink() or folder.exists()
        if there:
            folder.rename(old)
        try:
            part.rename(folder)
        except BaseException:
            if there:
                old.rename(folder)
            raise
        remove(old)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise WriteError(
            f"{folder}: could not be written ({error.strerror or error}). Free some space or choose another --out, "
            "then run again: what is there already is kept."
        ) from error
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it, if it is there and can be removed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def claim_folder(folder: Path, *, flag: str = "") -> None:
    """Create ``folder``, refusing one that already holds something.

    Raises:
        InputError: if it is a file, or a folder that is not empty.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(folder, "a file", "a folder, new or empty", "Choose another --out.")
    if folder.is_dir() and any(folder.iterdir()):
        count = sum(1 for _ in folder.iterdir())
        raise InputError(folder, f"a folder that already holds {count} entries", "a new or an empty folder", flag)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{folder}: the folder could not be made ({error.strerror}). Choose another --out.") from error
