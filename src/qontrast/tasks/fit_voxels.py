"""The voxels of a fit: where they are, the transmit field in them, and going through them in chunks."""

import numpy as np

from qontrast.anatomy.units import to_si
from qontrast.basics.errors import InputError
from qontrast.basics.grid import Grid
from qontrast.fits.methods import Maps, Method
from qontrast.scans.names import Named, sidecar
from qontrast.scans.nifti import read_image
from qontrast.scans.sidecars import read_json
from qontrast.tasks.speaking import track

CHUNK = 1 << 13  # voxels: the derivatives of 22 echoes by 4 parameters take 6 MB then
FOREGROUND = 0.1  # of the 99th percentile


def in_chunks(
    method: Method, data: np.ndarray, sigma: float, b1: np.ndarray, *, quiet: bool = True
) -> tuple[Maps, int]:
    """Fit voxels in chunks, so that memory stays small.

    Args:
        method: the method.
        data: ``[measurement, voxel]``.
        sigma: of the noise.
        b1: relative transmit field, ``[voxel]``.
        quiet: without a progress bar.

    Returns:
        The maps, and how many voxels had not settled after the last iteration.
    """
    count, parts, unsettled = len(b1), [], 0
    for start in track(range(0, count, CHUNK), "voxels", quiet=quiet):
        here = slice(start, start + CHUNK)
        chunk = np.ascontiguousarray(data[:, here].T, dtype=np.float64)
        estimate = method.estimate(chunk, np.full(len(chunk), sigma), b1[here])
        unsettled += int(np.count_nonzero(~estimate.converged))
        parts.append(method.maps(estimate, b1[here]))
    names = parts[0].values
    values = {n: np.concatenate([p.values[n] for p in parts]) for n in names}
    errors = {n: np.concatenate([p.errors[n] for p in parts]) for n in names}
    return Maps(values, errors, np.concatenate([p.valid for p in parts])), unsettled


def foreground(mask: Named | None, image: Named, grid: Grid, notes: list[str]) -> np.ndarray:
    """Where to fit: the mask, else the voxels of ``image`` that are bright enough.

    Raises:
        InputError: if the mask lies on another grid, or there is nothing to fit.
    """
    if mask is not None:
        found = read_image(mask.path)
        if not found.grid.matches(grid):
            raise InputError(mask.path, f"a grid of {found.grid}", f"the images' grid, {grid}", "Resample the mask.")
        inside, where = found.data > 0.5, mask.path
    else:
        data, where = read_image(image.path).data, image.path
        inside = data > FOREGROUND * np.percentile(data, 99)
        notes.append(f"there is no mask: {int(inside.sum())} voxels above a tenth of the bright ones are fitted")
    if not inside.any():
        raise InputError(where, "no voxel above 0", "something to fit", "The mask or the image is empty: check it.")
    return inside


def transmit(b1: Named | None, inside: np.ndarray, grid: Grid, notes: list[str], *, matters: bool = True) -> np.ndarray:
    """The relative transmit field of the voxels inside; 1 where there is no map, which is said.

    Raises:
        InputError: if the map lies on another grid, its unit is unknown, or it is not above 0 inside.
    """
    if not matters or b1 is None:
        if matters:
            notes.append("there is no TB1map: flip angles are taken to be nominal, which biases R1 and PD")
        return np.ones(int(inside.sum()))
    image = read_image(b1.path)
    if not image.grid.matches(grid):
        raise InputError(
            b1.path, f"a grid of {image.grid}", f"the images' grid, {grid}", "Register and resample the TB1map to them."
        )
    stated = read_json(sidecar(b1.path)).get("Units")
    unit = stated if isinstance(stated, str) else None
    field, note = to_si(image.data, "TB1map", inside, unit, str(b1.path))
    notes.append(f"{b1.path.name}: {note}")
    values = field[inside].astype(np.float64)
    low = int(np.count_nonzero(values < 0.1))
    if low:
        notes.append(f"{b1.path.name}: {low} voxels below a tenth of nominal are taken to be nominal")
    return np.where(values < 0.1, 1.0, values)
