"""T1 from MP2RAGE: the UNI image, or the two complex inversions that make it."""

from pathlib import Path
from typing import Any

import numpy as np

from qontrast.basics.errors import InputError, ProtocolError
from qontrast.fits.methods import Maps
from qontrast.fits.mp2rage import t1_of_uni, uni_of_parts
from qontrast.fits.noise import difference_noise
from qontrast.physics.feasible import LONGEST_ECHO_TIME
from qontrast.physics.inversion_trains import MP2RAGE
from qontrast.scans.names import Named, sidecar
from qontrast.scans.nifti import read_image
from qontrast.scans.sidecars import inherited
from qontrast.tasks import fit_series
from qontrast.tasks.fit_output import Place, provenance, write_maps
from qontrast.tasks.fit_voxels import foreground, transmit
from qontrast.tasks.speaking import say

METHOD = ("Lookup table of UNI", ("doi:10.1016/j.neuroimage.2009.10.002",))
LARGEST_UNI = 4095.0  # of twelve bits
TURN = 4096.0


def fit_inversions(files: list[Named], kind: str, place: Place, *, sigma: float | None, quiet: bool) -> list[Path]:
    """Write the T1map of one subject.

    Args:
        files: the subject's images.
        kind: ``UNIT1``, or ``MP2RAGE`` for inversions with magnitude and phase.
        place: where the map goes.
        sigma: of the noise in real and imaginary part of the inversions, or of UNI (-0.5 to 0.5); None to estimate it.
        quiet: print nothing.

    Raises:
        InputError: for absent parts, sidecars that lack a number, or a UNI of unknown scale.
        ProtocolError: for a protocol that no scanner could run.
    """
    notes: list[str] = []
    used = _uni_files(files) if kind == "UNIT1" else _part_files(files)
    grid = fit_series.same_grid([f.path for f in used])
    metas = [inherited(f) for f in used]
    sequence = protocol(used, metas)
    mask, field = fit_series.brain_mask(files), fit_series.transmit_field(files)
    # Air has a UNI too: brightness is told by the second inversion, where there is one.
    bright = next(
        (f for f in files if f.suffix == "MP2RAGE" and f.entities.get("inv") == "2" and _magnitude(f)), used[0]
    )
    inside = foreground(mask, bright, grid, notes)
    b1 = transmit(field, inside, grid, notes) if field else None
    uni, error = _from_uni(used[0], inside, sigma) if kind == "UNIT1" else _from_parts(used, inside, sigma)
    t1, t1_error, valid = t1_of_uni(sequence, uni[inside], error[inside], b1)
    lost = int(np.count_nonzero(~valid))
    if lost:
        notes.append(f"{lost} of {len(valid)} voxels have a UNI outside the lookup table and are 0")
    for note in notes:
        say(f"{place.subject.session}, {kind}: {note}", quiet=quiet)
    strength = fit_series.one_field(list(zip(used, metas, strict=True)))
    about = provenance(place, [f.path for f in used] + ([field.path] if field else []), strength, *METHOD)
    about |= {"InversionEfficiency": sequence.inversion_efficiency, "Notes": notes}
    maps = Maps({"T1map": t1}, {"T1map": t1_error}, valid)
    return write_maps(place, maps, inside, grid, used[0].path, about)


def protocol(images: list[Named], metas: list[dict[str, Any]]) -> MP2RAGE:
    """The sequence that the sidecars state.

    RepetitionTimePreparation (else RepetitionTime) is the time between inversions, RepetitionTimeExcitation the echo
    spacing, NumberShots the excitations of a train; InversionTime and FlipAngle are two numbers in the sidecar of UNI,
    or one in that of each inversion.

    Raises:
        InputError: if one is absent or impossible.
        ProtocolError: if they do not fit together.
    """
    first, meta = images[0], metas[0]
    long = fit_series.LONGEST_REPETITION
    inversions = _pair(images, metas, "InversionTime", "for instance 0.7 and 2.5 (s)", long)
    angles = _pair(images, metas, "FlipAngle", "for instance 4 and 5 (degrees)", 180.0)
    shots = meta.get("NumberShots", meta.get("NumberOfShots"))
    count = float(np.sum(shots)) if isinstance(shots, int | float | list) else 0.0
    if not count > 0:
        raise fit_series.missing(first, "NumberShots", "the number of excitations in each readout train")
    try:
        return MP2RAGE(
            echo_time=fit_series.seconds(first, meta, ("EchoTime",), LONGEST_ECHO_TIME),
            repetition_time=fit_series.seconds(first, meta, ("RepetitionTimePreparation", "RepetitionTime"), long),
            inversion_times=inversions,
            flip_angles=(float(np.deg2rad(angles[0])), float(np.deg2rad(angles[1]))),
            echo_spacing=fit_series.seconds(first, meta, ("RepetitionTimeExcitation",), LONGEST_ECHO_TIME),
            excitations=count,
            inversion_efficiency=float(meta.get("InversionEfficiency", 0.96)),
        )
    except ProtocolError as error:
        raise ProtocolError(sidecar(first.path), error.found, error.wanted, error.remedy) from error


