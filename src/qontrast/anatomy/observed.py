"""Heads that were really scanned in several contrasts: what one session's co-registered scans say of one brain."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from scipy import ndimage

from qontrast.anatomy.subject import Head
from qontrast.basics.errors import InputError
from qontrast.basics.grid import Grid
from qontrast.basics.shapes import Box, Volume
from qontrast.geometry.sample import box_slices, occupied
from qontrast.scans.names import Named, is_brain_mask, is_magnitude
from qontrast.scans.nifti import Image, read_image

IMAGE_SUFFIXES = ("T1w", "T2w", "PDw", "FLAIR", "T2starw", "UNIT1", "inplaneT1", "inplaneT2", "MTw", "angio")
HEAD_SHARE = (
    0.12  # of the 98th percentile: what is brighter is head, in any contrast and with any coil (our guess, as the next)
)
NATIVE = {"", "orig", "individual", "native", "scanner", "T1", "T2", *IMAGE_SUFFIXES}
"""What ``space`` may say of scans that lie in one session's own space; any other is a template."""
LEAST_SHARED = 0.25  # of a scan's field of view that has to lie in the reference's


@runtime_checkable
class Voxels(Protocol):
    """An array or a file that gives the voxels in three slices."""

    def __getitem__(self, where: tuple[slice, ...], /) -> np.ndarray: ...


@dataclass(frozen=True)
class ObservedScan:
    """One scan.

    Args:
        contrast: its suffix, with what else tells it from the others: ``T1w``, ``T1w_run-2``.
        voxels: its intensities over ``scale``.
        grid: where they lie.
        scale: the 99.5th percentile of the scan as it was stored.
        to_head: 4x4 array, from voxels of the head's grid to this scan's.
        origin: the file, for messages.
    """

    contrast: str
    voxels: Voxels
    grid: Grid
    scale: float
    to_head: np.ndarray
    origin: str = ""

    def block(self, box: Box) -> Volume:
        """The part ``box`` of this scan's own grid, ``[1, 1, x, y, z]``."""
        return torch.from_numpy(np.array(self.voxels[box_slices(box)], dtype=np.float32))[None, None]


class ObservedHead(Head):
    """A head given as scans, each on a grid of its own in one world.

    Args:
        name: of the subject and session.
        scans: by contrast.
        grid: of the reference: the scan with the smallest voxels.
        region: on that grid.
        notes: what was inferred, one sentence each.
    """

    def __init__(
        self, name: str, scans: dict[str, ObservedScan], grid: Grid, region: Box, notes: list[str] | None = None
    ) -> None:
        self.name, self.scans, self.grid, self.region, self.notes = name, scans, grid, region, notes or []


def scans_among(files: Iterable[Named]) -> list[Named]:
    """The scans of a contrast that is known, without phases and real or imaginary parts."""
    return [f for f in files if f.suffix in IMAGE_SUFFIXES and is_magnitude(f)]


def contrast_of(file: Named) -> str:
    """What tells a scan from the others of its session: ``T1w``, ``T1w_acq-mprage_run-2``."""
    told = [f"{k}-{v}" for k, v in file.entities.items() if k in ("acq", "ce", "rec", "run", "echo", "part", "inv")]
    return "_".join([file.suffix, *told])


def _derived(file: Named) -> bool:
    """Whether a scan was made of another one: moved into a space, or worked on."""
    return "desc" in file.entities or "space" in file.entities


def without_copies(scans: Iterable[Named]) -> list[Named]:
    """The scans but for those that were made of one of the same session and contrast that is there, too."""
    scans = list(scans)
    plain = {(f.session, contrast_of(f)) for f in scans if not _derived(f)}
    return [f for f in scans if not (_derived(f) and (f.session, contrast_of(f)) in plain)]


def read_scans(files: list[Named]) -> ObservedHead:
    """Read one session's scans. They have to be co-registered: voxels with one world coordinate are one tissue.

    Args:
        files: the session's images; those of no known contrast are passed over.

    Raises:
        InputError: for fewer than two contrasts, two files of one, scans that hardly overlap, no head in a scan.
    """
    name = files[0].session
    chosen: dict[str, Named] = {}
    for file in without_copies(_in_one_space(name, scans_among(files))):
        contrast = contrast_of(file)
        if contrast in chosen:
            other = chosen[contrast].path
            raise InputError(name, f"two scans called {contrast}: {other} and {file.path}", "one", "Move one away.")
        chosen[contrast] = file
    if len(chosen) < 2:
        there = ", ".join(chosen) or "none"
        raise InputError(
            name, f"scans of one contrast at most ({there})", "two or more co-registered scans", "Add another contrast."
        )
    images = {contrast: read_image(f.path, canonical=True) for contrast, f in chosen.items()}
    reference = min(images.values(), key=lambda i: float(np.prod(i.grid.spacing)))
    scans = {contrast: _scan(contrast, image, reference.grid) for contrast, image in images.items()}
    region, note = _region(files, reference)
    return ObservedHead(name, scans, reference.grid, region, [note])


