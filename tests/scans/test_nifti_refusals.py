"""Every file that cannot be used is refused with its name, what was found, and a remedy."""

import re
import struct
import tracemalloc

import nibabel as nib
import numpy as np
import pytest

from qontrast.basics.errors import InputError
from qontrast.scans.nifti import read_grid, read_image

SHAPE = (12, 13, 14)
LPS = np.diag([-2.0, -2.0, 2.0, 1.0])  # canonical order has to flip it


def image_bytes(data=None, affine=LPS):
    data = np.random.default_rng(0).random(SHAPE).astype(np.float32) if data is None else data
    return bytearray(nib.Nifti1Image(data, affine).to_bytes())


def refusal(path, content=None, read=read_image, **options):
    """The message with which ``content`` at ``path`` is refused; the file must be named first."""
    if content is not None:
        path.write_bytes(bytes(content))
    with pytest.raises(InputError) as caught:
        read(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: found ")
    return message


def test_no_such_file(tmp_path):
    assert "no such file; wanted an image. Check the path." in refusal(tmp_path / "x.nii")


def test_an_ending_that_is_no_images(tmp_path):
    assert "the ending '.png'; wanted one of .nii, .nii.gz, .mgz, .mgh" in refusal(tmp_path / "x.png", b"png")


@pytest.mark.parametrize(("name", "content"), [("x.nii", b"hello"), ("x.nii.gz", b"hello"), ("x.nii.gz", b"")])
def test_no_image_at_all(tmp_path, name, content):
    assert "no readable image header" in refusal(tmp_path / name, content)


@pytest.mark.parametrize("canonical", [False, True])
@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
def test_a_file_cut_in_half(tmp_path, name, canonical):
    nib.save(nib.Nifti1Image.from_bytes(bytes(image_bytes())), tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    message = refusal(tmp_path / name, whole[: len(whole) // 2], canonical=canonical)
    assert "a file that ends early or is damaged" in message
    assert message.endswith("Copy or download it again.")


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ((12, 13), "a 2D image of shape (12, 13)"),
        ((12, 13, 1), "a 2D image of shape (12, 13, 1)"),
        ((6, 7, 8, 3), "a 4D image of shape (6, 7, 8, 3)"),
    ],
)
def test_images_that_are_not_3d(tmp_path, shape, found):
    message = refusal(tmp_path / "x.nii", image_bytes(np.ones(shape, np.float32)))
    assert f"found {found}; wanted a 3D image. Split a series into single volumes" in message


@pytest.mark.parametrize("read", [read_grid, read_image])
def test_a_header_that_claims_27_trillion_voxels_asks_for_no_memory(tmp_path, read):
    content = image_bytes()[:348]
    content[40:56] = struct.pack("<8h", 3, 30000, 30000, 30000, 1, 1, 1, 1)
    tracemalloc.start()
    try:
        message = refusal(tmp_path / "x.nii", content, read)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "a header that claims 2.7e+13 voxels (30000, 30000, 30000); wanted at most 2.15e+09" in message
    assert peak < 2_000_000


def test_an_affine_with_nan(tmp_path):
    content = image_bytes()
    content[280:284] = struct.pack("<f", float("nan"))  # srow_x[0]
    message = refusal(tmp_path / "x.nii", content)
    assert "an affine with NaN or infinity; wanted a finite affine. Repair the header" in message


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("with_sform", [True, False])
def test_a_voxel_size_of_zero_in_the_header_is_not_mended_silently(tmp_path, with_sform, ending):
    content = image_bytes()
    content[80:92] = struct.pack("<3f", 2.0, 0.0, 2.0)  # pixdim
    if not with_sform:
        content[252:256] = struct.pack("<2h", 0, 0)  # qform_code, sform_code
    path = tmp_path / f"x{ending}"
    with nib.openers.Opener(path, "wb") as stream:
        stream.write(bytes(content))
    message = refusal(path)
    assert "voxel sizes of 2, 0, 2 mm; wanted sizes above 0 mm. Repair the header (pixdim, sform)." in message


def test_an_affine_without_extent_along_one_axis(tmp_path):
    content = image_bytes()
    for start in (280, 296, 312):
        content[start + 4 : start + 8] = struct.pack("<f", 0.0)
    assert "voxel sizes of 2, 0, 2 mm" in refusal(tmp_path / "x.nii", content)


def test_an_affine_with_two_axes_along_one_line(tmp_path):
    content = image_bytes()
    content[280:328] = struct.pack("<12f", 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0)
    assert "an affine that is not invertible; wanted three independent axes" in refusal(tmp_path / "x.nii", content)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_not_finite_are_counted(tmp_path, bad):
    data = np.ones(SHAPE, np.float32)
    data[3, 4:7, 5] = bad
    message = refusal(tmp_path / "x.nii", image_bytes(data))
    assert re.search(r"3 voxels that are NaN or infinite \(0\.14%\); wanted finite.*numpy\.nan_to_num", message)


def test_fractional_labels(tmp_path):
    data = np.zeros(SHAPE, np.float32)
    data[1, 1, 1] = 2.5
    message = refusal(tmp_path / "x.nii", image_bytes(data), labels=True)
    assert "the value 2.5; wanted whole-number labels. Is this a probability map" in message


def test_whole_numbers_stored_as_floats_are_labels(tmp_path):
    data = np.full(SHAPE, 41, np.float32)
    (tmp_path / "x.nii").write_bytes(bytes(image_bytes(data)))
    assert np.unique(read_image(tmp_path / "x.nii", labels=True).data).tolist() == [41]


def test_complex_voxels(tmp_path):
    message = refusal(tmp_path / "x.nii", image_bytes(np.ones(SHAPE, np.complex64)))
    assert "voxels of type complex64; wanted real numbers. Save the magnitude" in message


def test_colours(tmp_path):
    colours = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    message = refusal(tmp_path / "x.nii", image_bytes(colours))
    assert "wanted real numbers. Save the magnitude or one channel." in message
