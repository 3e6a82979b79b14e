"""Fitting: a subject's raw echoes, flip angles or inversions to quantitative maps with their standard errors."""

from pathlib import Path

import numpy as np

from qontrast.basics.errors import InputError
from qontrast.fits.methods import estimate_noise
from qontrast.scans.names import Named, find_images
from qontrast.scans.nifti import read_image
from qontrast.tasks.fit_choice import EQUATIONS, choose
from qontrast.tasks.fit_inversions import fit_inversions
from qontrast.tasks.fit_output import Place, provenance, refuse_present, write_description, write_maps
from qontrast.tasks.fit_series import Series, Weighted, read_series
from qontrast.tasks.fit_voxels import foreground, in_chunks, transmit
from qontrast.tasks.speaking import say, track

KINDS = ("MPM", "VFA", "MP2RAGE", "UNIT1", "MESE", "MEGRE")
GIVES = {
    "MPM": ["R1map", "R2starmap", "PDmap", "MTsat"],
    "VFA": ["T1map", "PDmap"],
    "MP2RAGE": ["T1map"],
    "UNIT1": ["T1map"],
    "MESE": ["T2map"],
    "MEGRE": ["T2starmap"],
}
NOISE_VOXELS = 20_000


def fit(
    source: Path,
    out: Path,
    *,
    series: str | None = None,
    sigma: float | None = None,
    spoiling: str = "auto",
    overwrite: bool = False,
    quiet: bool = False,
) -> list[Path]:
    """Write the quantitative maps of every subject in ``source`` as BIDS derivatives.

    Args:
        source: a BIDS folder or a subject's, with images of suffix MPM, VFA, MP2RAGE (or UNIT1), MESE or MEGRE.
        out: the derivatives' folder.
        series: only images of this suffix; None for all that there are.
        sigma: standard deviation of the noise in the images' units; None to estimate it from the residuals.
        spoiling: ``auto`` corrects R1 for imperfect spoiling where a correction was published for the protocol,
            ``published`` insists on one, ``ideal`` leaves it.
        overwrite: replace maps that are already there.
        quiet: print nothing.

    Returns:
        The maps' files.

    Raises:
        InputError: for images or sidecars that cannot be used, or maps that are already there.
        WriteError: if a map cannot be written.
    """
    source, out = Path(source), Path(out)
    if sigma is not None and not (np.isfinite(sigma) and sigma > 0):
        raise InputError("--sigma", f"{sigma:g}", "a noise level above 0, in the images' units")
    sessions: dict[str, list[Named]] = {}
    for file in find_images(source):
        # Maps that an earlier fit wrote inside the data set are no raw data.
        if out.resolve() in file.path.resolve().parents:
            continue
        sessions.setdefault(file.session, []).append(file)
    plan = {name: kinds for name, files in sessions.items() if (kinds := _kinds(files, series, name))}
    if not plan:
        wanted = f"images named _{series}" if series else f"images named {', '.join('_' + k for k in KINDS)}"
        raise InputError(source, "no images to fit", wanted, "Name them by BIDS, with a JSON sidecar each.")
    for name, kinds in plan.items():
        if not overwrite:
            refuse_present(Place(out, sessions[name][0], source), [s for k in kinds for s in GIVES[k]])
    written = []
    for name, kinds in plan.items():
        place = Place(out, next(f for f in sessions[name] if f.suffix in kinds), source)
        for kind in kinds:
            if kind in ("MP2RAGE", "UNIT1"):
                written += fit_inversions(sessions[name], kind, place, sigma=sigma, quiet=quiet)
            else:
                written += _fit_one(read_series(sessions[name], kind), place, sigma, spoiling, quiet)
    write_description(out, source)
    return written


def _kinds(files: list[Named], series: str | None, name: str) -> list[str]:
    """The kinds of images to fit; MP2RAGE and its UNI are one."""
    there = [k for k in KINDS if any(f.suffix == k for f in files) and series in (None, k)]
    if "UNIT1" in there and "MP2RAGE" in there:
        there.remove("UNIT1" if _has_phase(files) else "MP2RAGE")
    for suffix in ("T1map", "PDmap"):
        both = [k for k in there if suffix in GIVES[k]]
        if len(both) > 1:
            raise InputError(name, f"{' and '.join(both)} images, which both give a {suffix}", "one", "Use --series.")
    return there


def _has_phase(files: list[Named]) -> bool:
    return any(f.suffix == "MP2RAGE" and f.entities.get("part") == "phase" for f in files)


def _fit_one(series: Series, place: Place, sigma: float | None, spoiling: str, quiet: bool) -> list[Path]:
    notes: list[str] = []
    method, images = choose(series, spoiling, notes)
    if sigma is None and len(images) <= method.parameters:
        raise InputError(
            images[0].image.path.parent,
            f"{len(images)} images for {method.parameters} parameters, which leave no residuals",
            "a noise level",
            "Give --sigma, the standard deviation of the noise in the images' units.",
        )
    inside = foreground(series.mask, images[0].image, series.grid, notes)
    b1 = transmit(series.b1, inside, series.grid, notes, matters=series.suffix in ("MPM", "VFA"))
    data = _gather(images, inside, quiet)
    if sigma is None:
        some = np.unique(np.linspace(0, len(b1) - 1, min(len(b1), NOISE_VOXELS)).astype(int))
        sigma = estimate_noise(method, data[:, some].T.astype(np.float64), b1[some])
        notes.append(f"noise of standard deviation {sigma:.4g}, estimated from the residuals")
    maps, unsettled = in_chunks(method, data, sigma, b1, quiet=quiet)
    lost = int(np.count_nonzero(~maps.valid))
    if lost or unsettled:
        notes.append(
            f"{lost} of {len(b1)} voxels have signals that the model cannot reach and are 0; {unsettled} did not settle"
        )
    for note in notes:
        say(f"{place.subject.session}, {series.suffix}: {note}", quiet=quiet)
    text, references = EQUATIONS[series.suffix]
    about = provenance(place, series.paths, series.field, text, references)
    about |= {"NoiseStandardDeviation": sigma, "Notes": notes}
    files = write_maps(place, maps, inside, series.grid, images[0].image.path, about)
    say(f"{place.folder}: {', '.join(maps.values)} of {len(b1)} voxels, each with its standard error", quiet=quiet)
    return files


def _gather(images: tuple[Weighted, ...], inside: np.ndarray, quiet: bool) -> np.ndarray:
    """The voxels inside, ``[measurement, voxel]`` in single precision: one image is held at a time."""
    data = np.empty((len(images), int(inside.sum())), dtype=np.float32)
    for row, w in zip(data, track(images, "reading", quiet=quiet), strict=True):
        voxels = read_image(w.image.path).data[inside]
        if voxels.min() < 0:
            raise InputError(
                w.image.path,
                f"a value of {voxels.min():g} inside the mask",
                "magnitudes of 0 or more",
                "Is it a phase?",
            )
        row[:] = voxels
    return data
