import nibabel as nib
import numpy as np
import pytest

from qontrast.basics.errors import InputError, WriteError
from qontrast.basics.grid import Grid
from qontrast.scans.nifti import from_canonical, read_grid, read_image, write_image

SHAPE = (6, 7, 8)
OBLIQUE = np.array(
    [[-1.9, 0.21, 0.4, 83.0], [-0.3, -1.96, 0.1, 91.5], [0.35, 0.27, 2.2, -40.25], [0, 0, 0, 1]]
)  # axes left, posterior, superior, tilted


def voxels(dtype, shape=SHAPE):
    return np.random.default_rng(3).integers(0, 2000, shape).astype(dtype)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.uint8, np.int32])
def test_what_is_written_comes_back_bit_for_bit(tmp_path, ending, dtype):
    path, data = tmp_path / f"deep/down/x{ending}", voxels(dtype)
    affine = OBLIQUE.astype(np.float32).astype(np.float64)  # what a NIfTI header can hold
    write_image(path, data, Grid(SHAPE, affine))
    image = read_image(path)
    np.testing.assert_array_equal(image.data, data)
    assert image.grid.affine.tobytes() == affine.tobytes()
    assert image.grid.shape == read_grid(path).shape == SHAPE
    assert nib.load(path).get_data_dtype() == dtype
    assert nib.load(path).header.get_xyzt_units()[0] == "mm"


def test_images_are_single_precision_and_labels_whole_numbers(tmp_path):
    write_image(tmp_path / "x.nii", voxels(np.uint8), Grid(SHAPE, np.eye(4)))
    assert read_image(tmp_path / "x.nii").data.dtype == np.float32
    assert read_image(tmp_path / "x.nii", labels=True).data.dtype == np.int32


def test_a_scaled_integer_file_is_read_in_its_own_scale(tmp_path):
    image = nib.Nifti1Image(voxels(np.int16), np.eye(4))
    image.header.set_slope_inter(0.5, 10)
    nib.save(image, tmp_path / "x.nii")
    stored = nib.load(tmp_path / "x.nii").get_fdata()
    assert np.ptp(stored) > 0
    np.testing.assert_allclose(read_image(tmp_path / "x.nii").data, stored, rtol=1e-6)


@pytest.mark.parametrize(
    "affine", [np.diag([-2.0, -2, 2, 1]), OBLIQUE, OBLIQUE[:, [2, 0, 1, 3]], np.diag([1.0, 1, 1, 1])]
)
def test_canonical_order_keeps_every_voxel_where_it_was_in_the_world(tmp_path, affine):
    data = np.zeros(SHAPE, np.float32)
    marked = {(1, 2, 6): 5.0, (5, 0, 3): 9.0}
    for voxel, value in marked.items():
        data[voxel] = value
    write_image(tmp_path / "x.nii", data, Grid(SHAPE, affine))
    image = read_image(tmp_path / "x.nii", canonical=True)
    assert "".join(nib.aff2axcodes(image.grid.affine)) == "RAS"
    assert image.data.shape == image.grid.shape
    for voxel, value in marked.items():
        found = np.argwhere(image.data == value)
        assert len(found) == 1
        before, after = affine @ [*voxel, 1], image.grid.affine @ [*found[0], 1]
        np.testing.assert_allclose(after, before, atol=1e-4)


@pytest.mark.parametrize("affine", [np.diag([-2.0, -2, 2, 1]), OBLIQUE, OBLIQUE[:, [2, 0, 1, 3]], np.eye(4)])
def test_from_canonical_undoes_the_reordering(tmp_path, affine):
    data = voxels(np.float32)
    write_image(tmp_path / "x.nii", data, Grid(SHAPE, affine))
    ordered = read_image(tmp_path / "x.nii", canonical=True)
    np.testing.assert_array_equal(from_canonical(ordered.data, read_grid(tmp_path / "x.nii")), data)


@pytest.mark.parametrize("codes", [(1, 0), (0, 2), (1, 4)])
def test_an_image_written_like_another_has_its_affine_bit_for_bit(tmp_path, codes):
    source = nib.Nifti1Image(voxels(np.int16), None)
    rotation = nib.eulerangles.euler2mat(0.1, -0.2, 0.3)
    affine = nib.affines.from_matvec(rotation * [1.1, 0.9, 2.3], (-83.1, 20.7, 5.3))
    source.set_qform(affine, codes[0])
    source.set_sform(affine, codes[1])
    source.header.set_slope_inter(0.01, 3)
    nib.save(source, tmp_path / "source.nii.gz")
    grid, labels = read_grid(tmp_path / "source.nii.gz"), voxels(np.int32)
    write_image(tmp_path / "out.nii.gz", labels, grid, like=tmp_path / "source.nii.gz")
    out = nib.load(tmp_path / "out.nii.gz")
    assert out.affine.tobytes() == nib.load(tmp_path / "source.nii.gz").affine.tobytes()
    assert (int(out.header["qform_code"]), int(out.header["sform_code"])) == codes
    np.testing.assert_array_equal(read_image(tmp_path / "out.nii.gz", labels=True).data, labels)


def test_without_canonical_the_axes_stay_as_they_are_in_the_file(tmp_path):
    data = voxels(np.float32)
    write_image(tmp_path / "x.nii", data, Grid(SHAPE, np.diag([-2.0, -2, 2, 1])))
    np.testing.assert_array_equal(read_image(tmp_path / "x.nii").data, data)


def test_a_trailing_axis_of_one_is_dropped(tmp_path):
    nib.save(nib.Nifti1Image(voxels(np.float32)[..., None], np.diag([-2.0, -2, 2, 1])), tmp_path / "x.nii")
    assert read_grid(tmp_path / "x.nii").shape == SHAPE
    assert read_image(tmp_path / "x.nii", canonical=True).data.shape == SHAPE


def test_mgh_files_of_freesurfer_are_read(tmp_path):
    data = voxels(np.int32)
    nib.save(nib.MGHImage(data, np.diag([1.0, 1, 1, 1])), tmp_path / "aseg.mgz")
    np.testing.assert_array_equal(read_image(tmp_path / "aseg.mgz", labels=True).data, data)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path, grid = tmp_path / "x.nii.gz", Grid(SHAPE, np.eye(4))
    write_image(path, voxels(np.uint8), grid)
    before = path.read_bytes()

    def fails_half_way(image, part):
        part.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nib, "save", fails_half_way)
    with pytest.raises(WriteError, match=r"x\.nii\.gz.*No space left.*--out"):
        write_image(path, 1 + voxels(np.uint8), grid)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["x.mgz", "x.img", "x", "x.nii.bz2"])
def test_other_endings_are_refused_before_anything_is_written(tmp_path, name):
    with pytest.raises(InputError, match=r"wanted \.nii or \.nii\.gz\. Rename the output file"):
        write_image(tmp_path / name, voxels(np.uint8), Grid(SHAPE, np.eye(4)))
    assert list(tmp_path.iterdir()) == []
