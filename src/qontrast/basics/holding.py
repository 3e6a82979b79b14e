"""A folder, or a piece of work in it, belongs to one process at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qontrast.basics.errors import WriteError


@contextmanager
def hold(file: Path) -> Iterator[bool]:
    """Whether no other process holds this file; none will before the block ends. A killed process lets go.

    It says nothing about threads of one process.

    Args:
        file: that stands for what is held; it is made where it is not there, and stays.

    Raises:
        WriteError: if it cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        stream = file.open("a")
    except OSError as error:
        raise WriteError(
            f"{file.parent}: the folder cannot be written ({error.strerror}). Choose another --out."
        ) from error
    with stream:
        try:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)  # flock would live on in forked loader processes
        except (BlockingIOError, PermissionError):
            yield False
        else:
            yield True
