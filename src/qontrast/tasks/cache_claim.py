"""A cache is one process's and one cohort's: whoever prepares it holds it, and nothing else is touched."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qontrast.anatomy.prepared import HEADS, INDEX, MANIFEST, SETTINGS, read_manifest, read_settings
from qontrast.basics.atomic import PART, remove, write_atomic
from qontrast.basics.errors import InputError
from qontrast.basics.holding import hold
from qontrast.scans.signed import OtherFormatError, signed

LOCK = ".lock"
UNFINISHED = re.compile(rf"\.\d+\.part-({'|'.join(map(re.escape, (MANIFEST, INDEX, SETTINGS)))})$")
"""What a run that was killed may have left beside these."""


@contextmanager
def claimed(out: Path, wanted: dict[str, Any]) -> Iterator[None]:
    """Hold the cache for this process, and refuse the cache of another cohort, or a folder of something else."""
    with hold(out / LOCK) as alone:
        if not alone:
            raise InputError(out, "a cache that another process is preparing", "one at a time", "Wait.")
        try:
            before = _made_with(out) if _has_something(out) else None
            if before is None and any(not _own(p.name) for p in out.iterdir()):
                raise InputError(
                    out, "a folder of something else", "a new or empty folder, or a cache", "Choose another."
                )
            if before not in (None, wanted):
                raise InputError(out, f"a cache made with {before}", f"{wanted}", "Choose another --out.")
        except InputError:
            if not (out / HEADS).is_dir():
                (out / LOCK).unlink(missing_ok=True)  # no trace in what is not ours
            raise
        for left in (*(out / HEADS).glob(f"{PART}*"), *(p for p in out.iterdir() if UNFINISHED.match(p.name))):
            remove(left)  # of a run that was killed
        write_atomic(out / SETTINGS, signed(wanted))
        yield


def _has_something(out: Path) -> bool:
    """Whether a head or a manifest was ever written: a cohort that was not found leaves nothing to keep."""
    return (out / MANIFEST).exists() or any(not p.name.startswith(".") for p in (out / HEADS).glob("*"))


def _own(name: str) -> bool:
    return name in (LOCK, HEADS, MANIFEST, INDEX, SETTINGS) or UNFINISHED.match(name) is not None


def _made_with(out: Path) -> dict[str, Any] | None:
    """The settings of a cache; None where neither its own file nor the manifest can be read: heads of others are
    made anew then.

    Raises:
        InputError: if it is a cache of another version.
    """
    for read in (read_settings, lambda cache: dict(read_manifest(cache)["settings"])):
        try:
            return read(out)
        except OtherFormatError:
            raise
        except InputError:
            continue
    return None
