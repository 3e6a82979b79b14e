"""Every file below a folder, through symbolic links, past what cannot be read; kept, so that it is walked once."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import InputError
from qontrast.scans.signed import read_signed, signed

FORMAT = 1
UNSETTLED = -1
"""Stamp of a folder that has to be read again."""
MOST_LINKS = 4
"""Links to folders on the way to a file: folders that link to each other are walked in all orders."""


@dataclass(frozen=True)
class Trouble:
    """A folder that could not be walked."""

    path: Path
    why: str


@dataclass(frozen=True)
class Folder:
    """What a folder held when it was last read.

    Args:
        stamp: its modification time, ns: adding, removing or renaming an entry changes it.
        folders: names of the folders in it, links to folders among them.
        files: names of its files.
    """

    stamp: int
    folders: tuple[str, ...]
    files: tuple[str, ...]


@dataclass
class Index:
    """The folders below a root, by their path relative to it.

    Args:
        root: as the user named it.
        folders: what each held.
        troubles: what could not be read.
    """

    root: Path
    folders: dict[str, Folder] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)

    def files(self) -> Iterator[Path]:
        """Every file, sorted by folder and name."""
        for relative in sorted(self.folders):
            for name in self.folders[relative].files:
                yield self.root / relative / name

    def save(self, path: Path) -> None:
        """Write it as signed JSON, atomically.

        Raises:
            WriteError: if the disk is full.
        """
        folders = {name: [f.stamp, f.folders, f.files] for name, f in sorted(self.folders.items())}
        content = {"format": FORMAT, "root": str(self.root), "folders": folders}
        write_atomic(path, signed(content, indent=None))


def load_index(path: Path, root: Path) -> Index:
    """The kept index of ``root``; an empty one if there is none that can be used."""
    try:
        content = read_signed(path, FORMAT)
        if content["root"] != str(root):
            return Index(root)
        folders = {n: Folder(int(s), tuple(d), tuple(f)) for n, (s, d, f) in content["folders"].items()}
    except (InputError, ValueError, KeyError, TypeError, AttributeError):
        return Index(root)
    whole = all(isinstance(name, str) for f in folders.values() for name in (*f.folders, *f.files))
    return Index(root, folders if whole else {})


def walk(root: Path, known: Index | None = None, skip: Path | None = None) -> Index:
    """Every folder and file below ``root``, hidden folders apart; links are followed, but never round in a circle.

    Args:
        root: where to begin.
        known: an earlier index: folders whose modification time is unchanged are not read again.
        skip: a folder that is passed over.
    """
    index = Index(Path(root))
    higher = tuple(_identities(Path(os.path.realpath(root)).parents))
    before = known.folders if known is not None else {}
    waiting: list[tuple[str, tuple[tuple[int, int], ...], int]] = [("", higher, 0)]
    while waiting:
        relative, above, links = waiting.pop()
        path = index.root / relative
        if skip is not None and path == skip:
            continue
        try:
            status = path.stat()
            own = (status.st_dev, status.st_ino)
            if own in above:
                index.troubles.append(Trouble(path, "a symbolic link that leads back to a folder above it"))
                continue
            links += bool(relative) and path.is_symlink()
            if links > MOST_LINKS:
                index.troubles.append(Trouble(path, f"more than {MOST_LINKS} symbolic links to folders in a row"))
                continue
            found = before.get(relative)
            if found is None or found.stamp != status.st_mtime_ns:
                found = _read(path, status.st_mtime_ns)
        except OSError as error:
            index.troubles.append(Trouble(path, f"cannot be read ({error.strerror or error})"))
            continue
        index.folders[relative] = found
        if found.stamp == UNSETTLED:
            lost = [path / name for name in found.files if "." not in name]  # it would be a folder: images have endings
            index.troubles += [Trouble(p, "a symbolic link that leads nowhere") for p in lost if _lost(p)]
        waiting += [(f"{relative}/{name}" if relative else name, (*above, own), links) for name in found.folders]
    index.troubles.sort(key=lambda t: str(t.path))
    return index


def _identities(folders: Iterable[Path]) -> Iterator[tuple[int, int]]:
    for folder in folders:
        with suppress(OSError):
            status = folder.stat()
            yield status.st_dev, status.st_ino


def _lost(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return True
    return False


def _read(path: Path, stamp: int) -> Folder:
    folders: list[str] = []
    files: list[str] = []
    with os.scandir(path) as entries:
        for entry in entries:
            try:
                inside, plain = entry.is_dir(), entry.is_file()
            except OSError:  # a link that leads round in a circle by itself
                inside, plain = False, False
            if inside and entry.name.startswith("."):
                continue  # bins, version control: not the cohort
            if inside:
                folders.append(entry.name)
            elif plain or entry.is_symlink():  # no pipes or devices
                files.append(entry.name)
            if entry.is_symlink() and not inside and not plain:
                stamp = UNSETTLED  # it may lead somewhere the next time
    return Folder(stamp, tuple(sorted(folders)), tuple(sorted(files)))
