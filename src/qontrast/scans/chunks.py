"""Volumes in compressed chunks (blosc2 ``.b2nd``): a crop reads and unpacks only the chunks that it touches."""

import hashlib
from pathlib import Path

import blosc2
import numpy as np

from qontrast.basics.errors import InputError

ENDING = ".b2nd"
CHUNK, BLOCK = 32, 16
"""Edges of a chunk (read at once) and of a block in it (unpacked at once: 8 kB in half precision), both of a chunk for
values of one byte. The smaller they are, the less is unpacked around a crop."""
ROWS = 4096
"""Of a table, in a block: it is always read whole."""


def write_chunks(path: Path, volume: np.ndarray) -> None:
    """Write an array of three axes or more, or a table; the same array always gives the same bytes.

    LZ4 that takes its time to pack (HC) is unpacked in two thirds of the time of what packs at once, and packs 1.3
    times as tightly. Shuffled bytes help values of several; those of one would only be copied.

    Raises:
        OSError: if it cannot be written.
    """
    one_byte = volume.dtype.itemsize == 1
    edges = tuple(min(CHUNK, n) for n in volume.shape) if volume.ndim > 2 else volume.shape
    block = ROWS if volume.ndim == 2 else CHUNK if one_byte else BLOCK
    blocks = tuple(min(block, n) for n in edges)
    parameters = blosc2.CParams(
        codec=blosc2.Codec.LZ4HC,
        clevel=5,
        filters=[blosc2.Filter.NOFILTER if one_byte else blosc2.Filter.SHUFFLE],
        filters_meta=[0],
        nthreads=1,
    )
    values = np.ascontiguousarray(volume)
    try:
        blosc2.asarray(values, urlpath=str(path), mode="w", chunks=edges, blocks=blocks, cparams=parameters)
    except RuntimeError as error:  # blosc2's word for a disk that is full
        raise OSError(f"the volume could not be written: {error}") from error


_verified: set[Path] = set()
"""Files whose digest this process has checked."""


class Chunks:
    """A volume on disk.

    Nothing is kept open, so it may be handed to other processes. A file's digest is checked when a process first reads
    of it: chunks carry none, and most altered bytes would unpack to wrong voxels without a word.

    Args:
        path: of the file.
        shape: that it should have.
        dtype: that it should have.
        sha256: that it should have; empty if that is not known.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: str, sha256: str = "") -> None:
        self.path, self.shape, self.dtype, self.sha256 = path, tuple(shape), np.dtype(dtype), sha256

    def __getitem__(self, where: tuple[slice, ...]) -> np.ndarray:
        """The voxels in three slices.

        Raises:
            InputError: if the file is absent, damaged or another than expected.
        """
        try:
            self._verify()
            array = blosc2.open(str(self.path), mode="r", dparams=blosc2.DParams(nthreads=1))
            if tuple(array.shape) != self.shape or array.dtype != self.dtype:
                raise ValueError(f"{array.dtype} of {array.shape}")
            return np.asarray(array[where])
        except (OSError, RuntimeError, ValueError) as error:
            raise InputError(
                self.path,
                f"a file that is missing or damaged ({str(error) or type(error).__name__})",
                f"{self.dtype} voxels of {' x '.join(map(str, self.shape))}",
                "Run the same `qontrast data prepare` again: it makes anew what is damaged.",
            ) from error

    def _verify(self) -> None:
        if self.sha256 and self.path not in _verified:
            with self.path.open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
            if found != self.sha256:
                raise ValueError("altered since it was written")
            _verified.add(self.path)

    def whole(self) -> np.ndarray:
        """All of it."""
        return self[tuple(slice(0, n) for n in self.shape)]
