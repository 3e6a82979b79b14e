"""Volumes in chunks: what is read is what was written, the bytes are always the same, and damage is named."""

import numpy as np
import pytest

from qontrast.basics.errors import InputError
from qontrast.scans.chunks import Chunks, write_chunks

SHAPE = (70, 45, 90)


@pytest.fixture
def volume():
    return np.random.default_rng(0).normal(size=SHAPE).astype(np.float16)


@pytest.fixture
def file(tmp_path, volume):
    path = tmp_path / "r1.b2nd"
    write_chunks(path, volume)
    return path


@pytest.mark.parametrize(
    "where", [((0, 70), (0, 45), (0, 90)), ((3, 4), (44, 45), (63, 65)), ((60, 70), (1, 40), (0, 1))]
)
def test_a_crop_is_the_crop_of_the_whole(file, volume, where):
    slices = tuple(slice(a, b) for a, b in where)
    assert np.array_equal(Chunks(file, SHAPE, "float16")[slices], volume[slices])


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32"])
def test_every_type_comes_back(tmp_path, dtype):
    values = np.random.default_rng(1).integers(0, 200, size=(5, 66, 3)).astype(dtype)
    write_chunks(tmp_path / "x.b2nd", values)
    assert np.array_equal(Chunks(tmp_path / "x.b2nd", values.shape, dtype).whole(), values)


@pytest.mark.parametrize("shape", [(0, 3), (70_000, 3), (2, 3, 40, 35, 33)])
def test_tables_and_fields_come_back(tmp_path, shape):
    values = np.random.default_rng(2).integers(0, 200, size=shape).astype("int16")
    write_chunks(tmp_path / "x.b2nd", values)
    assert np.array_equal(Chunks(tmp_path / "x.b2nd", shape, "int16").whole(), values)


def test_the_same_volume_gives_the_same_bytes(tmp_path, file, volume):
    write_chunks(tmp_path / "again.b2nd", volume)
    assert (tmp_path / "again.b2nd").read_bytes() == file.read_bytes()


def test_the_files_are_smaller_than_the_voxels(tmp_path, volume):
    volume[:, :20] = 0
    write_chunks(tmp_path / "x.b2nd", volume)
    assert (tmp_path / "x.b2nd").stat().st_size < 0.9 * volume.nbytes


def test_a_crop_does_not_read_the_whole_file(file, volume):
    """What lies in other chunks may be damaged: a crop never sees it."""
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    file.write_bytes(content)
    corner = (slice(0, 8), slice(0, 8), slice(0, 8))
    assert np.array_equal(Chunks(file, SHAPE, "float16")[corner], volume[corner])


@pytest.mark.parametrize("damage", ["missing", "cut short", "empty", "another shape", "another type"])
def test_damage_names_the_file_and_the_remedy(file, damage):
    shape, dtype = SHAPE, "float16"
    if damage == "missing":
        file.unlink()
    elif damage == "cut short":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "another shape":
        shape = (70, 45, 91)
    else:
        dtype = "float32"
    with pytest.raises(InputError, match="data prepare") as error:
        Chunks(file, shape, dtype).whole()
    assert str(file) in str(error.value)
