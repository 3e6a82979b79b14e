"""Archives unpacked safely: what would leave the folder, or is neither file nor folder, is refused by its name."""

import errno
import hashlib
import io
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import cast

from qontrast.basics.errors import InputError, WriteError
from qontrast.cohorts.names import safe

CHUNK = 1 << 20
UNFINISHED = ".part"  # ending of what is not in its place yet: no reader of images takes it for one
UNKNOWN = NotImplementedError  # what zipfile raises for a compression that it does not know
DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, UNKNOWN)


@dataclass(frozen=True)
class Member:
    """A file that was unpacked."""

    size: int
    sha256: str


@dataclass(frozen=True)
class _Entry:
    """A regular file in an archive."""

    name: str
    size: int
    open: Callable[[], io.BufferedIOBase]


def unpack(
    archive: Path,
    folder: Path,
    *,
    keep: Callable[[str], bool] = lambda name: True,
    told: Callable[[str], None] = lambda name: None,
) -> dict[str, Member]:
    """Unpack a tar (packed or not) or a zip below ``folder``: every wanted file, or none.

    Files are written aside first, and renamed into their places when the last one is whole; so a process that is
    killed leaves no half of a file, and can do it again. Other files of ``folder`` stay as they are. Links within the
    archive are left out unless they lead outside of it, which is refused, as are devices and pipes.

    Args:
        archive: the file.
        folder: where to.
        keep: which members are wanted, by name; all are checked.
        told: is told the name of each file.

    Returns:
        Size and digest of each file, by its path below ``folder``.

    Raises:
        InputError: if a member would leave the folder, is written twice, or the archive is damaged.
        WriteError: if the disk is full.
    """
    aside = folder / f".unpack-{archive.name}{UNFINISHED}"
    shutil.rmtree(aside, ignore_errors=True)
    found: dict[str, Member] = {}
    try:
        aside.mkdir(parents=True)
        with _whole(archive), _opened(archive) as entries:
            seen: set[str] = set()
            for entry in entries:
                name = safe(entry.name, str(archive))
                if name in seen:
                    raise InputError(archive, f"two members called {name!r}", "each once", "Do not use this archive.")
                seen.add(name)
                if keep(name):
                    found[name] = _write(entry, aside / f"{name}{UNFINISHED}", archive)
                    told(name)
        for name in found:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (aside / f"{name}{UNFINISHED}").replace(folder / name)
    except OSError as error:
        raise WriteError(
            f"{folder}: {archive.name} could not be unpacked ({error.strerror or error}). Free some space or choose "
            "another --out, then run again: the archive is kept."
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return found


def names_in(archive: Path) -> list[str]:
    """The names of the files in an archive; nothing is unpacked.

    Raises:
        InputError: see :func:`unpack`.
    """
    with _whole(archive), _opened(archive) as entries:
        return [safe(entry.name, str(archive)) for entry in entries]


@contextmanager
def _whole(archive: Path) -> Iterator[None]:
    """Say of what is wrong within an archive that it is damaged; what the system refuses is passed on."""
    try:
        yield
    except (*DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        found = f"an archive that ends early or is damaged ({error})"
        raise InputError(archive, found, "a whole one", "Delete it and get it again.") from error


def _write(entry: _Entry, target: Path, archive: Path) -> Member:
    free = shutil.disk_usage(archive.parent).free
    if entry.size > free:
        raise OSError(errno.ENOSPC, f"{entry.name} needs {entry.size} bytes, {free} are free")
    target.parent.mkdir(parents=True, exist_ok=True)
    sha256, size = hashlib.sha256(), 0
    with entry.open() as source, target.open("xb") as stream:
        while chunk := source.read(CHUNK):
            size += len(chunk)
            if size > entry.size:
                raise InputError(archive, f"{entry.name!r} is longer than it says", "an honest archive")
            sha256.update(chunk)
            stream.write(chunk)
        stream.flush()
        os.fsync(stream.fileno())
    if size != entry.size:
        raise EOFError(f"{entry.name} has {size} of {entry.size} bytes")
    return Member(size, sha256.hexdigest())


@contextmanager
def _opened(archive: Path) -> Iterator[Iterator[_Entry]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            yield _of_zip(packed, archive)
        return
    with tarfile.open(archive) as tar:
        yield _of_tar(tar, archive)
        stream = cast(io.BufferedIOBase, tar.fileobj)
        while stream.read(CHUNK):  # a checksum follows the last byte, and tarfile stops before it
            pass


def _of_tar(tar: tarfile.TarFile, archive: Path) -> Iterator[_Entry]:
    for member in tar:
        if member.name in (".", "./"):
            continue
        name = safe(member.name, str(archive))
        if member.islnk() or member.issym():
            _refuse_link(name, member.linkname, archive, hard=member.islnk())
            continue
        if not (member.isfile() or member.isdir()):
            raise InputError(archive, f"{name!r}, a device or a pipe", "files and folders", "Do not use this archive.")
        with suppress(AttributeError):  # Python 3.11.3 and older have no such filter: ours stands alone there
            try:
                tarfile.data_filter(member, str(archive.parent))
            except tarfile.FilterError as error:
                raise InputError(archive, f"{name!r} ({error})", "a harmless member", "Do not use it.") from error
        if member.isfile():
            yield _Entry(name, member.size, lambda m=member: _file_of(tar, m))  # type: ignore[misc]


def _file_of(tar: tarfile.TarFile, member: tarfile.TarInfo) -> io.BufferedIOBase:
    return cast(io.BufferedIOBase, tar.extractfile(member))


def _refuse_link(name: str, target: str, archive: Path, *, hard: bool) -> None:
    """Refuse a link that leads outside; a hard link's target counts from the root, a symbolic one's from its folder."""
    depth = 0 if hard else len(PurePosixPath(name).parent.parts)
    outside = PurePosixPath(target).is_absolute() or "\\" in target
    for part in PurePosixPath(target).parts:
        depth += -1 if part == ".." else 1
        outside = outside or depth < 0
    if outside:
        raise InputError(
            archive, f"{name!r}, a link to {target!r} outside of it", "links within", "Do not use this archive."
        )


def _of_zip(packed: zipfile.ZipFile, archive: Path) -> Iterator[_Entry]:
    for info in packed.infolist():
        name = safe(info.orig_filename.rstrip("/") or info.filename, str(archive))
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.flag_bits & 1:
            raise InputError(archive, f"{name!r}, locked by a password", "open files", "Unpack it by hand.")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            what = "a link" if kind == stat.S_IFLNK else "a device or a pipe"
            raise InputError(archive, f"{name!r}, {what}", "files and folders", "Do not use this archive.")
        if not info.is_dir():
            yield _Entry(name, info.file_size, lambda i=info: _file_of_zip(packed, i))  # type: ignore[misc]


def _file_of_zip(packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> io.BufferedIOBase:
    return cast(io.BufferedIOBase, packed.open(info))
