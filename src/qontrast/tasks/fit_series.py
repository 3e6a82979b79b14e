"""Which images of a subject belong to one fit, and the protocol of each by its sidecar, in SI units."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qontrast.basics.errors import InputError
from qontrast.basics.grid import Grid
from qontrast.physics.feasible import LONGEST_ECHO_TIME
from qontrast.physics.field import FIELD_RANGE
from qontrast.scans.names import Named, is_brain_mask, sidecar
from qontrast.scans.nifti import read_grid
from qontrast.scans.sidecars import inherited

LONGEST_REPETITION = 60.0  # s
MS_HINT = "BIDS states times in seconds"


@dataclass(frozen=True)
class Weighted:
    """One image and its protocol.

    Args:
        image: the file.
        echo_time, repetition_time: s.
        flip_angle: nominal, rad.
        mt: whether there was an MT pulse.
        meta: all that its sidecars say.
    """

    image: Named
    echo_time: float
    repetition_time: float
    flip_angle: float
    mt: bool
    meta: dict[str, Any]


@dataclass(frozen=True)
class Series:
    """The images of one fit, all on one grid.

    Args:
        suffix: BIDS suffix of the images.
        images: sorted by MT pulse, flip angle and echo time.
        grid: theirs.
        field: tesla; None where no sidecar says it.
        b1, mask: images beside them, if any.
    """

    suffix: str
    images: tuple[Weighted, ...]
    grid: Grid
    field: float | None
    b1: Named | None
    mask: Named | None

    @property
    def paths(self) -> list[Path]:
        """The files, with the transmit field."""
        return [w.image.path for w in self.images] + ([self.b1.path] if self.b1 else [])


def read_series(files: list[Named], suffix: str) -> Series:
    """Choose the magnitudes with one suffix and read their protocols; no voxel is read.

    Raises:
        InputError: for a sidecar without a number that the fit needs or with one in milliseconds, images on different
            grids or of several runs, two images with one protocol, or sidecars that state different fields.
    """
    own = [f for f in files if f.suffix == suffix and f.entities.get("part", "mag") == "mag"]
    _one_run(own, suffix)
    needs_flip = suffix in ("MPM", "VFA")
    images = sorted((_weighted(f, needs_flip) for f in own), key=lambda w: (w.mt, w.flip_angle, w.echo_time))
    _all_differ(images)
    return Series(
        suffix,
        tuple(images),
        same_grid([f.path for f in own]),
        one_field([(w.image, w.meta) for w in images]),
        transmit_field(files),
        brain_mask(files),
    )


def transmit_field(files: list[Named]) -> Named | None:
    """The subject's TB1map, if there is one.

    Raises:
        InputError: if there are several.
    """
    found = [f for f in files if f.suffix == "TB1map"]
    if len(found) > 1:
        names = ", ".join(f.path.name for f in found)
        raise InputError(found[0].path.parent, f"{len(found)} TB1maps ({names})", "one", "Move the others away.")
    return found[0] if found else None


def brain_mask(files: list[Named]) -> Named | None:
    """The subject's mask; of several the one without a description."""
    masks = [f for f in files if is_brain_mask(f)]
    return min(masks, key=lambda f: ("desc" in f.entities, str(f.path)), default=None)


def same_grid(paths: list[Path]) -> Grid:
    """The grid that all images share.

    Raises:
        InputError: naming the first that lies on another.
    """
    first = read_grid(paths[0])
    for path in paths[1:]:
        grid = read_grid(path)
        if not grid.matches(first):
            raise InputError(
                path,
                f"a grid of {grid} with another shape or affine than {paths[0].name} ({first})",
                "all images of a fit on one grid",
                "Register and resample them to one of them first.",
            )
    return first


def one_field(images: list[tuple[Named, dict[str, Any]]]) -> float | None:
    """The field strength in tesla that the sidecars agree on; None where none states it.

    Raises:
        InputError: if a statement is impossible, or two differ.
    """
    low, high = FIELD_RANGE
    stated: dict[float, Named] = {}
    for image, meta in images:
        if (value := meta.get("MagneticFieldStrength")) is not None:
            if not _is_number(value) or not low <= value <= high:
                raise InputError(
                    sidecar(image.path),
                    f"MagneticFieldStrength = {value!r}",
                    f"a number from {low} to {high} (tesla)",
                    "Mend the JSON.",
                )
            stated[float(value)] = image
    if len(stated) > 1:
        found = ", ".join(f"{v:g} T in {f.path.name}" for v, f in stated.items())
        raise InputError(images[0][0].path.parent, f"scans at {found}", "one field strength", "Mend the sidecars.")
    return next(iter(stated), None)