def _pair(images: list[Named], metas: list[dict[str, Any]], name: str, remedy: str, most: float) -> tuple[float, float]:
    stated = metas[0].get(name)
    # Each inversion states its own; the second begins halfway through the parts.
    numbers = stated if isinstance(stated, list) else [m.get(name) for m in (metas[0], metas[len(metas) // 2])]
    if len(numbers) != 2 or (len(images) == 1 and not isinstance(stated, list)) or None in numbers:
        raise fit_series.missing(images[0], f"two values of {name}", remedy)
    if not all(isinstance(n, int | float) and 0 < n <= most for n in numbers):
        raise InputError(
            sidecar(images[0].path),
            f"{name} = {numbers}",
            f"two numbers above 0, at most {most:g}",
            f"{fit_series.MS_HINT} and angles in degrees. Mend the JSON.",
        )
    return float(numbers[0] or 0.0), float(numbers[1] or 0.0)


def _magnitude(file: Named) -> bool:
    return file.entities.get("part", "mag") == "mag"


def _uni_files(files: list[Named]) -> list[Named]:
    found = [f for f in files if f.suffix == "UNIT1"]
    if len(found) > 1:
        names = ", ".join(f.path.name for f in found)
        raise InputError(found[0].path.parent, f"{len(found)} UNIT1 images ({names})", "one", "Move the others away.")
    return found


def _part_files(files: list[Named]) -> list[Named]:
    """Magnitude and phase of the first inversion, then of the second."""
    own = [f for f in files if f.suffix == "MP2RAGE"]
    chosen = []
    for inversion in ("1", "2"):
        for part in ("mag", "phase"):
            found = [f for f in own if f.entities.get("inv") == inversion and f.entities.get("part", "mag") == part]
            if len(found) != 1:
                raise InputError(
                    own[0].path.parent,
                    f"{len(found)} images of inv-{inversion} with part-{part}",
                    "one: the sign of UNI lies in the phases",
                    "Add the missing part, or the UNI image that the scanner made, named _UNIT1.",
                )
            chosen += found
    return chosen


def _from_uni(file: Named, inside: np.ndarray, sigma: float | None) -> tuple[np.ndarray, np.ndarray]:
    data = read_image(file.path).data.astype(np.float64)
    low, high = float(data.min()), float(data.max())
    if high > 1.0 and low >= 0 and high <= LARGEST_UNI + 1:
        data = data / LARGEST_UNI - 0.5
    elif not (low >= -0.5001 and high <= 0.5001 and low < 0):
        wanted = "-0.5 to 0.5, or 0 to 4095"
        raise InputError(file.path, f"values from {low:g} to {high:g}", wanted, "Rescale it; is it the UNI image?")
    noise = difference_noise(data, inside) if sigma is None else sigma
    return data, np.full(data.shape, noise)


def _from_parts(files: list[Named], inside: np.ndarray, sigma: float | None) -> tuple[np.ndarray, np.ndarray]:
    images = [read_image(f.path).data.astype(np.float64) for f in files]
    phases = [_radians(image, file.path) for image, file in zip(images[1::2], files[1::2], strict=True)]
    one, two = (mag * np.exp(1j * phase) for mag, phase in zip(images[::2], phases, strict=True))
    # The common phase, which changes over the head, cancels in the product; the noise is that of the second magnitude.
    noise = difference_noise(np.abs(two), inside) if sigma is None else sigma
    return uni_of_parts(one, two, noise)


def _radians(phase: np.ndarray, path: Path) -> np.ndarray:
    """Phase in rad, from rad or from the twelve bits in which scanners store a turn, with or without sign.

    Raises:
        InputError: for any other scale.
    """
    largest = float(np.abs(phase).max())
    if largest <= 2 * np.pi + 0.01:
        return phase
    if not 0.95 * TURN <= largest <= TURN:
        found = f"phases from {phase.min():g} to {phase.max():g}"
        raise InputError(path, found, "radians, 0 to 4095 or -4096 to 4096", "Convert the phase to radians.")
    return phase * (np.pi / TURN if phase.min() < 0 else 2 * np.pi / TURN)
