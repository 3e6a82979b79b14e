"""NIfTI files in and out. A bad header is refused before memory is asked for."""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.spatialimages import SpatialImage

from qontrast.basics.atomic import publish
from qontrast.basics.errors import InputError
from qontrast.basics.grid import Grid

LARGEST_VOXELS = 2**31  # 8 GB in single precision: beyond any head that was ever scanned
ENDINGS = (".nii", ".nii.gz", ".mgz", ".mgh")


@dataclass(frozen=True)
class Image:
    """Voxels and the grid they lie on.

    Args:
        data: ``[x, y, z]`` array.
        grid: its shape and affine.
        path: the file it came from.
    """

    data: np.ndarray
    grid: Grid
    path: Path


def read_grid(path: Path) -> Grid:
    """The grid of an image, from its header alone.

    Raises:
        InputError: see :func:`read_image`.
    """
    return _grid_of(_open(path), path)


def read_image(path: Path, *, canonical: bool = False, labels: bool = False) -> Image:
    """Read a 3D image.

    Args:
        path: a NIfTI or MGH file.
        canonical: reorder and flip the axes so that they run right, anterior, superior (nothing is resampled).
        labels: return integers, refusing values that are none; else single-precision numbers.

    Raises:
        InputError: if the file is absent, truncated or no image; is not 3D; claims more than 2^31 voxels; has an
            affine that is not finite or a voxel size of zero; or holds colours, complex, NaN or infinite voxels.
    """
    path = Path(path)
    return _voxels(_open(path), path, canonical=canonical, labels=labels)


def image_of(scan: str | Path | np.ndarray | SpatialImage, affine: np.ndarray | None = None) -> Image:
    """An image whose axes run right, anterior, superior: from a file, an array with its affine, or a nibabel image.

    Args:
        scan: a path; an array ``[x, y, z]``; or an image that nibabel holds.
        affine: of the array, voxel index to world millimetres (RAS+); an array needs one, nothing else may have one.

    Raises:
        InputError: see :func:`read_image`.
    """
    if isinstance(scan, str | Path):
        held, path = _open(Path(scan)), Path(scan)
    elif isinstance(scan, np.ndarray):
        path = Path("array")
        if affine is None:
            raise InputError(path, "no affine", "one that says where its voxels lie", "Give affine=, 4 x 4, in mm.")
        if scan.dtype.kind not in "biuf" or np.shape(affine) != (4, 4):
            found = f"{scan.dtype} voxels and an affine of shape {np.shape(affine)}"
            raise InputError(path, found, "real numbers and a 4 x 4 affine", "Give the magnitude image.")
        try:
            held = nib.Nifti1Image(scan.astype(np.float32), np.asarray(affine, dtype=np.float64))
        except Exception as error:  # see read_image
            raise InputError(path, f"an affine that nibabel refuses ({error})", "an invertible one") from error
    else:
        held, path = scan, Path(scan.get_filename() or "image in memory")
    if affine is not None and not isinstance(scan, np.ndarray):
        raise InputError(path, "an affine beside an image that has one", "no other affine", "Leave it out.")
    return _voxels(held, path, canonical=True)


def _voxels(image: SpatialImage, path: Path, *, canonical: bool, labels: bool = False) -> Image:
    _grid_of(image, path)
    try:
        # Reordering the axes reads the voxels too.
        image = nib.as_closest_canonical(image) if canonical else image
        raw = np.asanyarray(image.dataobj)
    except Exception as error:  # nibabel has an exception of its own for every kind of damage
        raise InputError(
            path, f"a file that ends early or is damaged ({error})", "a whole image", "Copy or download it again."
        ) from error
    if raw.dtype.kind not in "biuf":
        raise InputError(path, f"voxels of type {raw.dtype}", "real numbers", "Save the magnitude or one channel.")
    data = raw.reshape(raw.shape[:3])
    _refuse_not_finite(data, path)
    grid = Grid(_shape3(data), np.asarray(image.affine, dtype=np.float64))
    if not labels:
        return Image(np.ascontiguousarray(data, dtype=np.float32), grid, path)
    whole = np.rint(data)
    if not np.array_equal(whole, data):
        wrong = data[whole != data].flat[0]
        raise InputError(path, f"the value {wrong:g}", "whole-number labels", "Is this a probability map or an image?")
    return Image(np.ascontiguousarray(whole, dtype=np.int32), grid, path)


