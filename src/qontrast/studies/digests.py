"""Fingerprints of files and of the voxels in them, so that one scan under two names is found."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qontrast.anatomy.sketches import PREFIX as SKETCH
from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import InputError
from qontrast.scans.names import stem
from qontrast.scans.nifti import read_image
from qontrast.studies.people import Session
from qontrast.tasks.speaking import track

CACHE = "digests.json"


@dataclass(frozen=True)
class Digest:
    """Of one file.

    Args:
        sha256: of its bytes.
        content: of what it shows: an image's voxels, whatever its compression, header, number type or order of the
            axes. Empty for an image of one value alone, such as the mask of a subject without lesion, and for what a
            cache keeps beside a label map: these may be alike in two people, and say nothing.
    """

    sha256: str
    content: str


class Digests:
    """Digests of files, kept by path, size and time of change, so that a second start reads nothing.

    Args:
        folder: of the study.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / CACHE
        self._known: dict[str, list[Any]] = {}
        self._changed = False
        try:
            stored = json.loads(self.file.read_text(encoding="utf-8"))
            self._known = {path: entry for path, entry in stored.items() if len(entry) == 4}
        except (OSError, ValueError, AttributeError, TypeError):
            pass  # it is a cache: what is not there or not understood is made anew

    def of(self, path: Path) -> Digest:
        """The file's digest.

        Raises:
            InputError: if it cannot be read.
        """
        try:
            state = path.stat()
            key, stamp = str(path.resolve()), [state.st_size, state.st_mtime_ns]
            known = self._known.get(key)
            if known is None or known[:2] != stamp:
                digest = digest_of(path)
                self._known[key] = [*stamp, digest.sha256, digest.content]
                self._changed = True
                return digest
        except OSError as error:
            raise InputError(path, f"{error.strerror}", "a file of the cohort", "Restore it.") from error
        return Digest(known[2], known[3])

    def of_sessions(self, sessions: Iterable[Session], *, quiet: bool = False) -> dict[Path, Digest]:
        """Digests of all files of the sessions, by path; kept on disk for the next start."""
        files = sorted({file for session in sessions for file in (*session.files, *session.beside)})
        found = {file: self.of(file) for file in track(files, "checking files", quiet=quiet)}
        self.save()
        return found

    def save(self) -> None:
        """Keep what is new for the next start."""
        if self._changed:
            write_atomic(self.file, json.dumps(self._known, sort_keys=True))
            self._changed = False


def digest_of(path: Path) -> Digest:
    """Read a file and take its digests.

    Raises:
        InputError: if it is an image that cannot be read.
    """
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    if not stem(path):
        return Digest(sha256, "" if path.name.startswith(SKETCH) else sha256)
    voxels = read_image(path, canonical=True).data
    if voxels.size == 0 or bool(np.all(voxels == voxels.flat[0])):
        return Digest(sha256, "")
    content = hashlib.sha256(repr(voxels.shape).encode() + np.ascontiguousarray(voxels, np.float32).tobytes())
    return Digest(sha256, content.hexdigest())


def fingerprint(*parts: Any) -> str:
    """SHA-256 of values as JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def session_digest(session: Session, digests: Mapping[Path, Digest]) -> str:
    """Of all files of a session and what tells how they are read; of an embedded head, which has none, the name."""
    if not session.files:
        return fingerprint("embedded", session.name)
    return fingerprint(sorted(digests[file].sha256 for file in (*session.files, *session.beside)))
