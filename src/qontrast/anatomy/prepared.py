"""A head in a cache: its voxels in chunks, all that is computed once per head, and where each number came from.

A folder for each head holds ``head.json`` and one ``.b2nd`` file for each map, label map, scan or sketch. Maps and
scans are kept in half precision (relative error below 0.05 %), labels and sketches exactly.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from qontrast.anatomy.label_table import LabelTable
from qontrast.anatomy.labelled import LabelSubject
from qontrast.anatomy.observed import ObservedHead, ObservedScan, to_head
from qontrast.anatomy.priors import Prior
from qontrast.anatomy.qmri import QuantitativeSubject, StoredMaps
from qontrast.anatomy.sketches import sketches_of, stored_sketches
from qontrast.anatomy.subject import Head, Subject
from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import InputError
from qontrast.basics.grid import Grid
from qontrast.basics.shapes import Box
from qontrast.geometry.sample import box_slices, whole
from qontrast.scans.chunks import ENDING, Chunks, write_chunks
from qontrast.scans.signed import REMEDY, read_signed, signed

FORMAT = 1
MANIFEST, SETTINGS, INDEX, HEADS, HEAD = "manifest.json", "settings.json", "index.json", "heads", "head.json"
PERCENTILES = (0.5, 1.0, 25.0, 50.0, 75.0, 99.0, 99.5)
LARGEST_HALF = 65504.0


def write_head(head: Head, folder: Path, origin: dict[str, Any]) -> dict[str, Any]:
    """Write a head into an existing, empty folder; the same head always gives the same bytes.

    Args:
        head: what to write.
        folder: where.
        origin: what else ``head.json`` has to say: sources, the library's version.

    Returns:
        What ``head.json`` holds, but for the digests' own.
    """
    facts: dict[str, Any] = {"format": FORMAT, "name": head.name, "region": head.region}
    facts["grid"] = _grid_facts(head.grid)
    arrays: dict[str, np.ndarray] = {}
    if isinstance(head, QuantitativeSubject):
        tissue = head.draw(None).block(whole(head.grid.shape))
        facts |= {"kind": "maps", "field_strength": tissue.field_strength, "notes": head.notes}
        arrays["mask"] = head.brain.astype(np.uint8)
        maps = {name: values[0, 0].numpy() for name, values in tissue.present().items()}
        facts["maps"] = {name: _statistics(values, head.brain) for name, values in maps.items()}
        arrays |= {n: values.clip(-LARGEST_HALF, LARGEST_HALF).astype(np.float16) for n, values in maps.items()}
    elif isinstance(head, LabelSubject):
        facts |= {"kind": "labels", "notes": [], "table": _table_facts(head)}
        arrays["labels"] = np.asarray(head.dense[box_slices(whole(head.grid.shape))])
        sketches, facts["sketches"] = sketches_of(head)
        arrays |= sketches
    elif isinstance(head, ObservedHead):
        facts |= {"kind": "scans", "notes": head.notes, "scans": {}}
        for contrast, scan in head.scans.items():
            values = np.asarray(scan.voxels[tuple(slice(0, n) for n in scan.grid.shape)])
            inside = values > 0
            told = {"scale": scan.scale, "grid": _grid_facts(scan.grid), **_statistics(values * scan.scale, inside)}
            facts["scans"][contrast] = told
            arrays[contrast] = values.clip(-LARGEST_HALF, LARGEST_HALF).astype(np.float16)
    else:
        raise TypeError(f"{type(head).__name__} cannot be written")
    files = {}
    for name, array in sorted(arrays.items()):
        path = folder / f"{name}{ENDING}"
        write_chunks(path, array)
        files[name] = {"shape": array.shape, "dtype": str(array.dtype), **fingerprint(path)}
    facts["files"] = files
    facts |= origin
    write_atomic(folder / HEAD, signed(facts))
    return facts


def fingerprint(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
    return {"size": path.stat().st_size, "sha256": digest.hexdigest()}


def open_head(folder: Path) -> Subject | ObservedHead:
    """Open a prepared head: nothing but ``head.json`` is read until voxels are asked for.

    Raises:
        InputError: if the folder or a file is missing, cut short, or of another version.
    """
    facts = read_facts(folder)
    grid = _grid(facts["grid"])
    name, region = facts["name"], _box(facts["region"])
    chunks = {
        n: Chunks(folder / f"{n}{ENDING}", tuple(f["shape"]), f["dtype"], f["sha256"])
        for n, f in facts["files"].items()
    }
    for part, told in facts["files"].items():
        path = chunks[part].path
        size = path.stat().st_size if path.is_file() else -1
        if size != told["size"]:
            raise InputError(
                path,
                "no such file" if size < 0 else f"{size} bytes",
                f"{told['size']} bytes",
                "Run the same `qontrast data prepare` again: it makes anew what is damaged.",
            )
    if facts["kind"] == "maps":
        maps = {n: chunks[n] for n in facts["maps"]}
        return StoredMaps(name, maps, grid, region, float(facts["field_strength"]), facts["notes"])
    if facts["kind"] == "labels":
        table = _table(facts["table"], folder)
        values = torch.tensor(facts["table"]["values"], dtype=torch.int64)
        head = LabelSubject.stored(name, chunks["labels"], values, grid, table, region)
        stored_sketches(head, chunks, facts["sketches"])
        return head
    scans = {}
    for contrast, told in facts["scans"].items():
        own = _grid(told["grid"])
        voxels = chunks[contrast]
        scans[contrast] = ObservedScan(contrast, voxels, own, told["scale"], to_head(own, grid), str(voxels.path))
    return ObservedHead(name, scans, grid, region, facts["notes"])


def read_facts(folder: Path) -> dict[str, Any]:
    """What ``head.json`` says.

    Raises:
        InputError: if it is absent, broken, altered or of another version.
    """
    return read_signed(folder / HEAD, FORMAT)


def read_manifest(cache: Path) -> dict[str, Any]:
    """What a cache's manifest says.

    Raises:
        InputError: if it is absent, broken, altered or of another version.
    """
    facts = read_signed(cache / MANIFEST, FORMAT)
    if not {"settings", "subjects"} <= facts.keys():
        raise InputError(cache / MANIFEST, "another file of a cache", "its manifest", REMEDY)
    return facts


def read_settings(cache: Path) -> dict[str, Any]:
    """With what a cache was made.

    Raises:
        InputError: if that is absent, broken, altered or of another version.
    """
    return read_signed(cache / SETTINGS, FORMAT)


def is_cache(folder: Path) -> bool:
    """Whether a folder is a cache.

    Raises:
        InputError: if it is one that was never finished.
    """
    if (folder / HEADS).is_dir() and (folder / SETTINGS).is_file() and not (folder / MANIFEST).is_file():
        raise InputError(folder, "a cache that was never finished", "a whole one", "Run `qontrast data prepare` again.")
    return (folder / MANIFEST).is_file() and (folder / HEADS).is_dir()


def _statistics(values: np.ndarray, inside: np.ndarray) -> dict[str, Any]:
    """Of the voxels ``inside``: how many, mean, extremes, percentiles; six digits."""
    chosen = values[inside]
    if not chosen.size:
        return {"voxels": 0}
    marks = np.percentile(chosen, PERCENTILES)
    numbers = {"mean": chosen.mean(dtype=np.float64), "lowest": chosen.min(), "highest": chosen.max()}
    return {
        "voxels": int(chosen.size),
        **{k: float(f"{v:.6g}") for k, v in numbers.items()},
        "percentiles": {f"{p:g}": float(f"{v:.6g}") for p, v in zip(PERCENTILES, marks, strict=True)},
    }


def _grid_facts(grid: Grid) -> dict[str, Any]:
    return {"shape": grid.shape, "affine": grid.affine.tolist()}


def _grid(facts: dict[str, Any]) -> Grid:
    x, y, z = facts["shape"]
    return Grid((int(x), int(y), int(z)), np.array(facts["affine"], dtype=np.float64))


def _box(facts: list[list[int]]) -> Box:
    x, y, z = ((int(a), int(b)) for a, b in facts)
    return x, y, z


def _table_facts(head: LabelSubject) -> dict[str, Any]:
    values = [int(v) for v in head.values]
    priors = {str(v): vars(head.table.priors[v]) for v in values}
    tissues = {str(v): head.table.tissues[v] for v in values if v in head.table.tissues}
    return {"values": values, "origin": Path(head.table.origin).name, "priors": priors, "tissues": tissues}


def _table(facts: dict[str, Any], folder: Path) -> LabelTable:
    priors = {int(v): Prior(**numbers) for v, numbers in facts["priors"].items()}
    return LabelTable(priors, {int(v): t for v, t in facts["tissues"].items()}, str(folder / HEAD))