def write_image(path: Path, data: np.ndarray, grid: Grid, *, like: Path | None = None) -> None:
    """Write ``data`` ``[x, y, z]``, or several volumes ``[x, y, z, t]``, with the grid's affine, atomically.

    Args:
        path: ends in ``.nii`` or ``.nii.gz``.
        data: the voxels.
        grid: where they lie.
        like: an image on the same grid whose header says how the affine is stored (sform, qform, their codes), so that
            it comes back bit by bit.

    Raises:
        InputError: if the file's ending is neither ``.nii`` nor ``.nii.gz``.
        WriteError: if the disk is full or the folder cannot be written.
    """
    path = Path(path)
    check_writable_name(path)
    header = None
    if like is not None and isinstance(source := _open(like), nib.Nifti1Image):
        header = source.header.copy()
        header.set_slope_inter(1, 0)
        header["cal_min"] = header["cal_max"] = 0
        header["descrip"] = b""
    image = nib.Nifti1Image(data, grid.affine, header)
    image.set_data_dtype(data.dtype)
    if header is None:
        image.header.set_xyzt_units("mm")
    publish(path, lambda part: nib.save(image, part))


def check_writable_name(path: Path) -> None:
    """Refuse an output name that no image can be written to, before anything is computed.

    Raises:
        InputError: if the ending is neither ``.nii`` nor ``.nii.gz``.
    """
    if not Path(path).name.endswith((".nii", ".nii.gz")):
        raise InputError(path, f"the ending {Path(path).suffix!r}", ".nii or .nii.gz", "Rename the output file.")


def from_canonical(data: np.ndarray, native: Grid) -> np.ndarray:
    """Voxels whose axes run right, anterior, superior, reordered and flipped back to the axes of ``native``."""
    back = nib.orientations.ornt_transform([[0, 1], [1, 1], [2, 1]], nib.orientations.io_orientation(native.affine))
    return np.ascontiguousarray(nib.orientations.apply_orientation(data, back))


def _open(path: Path) -> SpatialImage:
    path = Path(path)
    if not path.is_file():
        raise InputError(path, "no such file", "an image", "Check the path.")
    if not path.name.endswith(ENDINGS):
        raise InputError(path, f"the ending {path.suffix!r}", f"one of {', '.join(ENDINGS)}")
    try:
        return nib.load(path)
    except Exception as error:  # see read_image
        raise InputError(path, f"no readable image header ({error})", "a NIfTI image", "Is it complete?") from error


def _grid_of(image: SpatialImage, path: Path) -> Grid:
    shape = tuple(int(n) for n in image.shape)
    trimmed = shape[:3] if len(shape) > 3 and all(n == 1 for n in shape[3:]) else shape
    if len(trimmed) != 3 or min(trimmed) < 2:
        raise InputError(
            path,
            f"a {_dimensions(trimmed)} image of shape {shape}",
            "a 3D image",
            "Split a series into single volumes; a single slice cannot be used.",
        )
    voxels = trimmed[0] * trimmed[1] * trimmed[2]
    if voxels > LARGEST_VOXELS:
        raise InputError(
            path,
            f"a header that claims {voxels:.3g} voxels {trimmed}",
            f"at most {LARGEST_VOXELS:.3g}",
            "Is it damaged?",
        )
    affine = np.asarray(image.affine, dtype=np.float64)
    if not np.isfinite(affine).all():
        raise InputError(path, "an affine with NaN or infinity", "a finite affine", "Repair the header (sform, qform).")
    zooms = _stored_sizes(image)
    columns = np.linalg.norm(affine[:3, :3], axis=0)
    if not (np.isfinite(zooms).all() and (zooms > 0).all() and (columns > 1e-6).all()):
        sizes = ", ".join(f"{s:g}" for s in (zooms if not (zooms > 0).all() else columns))
        raise InputError(path, f"voxel sizes of {sizes} mm", "sizes above 0 mm", "Repair the header (pixdim, sform).")
    if abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise InputError(path, "an affine that is not invertible", "three independent axes", "Repair the header.")
    return Grid((trimmed[0], trimmed[1], trimmed[2]), affine)


def _stored_sizes(image: SpatialImage) -> np.ndarray:
    """Voxel sizes as they stand in the file: nibabel quietly mends a zero to 1 mm while it reads a NIfTI header."""
    holder = image.file_map["image"]
    if not isinstance(image, nib.Nifti1Image) or (holder.filename is None and holder.fileobj is None):
        return np.asarray(image.header.get_zooms()[:3], dtype=np.float64)
    with holder.get_prepare_fileobj("rb") as stream:
        header = type(image.header).from_fileobj(stream, check=False)
    return np.abs(np.asarray(header["pixdim"][1:4], dtype=np.float64))


def _dimensions(shape: tuple[int, ...]) -> str:
    thick = sum(n > 1 for n in shape)
    return f"{thick}D"


def _refuse_not_finite(data: np.ndarray, path: Path) -> None:
    if not np.issubdtype(data.dtype, np.floating):
        return
    bad = int(data.size - np.count_nonzero(np.isfinite(data)))
    if bad:
        raise InputError(
            path,
            f"{bad} voxels that are NaN or infinite ({bad / data.size:.2%})",
            "finite values everywhere",
            "Set voxels outside the brain to 0, for instance with numpy.nan_to_num, and save the map again.",
        )


def _shape3(data: np.ndarray) -> tuple[int, int, int]:
    x, y, z = data.shape
    return int(x), int(y), int(z)
