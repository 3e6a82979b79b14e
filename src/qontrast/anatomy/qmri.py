"""Measured quantitative maps: BIDS-qMRI files or the hMRI toolbox's output, in one subject's folder."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from qontrast.anatomy.measured import MeasuredTissue
from qontrast.anatomy.observed import Voxels
from qontrast.anatomy.pathology import PathologyRanges
from qontrast.anatomy.subject import Subject, Tissue
from qontrast.anatomy.units import to_si
from qontrast.basics.errors import InputError, MissingMapError
from qontrast.basics.grid import Grid
from qontrast.basics.shapes import Box
from qontrast.geometry.sample import box_slices, occupied
from qontrast.physics.catalogue import SEQUENCES, possible
from qontrast.physics.field import FIELD_RANGE, estimate_r2
from qontrast.physics.tissue import TissueMaps, spoken
from qontrast.scans.names import Named, is_brain_mask, sidecar
from qontrast.scans.nifti import Image, read_image
from qontrast.scans.sidecars import inherited

TARGETS = {
    "PDmap": "pd",
    "R1map": "r1",
    "T1map": "r1",
    "R2map": "r2",
    "T2map": "r2",
    "R2starmap": "r2star",
    "T2starmap": "r2star",
    "MTsat": "mt",
    "TB1map": "b1_transmit",
    "RB1map": "b1_receive",
}
SUFFIXES = tuple(TARGETS)
ASSUMED_FIELD = 3.0  # tesla
CEILINGS = {"pd": 1.6, "r1": 20.0, "r2": 500.0, "r2star": 500.0, "mt": 0.3, "b1_transmit": 3.0, "b1_receive": 20.0}
"""Beyond these a voxel is a failed fit, not tissue: it is clamped, and the number of such voxels is said."""
SLOWEST_DECAY = 0.3  # 1/s, R2 of pure water at body temperature: no tissue decays more slowly


class QuantitativeSubject(Subject):
    """A head given as measured maps on one grid.

    Args:
        name: of the subject.
        tissue: the maps, ``[1, 1, x, y, z]``.
        grid: on which they lie.
        brain: where there is tissue, ``[x, y, z]``.
        notes: what was inferred or estimated, one sentence each.
    """

    def __init__(self, name: str, tissue: TissueMaps, grid: Grid, brain: np.ndarray, notes: list[str]) -> None:
        self.name, self.tissue, self.grid, self.brain, self.notes = name, tissue, grid, brain, notes
        box = occupied(torch.from_numpy(brain))
        assert box is not None, "an empty brain is refused while reading"
        self.region = box

    def draw(self, generator: torch.Generator | None, pathology: PathologyRanges | None = None) -> Tissue:
        """The maps themselves: what was measured has nothing to draw."""
        present = self.tissue.present()
        return MeasuredTissue(
            tuple(present), lambda name, box: present[name][(..., *box_slices(box))], self.tissue.field_strength
        )


class StoredMaps(Subject):
    """A head whose maps lie on disk: a crop reads what it needs.

    Args:
        name: of the subject.
        stored: voxels of each map, by its name in ``TissueMaps``.
        grid: on which they lie.
        region: the brain's box.
        field_strength: at which the rates hold, tesla.
        notes: what was inferred or estimated when they were prepared.
    """

    def __init__(
        self,
        name: str,
        stored: Mapping[str, Voxels],
        grid: Grid,
        region: Box,
        field_strength: float,
        notes: list[str],
    ) -> None:
        self.name, self.stored, self.grid, self.region, self.notes = name, dict(stored), grid, region, notes
        self.field_strength = field_strength

    def draw(self, generator: torch.Generator | None, pathology: PathologyRanges | None = None) -> Tissue:
        """The maps themselves: what was measured has nothing to draw."""
        return MeasuredTissue(tuple(self.stored), self._part, self.field_strength)

    def _part(self, name: str, box: Box) -> torch.Tensor:
        return torch.from_numpy(np.asarray(self.stored[name][box_slices(box)]))[None, None]

    @cached_property
    def maps(self) -> tuple[str, ...]:
        """Names of the maps that there are; nothing is read."""
        return tuple(self.stored)

    @cached_property
    def sequences(self) -> list[str]:
        """Names of the sequences that the maps suffice for."""
        one = torch.ones(1, 1, 1, 1, 1)
        return possible(TissueMaps(**dict.fromkeys(self.stored, one)))  # type: ignore[arg-type]


def read_maps(files: list[Named], *, canonical: bool = True) -> QuantitativeSubject:
    """Read one subject's maps.

    Args:
        files: the subject's images; those that are no maps are passed over.
        canonical: reorder the axes to right, anterior, superior; False keeps the files' own order.

    Raises:
        InputError: for maps on different grids, two files of one map, units that fit nothing, an empty brain.
        MissingMapError: without PD or R1, saying what there is.
    """
    name = files[0].session
    chosen = _one_file_per_map(files, name)
    images = {target: read_image(f.path, canonical=canonical) for target, f in chosen.items()}
    _same_grid(images)
    first = next(iter(images.values()))
    brain = _brain(files, images, canonical)
    notes: list[str] = []
    maps: dict[str, torch.Tensor] = {}
    fields: set[float] = set()
    for target, image in images.items():
        meta = inherited(chosen[target])
        data, note = to_si(image.data, chosen[target].suffix, brain, _units(meta, image.path), str(image.path))
        notes.append(f"{image.path.name}: {note}")
        if "MagneticFieldStrength" in meta:
            fields.add(_field(meta["MagneticFieldStrength"], image.path))
        maps[target] = torch.from_numpy(_within(data, target, brain, image.path.name, notes))[None, None]
    if len(fields) > 1:
        raise InputError(name, f"maps measured at {sorted(fields)} T", "one field strength", "Mend the sidecars.")
    if not fields:
        notes.append(f"MagneticFieldStrength is in no sidecar: the maps are taken to hold at {ASSUMED_FIELD:g} T")
    field = fields.pop() if fields else ASSUMED_FIELD
    _without_impossible_rates(maps, notes)
    if "r2" not in maps and "r2star" in maps:
        maps["r2"] = estimate_r2(maps["r2star"])
        notes.append("R2 is absent: estimated as 0.7 of R2*")
    tissue = TissueMaps(**maps, field_strength=field)
    notes += _said_of_absent(tissue)
    return QuantitativeSubject(name, tissue, first.grid, brain, notes)


def _one_file_per_map(files: list[Named], name: str) -> dict[str, Named]:
    chosen: dict[str, Named] = {}
    for file in files:
        target = TARGETS.get(file.suffix)
        if target is None:
            continue
        if target in chosen:
            other = chosen[target]
            # A rate is preferred to the time that is its inverse; two of the same kind cannot be told apart.
            if other.suffix == file.suffix:
                raise InputError(
                    name, f"two {file.suffix} files: {other.path} and {file.path}", "one", "Move one away."
                )
            if file.suffix.startswith("T"):
                continue
        chosen[target] = file
    missing = [t for t in ("pd", "r1") if t not in chosen]
    if missing:
        there = spoken(chosen) or "none"
        raise MissingMapError(
            name,
            f"no map of {spoken(missing)} (present: {there})",
            "PD and R1 (or T1) at least",
            "Add the missing map.",
        )
    return chosen


def _same_grid(images: dict[str, Image]) -> None:
    first = next(iter(images.values()))
    for image in images.values():
        if not image.grid.matches(first.grid):
            raise InputError(
                image.path,
                f"a grid of {image.grid} with another shape or affine than {first.path.name} ({first.grid})",
                "all maps of a subject on one grid",
                "Resample the maps to one of them first.",
            )


def _brain(files: list[Named], images: dict[str, Image], canonical: bool) -> np.ndarray:
    """Where the medians are taken: the mask if there is one, else where PD and R1 are positive."""
    first = images["pd"]
    masks = [f for f in files if is_brain_mask(f)]
    # Of several masks the one without a description is the brain's.
    masks.sort(key=lambda f: ("desc" in f.entities, str(f.path)))
    if masks:
        mask = read_image(masks[0].path, canonical=canonical)
        if not mask.grid.matches(first.grid):
            raise InputError(mask.path, f"a grid of {mask.grid}", f"the maps' grid, {first.grid}", "Resample the mask.")
        brain, where = mask.data > 0.5, str(mask.path)
    else:
        brain, where = (first.data > 0) & (images["r1"].data > 0), str(first.path)
    if not brain.any():
        raise InputError(where, "no voxel above 0", "a brain", "The mask or the maps are empty: check the file.")
    return brain


def _said_of_absent(tissue: TissueMaps) -> list[str]:
    """What cannot be simulated for want of a map, and what still can, one sentence a map."""
    still = possible(tissue)
    lost = [name for name in SEQUENCES if name not in still and name != "mt"]
    rest = f"still possible: {', '.join(still)}"
    notes = []
    if lost:
        # With R2* there is always an R2, if an estimated one: what is lost is lost for want of R2*.
        notes.append(f"R2* is absent: {', '.join(lost)} cannot be simulated; {rest}")
    if tissue.mt is None and "spgr" in still:
        notes.append(f"MTsat is absent: SPGR without its MT pulse only, and no mt; {rest}")
    return notes


def _within(data: np.ndarray, target: str, brain: np.ndarray, name: str, notes: list[str]) -> np.ndarray:
    """Clamp failed fits: below zero there is no tissue parameter, above the ceiling no tissue."""
    ceiling = CEILINGS.get(target, np.inf)
    wrong = int(np.count_nonzero(((data < 0) | (data > ceiling)) & brain))
    if wrong:
        notes.append(f"{name}: {wrong} of {int(brain.sum())} brain voxels outside 0 to {ceiling:g} were clamped")
    return np.clip(data, 0.0, ceiling).astype(np.float32)


def _without_impossible_rates(maps: dict[str, torch.Tensor], notes: list[str]) -> None:
    """Where a fit of R1 failed there is no tissue to simulate; a transverse rate of 0 becomes that of pure water."""
    failed = (maps["r1"] <= 0) & (maps["pd"] > 0)
    if bool(failed.any()):
        maps["pd"] = torch.where(failed, 0.0, maps["pd"])
        notes.append(f"R1 is 0 in {int(failed.sum())} voxels with PD: PD was set to 0 there")
    for name in ("r2", "r2star"):
        if name in maps:
            maps[name] = maps[name].clamp(min=SLOWEST_DECAY)


def _units(meta: dict[str, object], path: Path) -> str | None:
    stated = meta.get("Units")
    if stated is None or isinstance(stated, str):
        return stated
    raise InputError(sidecar(path), f"Units = {stated!r}", 'a text such as "s"', "Mend Units in the JSON.")


def _field(stated: object, path: Path) -> float:
    low, high = FIELD_RANGE
    if isinstance(stated, int | float) and low <= stated <= high:
        return float(stated)
    raise InputError(
        sidecar(path), f"MagneticFieldStrength = {stated!r}", f"a number from {low} to {high} (tesla)", "Mend the JSON."
    )