def seconds(image: Named, meta: dict[str, Any], names: tuple[str, ...], longest: float) -> float:
    """The first of the fields ``names`` that is there, checked to be a time in seconds.

    Raises:
        InputError: if none is there, or the value is no time in seconds of at most ``longest``.
    """
    name = next((n for n in names if n in meta), None)
    example = f'"{names[0]}": {0.0023 if longest <= 1 else 0.025}'
    if name is None:
        raise missing(image, " or ".join(names), f"for instance {example} ({MS_HINT})")
    value = meta[name]
    if not _is_number(value) or not value > 0:
        raise InputError(sidecar(image.path), f"{name} = {value!r}", "a number of seconds above 0", "Mend the JSON.")
    if value > longest:
        raise InputError(
            sidecar(image.path),
            f"{name} = {value:g}",
            f"at most {longest:g} s",
            f"{MS_HINT}: {value:g} ms is {value / 1000:g}. Mend the JSON.",
        )
    return float(value)


def degrees(image: Named, meta: dict[str, Any]) -> float:
    """FlipAngle in rad.

    Raises:
        InputError: if it is not there, or no number above 0 and at most 180 degrees.
    """
    if "FlipAngle" not in meta:
        raise missing(image, "FlipAngle", 'for instance "FlipAngle": 21 (degrees)')
    value = meta["FlipAngle"]
    if not _is_number(value) or not 0 < value <= 180:
        raise InputError(
            sidecar(image.path), f"FlipAngle = {value!r}", "degrees above 0, at most 180", "Mend the JSON."
        )
    return math.radians(value)


def missing(image: Named, name: str, remedy: str) -> InputError:
    """The refusal of a sidecar that lacks a field."""
    file = sidecar(image.path)
    found = f"no {name}" if file.is_file() else f"no such file, and no {name} in any sidecar above it"
    return InputError(file, found, f"a sidecar that states {name}", f"Add it, {remedy}.")


def _weighted(image: Named, needs_flip: bool) -> Weighted:
    meta = inherited(image)
    echo_time = seconds(image, meta, ("EchoTime",), LONGEST_ECHO_TIME)
    repetition_time, flip_angle = 0.0, 0.0
    if needs_flip:
        flip_angle = degrees(image, meta)
        names = ("RepetitionTimeExcitation", "RepetitionTime")
        repetition_time = seconds(image, meta, names, LONGEST_REPETITION)
        if repetition_time < echo_time:
            raise InputError(
                sidecar(image.path),
                f"a repetition time of {repetition_time:g} s below the echo time of {echo_time:g} s",
                "TR >= TE",
                f"{MS_HINT}. Mend the JSON.",
            )
    return Weighted(image, echo_time, repetition_time, flip_angle, _mt_pulse(image, meta), meta)


def _mt_pulse(image: Named, meta: dict[str, Any]) -> bool:
    named = {"on": True, "off": False}.get(image.entities.get("mt", ""))
    stated = meta.get("MTState", named)
    stated = {"on": True, "off": False}.get(str(stated).lower(), stated) if isinstance(stated, str) else stated
    if named is not None and stated is not named:
        raise InputError(
            sidecar(image.path),
            f"MTState = {meta['MTState']!r} of a file named mt-{image.entities['mt']}",
            "the same in both",
            "Mend the JSON or the name.",
        )
    return bool(stated)


def _one_run(images: list[Named], suffix: str) -> None:
    for entity in ("acq", "run", "rec"):
        values = sorted({f.entities.get(entity, "none") for f in images})
        if len(values) > 1:
            raise InputError(
                images[0].path.parent,
                f"{suffix} images of several {entity}: {', '.join(values)}",
                "one",
                f"Name a folder that holds the images of one {entity}.",
            )


def _all_differ(images: list[Weighted]) -> None:
    seen: dict[tuple[object, ...], Weighted] = {}
    for w in images:
        key = (w.mt, round(w.flip_angle, 6), round(w.repetition_time, 9), round(w.echo_time, 9))
        if (other := seen.get(key)) is not None:
            raise InputError(
                w.image.path,
                f"the protocol of {other.image.path.name} again (TE {w.echo_time:g} s)",
                "every image with its own echo time, flip angle, repetition time or MT pulse",
                "Mend EchoTime, FlipAngle or MTState in the sidecars.",
            )
        seen[key] = w


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
