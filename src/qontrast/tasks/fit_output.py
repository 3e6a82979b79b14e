"""Fitted maps as BIDS derivatives: each map and its standard error, with sidecars that say how they came about."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import qontrast
from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import InputError
from qontrast.basics.grid import Grid
from qontrast.fits.methods import Maps
from qontrast.scans.names import Named, sidecar, whole_path
from qontrast.scans.nifti import write_image

UNITS = {
    "R1map": "1/s",
    "R2starmap": "1/s",
    "T1map": "s",
    "T2map": "s",
    "T2starmap": "s",
    "MTsat": "p.u.",
    "PDmap": "arbitrary",
}
ERROR_SUFFIX = "stderror"
"""No suffix of a tissue map: whoever reads the folder as a subject passes the errors over."""


@dataclass(frozen=True)
class Place:
    """Where one subject's maps go.

    Args:
        out: the derivatives' folder.
        subject: one of the subject's images, whose name says subject and session.
        source: the folder that was read.
    """

    out: Path
    subject: Named
    source: Path

    @property
    def folder(self) -> Path:
        """``sub-01/anat`` or ``sub-01/ses-2/anat``."""
        base = self.out / self.subject.subject
        return (base / f"ses-{self.subject.visit}" if self.subject.visit else base) / "anat"

    def map(self, suffix: str) -> Path:
        """The file of a map."""
        return self.folder / f"{self.subject.session}_{suffix}.nii.gz"

    def error(self, suffix: str) -> Path:
        """The file of its standard error."""
        return self.folder / f"{self.subject.session}_desc-{suffix}_{ERROR_SUFFIX}.nii.gz"

    def mask(self) -> Path:
        """The file of the mask that was fitted."""
        return self.folder / f"{self.subject.session}_mask.nii.gz"

    def uri(self, path: Path) -> str:
        """A source as a BIDS URI in the raw data set, by its name there: folders may be links to elsewhere."""
        return f"bids:raw:{whole_path(path).relative_to(dataset_root(self.source))}"


def dataset_root(source: Path) -> Path:
    """The raw data set: the folder above the first ``sub-`` in the path, else what was named."""
    whole = whole_path(source)
    folder = whole.parent if whole.is_file() else whole
    subject = next((p for p in reversed((folder, *folder.parents)) if p.name.startswith("sub-")), None)
    return subject.parent if subject is not None else folder


def refuse_present(place: Place, suffixes: list[str]) -> None:
    """Refuse to replace maps that are there, before anything is computed.

    Raises:
        InputError: naming the first such map.
    """
    for suffix in suffixes:
        if place.map(suffix).exists():
            raise InputError(place.map(suffix), "a map that is already there", "a new place", "Use --overwrite.")


def write_description(out: Path, source: Path) -> None:
    """``dataset_description.json`` of the derivatives.

    Raises:
        WriteError: if the folder cannot be written.
    """
    about = {
        "Name": "Quantitative maps",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [_generator()],
        "DatasetLinks": {"raw": dataset_root(source).resolve().as_uri()},
    }
    write_atomic(out / "dataset_description.json", json.dumps(about, indent=2) + "\n")


def write_maps(
    place: Place, maps: Maps, inside: np.ndarray, grid: Grid, like: Path, about: dict[str, Any]
) -> list[Path]:
    """Write every map, its error and the mask, each with a sidecar.

    Args:
        place: where.
        maps: of the voxels inside.
        inside: which those are, booleans ``[x, y, z]``.
        grid: of the images.
        like: an image whose header says how the affine is stored.
        about: what the sidecars of all maps say.

    Returns:
        The maps' files.

    Raises:
        WriteError: if the disk is full or the folder cannot be written.
    """
    written = []
    for suffix, values in maps.values.items():
        scale = 100.0 if UNITS[suffix] == "p.u." else 1.0
        unit = {"Units": UNITS[suffix]}
        error = {"Description": f"Standard error of {place.map(suffix).name}"}
        _write(place.map(suffix), _volume(values * scale, inside), grid, like, {**unit, **about})
        _write(
            place.error(suffix), _volume(maps.errors[suffix] * scale, inside), grid, like, {**unit, **error, **about}
        )
        written.append(place.map(suffix))
    _write(place.mask(), inside.astype(np.uint8), grid, like, {"Type": "Brain", "GeneratedBy": [_generator()]})
    return written


def _write(path: Path, data: np.ndarray, grid: Grid, like: Path, about: dict[str, Any]) -> None:
    write_image(path, data, grid, like=like)
    write_atomic(sidecar(path), json.dumps(about, indent=2) + "\n")


def _volume(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    volume = np.zeros(inside.shape, dtype=np.float32)
    volume[inside] = values
    return volume


def _generator() -> dict[str, str]:
    return {"Name": "qontrast", "Version": qontrast.__version__}


def provenance(
    place: Place, paths: list[Path], field: float | None, method: str, references: tuple[str, ...]
) -> dict[str, Any]:
    """What the sidecar of every map of a fit says."""
    said = {
        "MagneticFieldStrength": field,
        "Sources": [place.uri(p) for p in paths],
        "EstimationAlgorithm": method,
        "EstimationReference": ", ".join(references),
        "GeneratedBy": [_generator()],
    }
    return {k: v for k, v in said.items() if v is not None}
