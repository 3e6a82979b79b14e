"""Whether a compressed image ends where its header says, without decompressing all of it."""

import gzip
import math
import struct
import zlib
from pathlib import Path

from nibabel.nifti1 import Nifti1Header
from nibabel.spatialimages import HeaderDataError

HEAD = Nifti1Header.sizeof_hdr + 4  # bytes, with the mark of extensions
CHUNK = 1 << 20


def damage(path: Path) -> str:
    """What is wrong with a file's length or packing; empty where nothing is.

    A gzip file ends with the length of what it holds. Where that is the length that the NIfTI header asks for, the file
    is whole; where not (it is cut short, or was packed in several pieces), it is decompressed to the end.
    """
    try:
        if path.name.endswith(".gz"):
            return "" if _length_fits(path) else _unpacked(path)
        with path.open("rb") as stream:
            asked = _asked(stream.read(HEAD)) if path.suffix == ".nii" else None
        size = path.stat().st_size
        return f"{size} bytes, the header asks for {asked}" if asked is not None and size < asked else ""
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"


def _length_fits(path: Path) -> bool:
    size = path.stat().st_size
    if size < 18:  # of an empty gzip file
        return False
    with path.open("rb") as stream:
        stream.seek(-4, 2)
        (told,) = struct.unpack("<I", stream.read(4))
    try:
        with gzip.open(path) as unpacked:
            asked = _asked(unpacked.read(HEAD))
    except (OSError, EOFError, zlib.error):
        return False
    return asked is not None and asked % 2**32 == told


def _asked(head: bytes) -> int | None:
    """Bytes of the whole unpacked file by its NIfTI-1 header; None for another format."""
    if len(head) < HEAD or head[344:347] != b"n+1":
        return None
    try:
        header = Nifti1Header(head[: HEAD - 4], check=False)
        shape, bytes_a_voxel = header.get_data_shape(), header.get_data_dtype().itemsize
    except (HeaderDataError, KeyError):
        return None
    offset = float(header["vox_offset"])
    if min(shape, default=0) < 1 or not 0 <= offset < 2**31:
        return None
    return int(offset) + math.prod(shape) * bytes_a_voxel


def _unpacked(path: Path) -> str:
    try:
        with gzip.open(path) as stream:
            length, asked = 0, None
            while chunk := stream.read(CHUNK):
                asked = _asked(chunk[:HEAD]) if not length else asked
                length += len(chunk)
    except (OSError, EOFError, zlib.error) as error:
        return f"a gzip file that is cut short or damaged ({error})"
    short = asked is not None and length < asked
    return f"{length} bytes unpacked, the header asks for {asked}" if short else ""