def _in_one_space(name: str, scans: list[Named]) -> list[Named]:
    """The scans in the session's own space, or if these show one contrast at most, those of the one template.

    Raises:
        InputError: if no space has two contrasts, though all together have.
    """
    spaces: dict[str, list[Named]] = {}
    for scan in scans:
        space = scan.entities.get("space", "")
        spaces.setdefault("" if space in NATIVE else space, []).append(scan)
    contrasts = {space: {contrast_of(f) for f in own} for space, own in spaces.items()}
    good = [space for space, seen in sorted(contrasts.items()) if len(seen) > 1]
    if not good and len(set().union(*contrasts.values())) > 1:
        there = ", ".join(sorted(f"{c} in {space or 'its own space'}" for space, own in contrasts.items() for c in own))
        raise InputError(name, f"scans in different spaces: {there}", "two in one space", "Resample them to one.")
    return spaces[good[0]] if good else scans


def read_scan(file: Named) -> ObservedScan:
    """Read one scan by itself, as a head of its own.

    Raises:
        InputError: if it has no signal; see :func:`qontrast.scans.nifti.read_image` for what else is refused.
    """
    image = read_image(file.path, canonical=True)
    return _scan(contrast_of(file), image, image.grid)


def head_mask(data: np.ndarray) -> np.ndarray:
    """The head in a scan ``[x, y, z]`` of any contrast, with the dark parts inside of it, as booleans.

    What is brighter than 12 % of the 98th percentile, opened by two voxels, its largest piece, holes filled slice by
    slice along each axis. Nothing is True where nothing is brighter than the background.
    """
    bright = bright_voxels(data)
    pieces, count = ndimage.label(bright)
    if count == 0:
        return bright
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    head = pieces == sizes.argmax()
    for axis in range(3):
        plane = np.ones((3, 3, 3), bool)
        plane[tuple(slice(None) if a != axis else [0, 2] for a in range(3))] = False
        head = ndimage.binary_fill_holes(head, structure=plane)
    return np.asarray(head)


def bright_voxels(data: np.ndarray) -> np.ndarray:
    """What is brighter than the background in a scan ``[x, y, z]``: above 12 % of its 98th percentile, opened."""
    bright = data > HEAD_SHARE * np.percentile(data, 98)
    return np.asarray(ndimage.binary_opening(bright, iterations=2))


def to_head(scan: Grid, head: Grid) -> np.ndarray:
    """From voxels of the head's grid to the scan's, 4x4."""
    return np.asarray(np.linalg.inv(scan.affine) @ head.affine)


def _scan(contrast: str, image: Image, head: Grid) -> ObservedScan:
    matrix = to_head(image.grid, head)
    shared = _shared(image.grid, head)
    if shared < LEAST_SHARED:
        raise InputError(
            image.path,
            f"a scan of which {shared:.0%} lies in the field of view of the others",
            f"co-registered scans that share at least {LEAST_SHARED:.0%}",
            "Register the session's scans, or give their sforms one world.",
        )
    scale = float(np.percentile(image.data, 99.5))
    if not scale > 0:
        raise InputError(
            image.path, f"no signal (its 99.5th percentile is {scale:g})", "a head", "Is this the right scan?"
        )
    return ObservedScan(contrast, image.data / np.float32(scale), image.grid, scale, matrix, str(image.path))


def _shared(scan: Grid, head: Grid) -> float:
    """Share of a scan's voxels that lie in the head's grid, by a coarse sample of them."""
    axes = [np.linspace(0, n - 1, 12) for n in scan.shape]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    back = np.linalg.inv(to_head(scan, head))
    inside = points @ back[:3, :3].T + back[:3, 3]
    return float(((inside >= -0.5) & (inside <= np.array(head.shape) - 0.5)).all(axis=1).mean())


def _region(files: list[Named], reference: Image) -> tuple[Box, str]:
    """The brain where a mask on the reference's grid says it, else the head."""
    for file in sorted((f for f in files if is_brain_mask(f)), key=lambda f: f.path):
        mask = read_image(file.path, canonical=True)
        if mask.grid.matches(reference.grid):
            box = occupied(torch.from_numpy(mask.data > 0.5))
            if box is not None:
                return box, f"brain box from {file.path.name}"
    box = occupied(torch.from_numpy(bright_voxels(reference.data)))
    if box is None:
        raise InputError(
            reference.path, "nothing brighter than its background", "a head or a brain", "Is this the right scan?"
        )
    return box, f"head box from {reference.path.name}: voxels above {HEAD_SHARE:.0%} of its 98th percentile"
