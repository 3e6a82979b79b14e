"""Names that come from elsewhere, keys of a bucket or members of an archive, to paths that stay in their folder."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath, PureWindowsPath

from qontrast.basics.errors import InputError, PlanError, nearest

SUBJECT = re.compile(r"(?:^|/)(sub-[A-Za-z0-9+]+)(?=[/_])")
IXI = re.compile(r"(?:^|/)IXI(\d+)-")
IMAGE_ENDINGS = ("nii.gz", "nii", "json", "bval", "bvec")
CONTRASTS = {"t1": "T1w", "t2": "T2w", "pd": "PDw"}


def safe(name: str, where: str) -> str:
    """``name`` as a relative path with slashes.

    Raises:
        InputError: if it would lie outside of the folder: absolute, with ``..``, a drive, or what no path may have.
    """
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    bad = (
        posix.is_absolute()
        or bool(windows.drive or windows.root)
        or ".." in posix.parts
        or ".." in windows.parts
        or any(ord(c) < 32 for c in name)
        or not posix.parts
    )
    if bad:
        raise InputError(where, f"the name {name!r}", "a name inside of its own folder", "Do not use this source.")
    return str(posix)


def subject_of(path: str) -> str:
    """The subject that a path names: ``sub-M2001``, ``sub-IXI002``; empty if none."""
    if found := SUBJECT.search(path):
        return found.group(1)
    found = IXI.search(path)
    return f"sub-IXI{int(found.group(1)):03d}" if found else ""


def contrast_of(path: str) -> str:
    """The contrast of an image or of what stands beside it: ``T2w``, ``MP2RAGE``, of diffusion ``TRACE`` and ``ADC``.

    Empty for masks, and for tables and texts.
    """
    stem, _, ending = path.rsplit("/", 1)[-1].partition(".")
    suffix = stem.rsplit("_", 1)[-1]
    if suffix == "mask" or not subject_of(path) or ending not in IMAGE_ENDINGS:
        return ""
    if suffix == "dwi":
        return next((kind for kind in ("TRACE", "ADC") if f"rec-{kind}" in stem), "dwi")
    return suffix


def chosen_contrasts(only: Iterable[str], known: tuple[str, ...]) -> tuple[str, ...]:
    """The contrasts that a user named, as the cohort calls them; ``T1`` is ``T1w``.

    Raises:
        PlanError: for one that the cohort does not have.
    """
    by_name = {name.lower(): name for name in known}
    found = []
    for word in only:
        name = by_name.get(word.lower()) or by_name.get(CONTRASTS.get(word.lower(), "").lower())
        if name is None:
            wanted = f"one of {', '.join(known)}" if known else "nothing: this cohort has no contrasts to choose from"
            raise PlanError("--only", repr(word), wanted, nearest(word, known) if known else "")
        found.append(name)
    return tuple(dict.fromkeys(found))


def chosen_subjects(words: Iterable[str], there: Iterable[str]) -> tuple[str, ...]:
    """The subjects that a user asked for: a number takes the first so many, by name; else their names.

    Raises:
        PlanError: for a name that is not there, or a number below one.
    """
    known = sorted(set(there))
    words = tuple(words)
    if len(words) == 1 and words[0].lstrip("-").isdecimal() and f"sub-{words[0]}" not in known:
        count = int(words[0])
        if count < 1:
            raise PlanError("--subjects", words[0], "a number above 0, or names")
        return tuple(known[:count])
    found = []
    for word in words:
        number = word.upper().removeprefix("IXI")
        ixi = f"sub-IXI{int(number):03d}" if number.isdecimal() else ""
        name = next((n for n in (word, f"sub-{word}", ixi) if n in known), None)
        if name is None:
            raise PlanError("--subjects", repr(word), "a subject of the cohort", nearest(word, known))
        found.append(name)
    return tuple(dict.fromkeys(found))
