"""What a cache holds beside what it should: heads that are outdated, files that are missing, cut short or altered."""

from pathlib import Path
from typing import Any

from joblib import Parallel, delayed

from qontrast.anatomy.prepared import (
    HEAD,
    HEADS,
    INDEX,
    SETTINGS,
    fingerprint,
    read_facts,
    read_manifest,
    read_settings,
)
from qontrast.anatomy.source import SubjectSource
from qontrast.basics.errors import InputError
from qontrast.scans.chunks import ENDING
from qontrast.scans.signed import read_signed
from qontrast.scans.walk import FORMAT as INDEX_FORMAT
from qontrast.tasks.speaking import bar


def check(cache: Path, cohort: str = "", *, quiet: bool = False) -> list[str]:
    """What is wrong with a cache's files, one sentence each; empty if every byte is as it was written.

    Args:
        cache: its folder.
        cohort: that it should have been made of; empty for any.
        quiet: draw no bar.

    Raises:
        InputError: if there is no whole manifest, or the cache is another cohort's.
    """
    manifest = read_manifest(cache)
    made_of = manifest["settings"]["data"]
    if cohort and cohort != made_of and str(Path(cohort).resolve()) != made_of:
        raise InputError(cache, f"a cache of {made_of}", f"one of {cohort}", "Give the cohort that it was made of.")
    entries = sorted(manifest["subjects"].items())
    work = [delayed(_faults)(cache / HEADS / name, entry["head"]) for name, entry in entries]
    found = _own_faults(cache, manifest["settings"])
    done = Parallel(n_jobs=-1, prefer="threads", return_as="generator")(work)
    for faults in bar(done, len(entries), "checking heads", quiet=quiet):
        found += faults
    return found


def _own_faults(cache: Path, settings: dict[str, Any]) -> list[str]:
    """What is wrong with the settings and the index of a cache; that of a table or of embedded heads has no index."""
    found = []
    try:
        if read_settings(cache) != settings:
            found.append(f"{cache / SETTINGS}: other settings than the manifest's")
    except InputError as error:
        found.append(str(error))
    try:
        if (cache / INDEX).exists() or Path(settings["data"]).is_dir():
            read_signed(cache / INDEX, INDEX_FORMAT)
    except InputError as error:
        found.append(str(error))
    return found


def stamps_of(source: SubjectSource) -> list[dict[str, Any]]:
    """The files that a subject is made from, with size and modification time."""
    stamps = []
    for path in sorted({*(f.path for f in source.files), *source.beside}):
        try:
            status = path.stat()
        except OSError as error:
            raise InputError(
                path, f"no readable file ({error.strerror})", "the file that was there", "Copy it again."
            ) from error
        stamps.append({"path": str(path), "mtime_ns": status.st_mtime_ns, "size": status.st_size})
    return stamps


def outdated(folder: Path, stamps: list[dict[str, Any]], settings: dict[str, Any], site: str) -> str | None:
    """Why a head has to be made anew; empty if there is none, None if it is as it should be."""
    if not folder.is_dir():
        return ""
    try:
        facts = read_facts(folder)
    except InputError as error:
        return str(error)
    if facts.get("settings") != settings:
        return "other settings"
    then = [{key: s[key] for key in ("path", "mtime_ns", "size")} for s in facts["sources"]]
    if then != stamps or facts["site"] != site:
        return "its sources changed"
    faults = _faults(folder, None)
    return faults[0] if faults else None


def _faults(folder: Path, head: dict[str, Any] | None) -> list[str]:
    """The files of a prepared head that are not as they were written. ``head`` is the fingerprint of ``head.json``."""
    try:
        facts = read_facts(folder)
        if head is not None and fingerprint(folder / HEAD) != head:
            return [f"{folder / HEAD}: altered since it was written"]
        faults = []
        for name, told in facts["files"].items():
            path = folder / f"{name}{ENDING}"
            if not path.is_file():
                faults.append(f"{path}: missing")
            elif path.stat().st_size != told["size"]:
                faults.append(f"{path}: {path.stat().st_size} bytes instead of {told['size']}")
            elif fingerprint(path)["sha256"] != told["sha256"]:
                faults.append(f"{path}: altered since it was written (its SHA-256 differs)")
        return faults
    except InputError as error:
        return [str(error)]
    except OSError as error:
        return [f"{error.filename}: cannot be read ({error.strerror})"]
