"""Tissue shares made by a programme, for scans that have none: marked as automatic wherever they go."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from qontrast.anatomy.mni_heads import mni_maps
from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import InputError
from qontrast.basics.grid import Grid
from qontrast.scans.names import Named, sidecar
from qontrast.scans.nifti import Image, from_canonical, read_grid, read_image, write_image
from qontrast.tasks.clean_scans import real_scans
from qontrast.tasks.plans import Cohort
from qontrast.tasks.speaking import say, track

METHOD = "ANTsPy N4, Atropos, MNI152 priors"
FOLDER = Path("derivatives") / "automatic_labels"
LABELS = ("GM", "WM", "CSF")
TEMPLATE_MM = 2
LEAST_PRIOR = 1e-3
"""Below which no tissue falls anywhere in the brain: what the template lacks may still be there."""


def label_scans(cohort: Cohort, out: Path | None = None, *, quiet: bool = False) -> list[Path]:
    """Make grey matter, white matter and fluid shares of each session's T1w (or else its first scan).

    N4 (Tustison et al. 2010, doi:10.1109/TMI.2010.2046908), the MNI152 template moved to the head (SyN, Avants et al.
    2008, doi:10.1016/j.media.2007.06.004), and Atropos with the template's tissues as priors (Avants et al. 2011,
    doi:10.1007/s12021-011-9109-y). Minutes a head. The template has no skull: give brains, not heads. Sessions that
    have all files already are passed over.

    Args:
        cohort: the scans; ``kind`` is taken for ``scans``.
        out: folder to write to, as BIDS derivatives; None for ``derivatives/automatic_labels`` in the cohort's own,
            where they are found beside its scans.
        quiet: print nothing.

    Returns:
        The maps, three a session, with a sidecar that says ``Automatic``.

    Raises:
        InputError: without ANTsPy, or for data that cannot be used.
        WriteError: if a map cannot be written.
    """
    sessions: dict[str, Named] = {}
    for source in real_scans(Cohort(data=cohort.data, subjects=cohort.subjects, kind="scans")):
        if source.file is None:
            raise InputError(cohort.data, "a prepared cache", "the scans themselves", "Give the folder it was made of.")
        if source.subject not in sessions or (source.file.suffix == "T1w" != sessions[source.subject].suffix):
            sessions[source.subject] = source.file
    written: list[Path] = []
    for name, file in track(list(sessions.items()), "labelling", quiet=quiet):
        anat = (out or Path(cohort.data) / FOLDER) / file.subject / "anat"
        paths = {label: anat / f"{name}_label-{label}_probseg.nii.gz" for label in LABELS}
        if not all(path.is_file() and sidecar(path).is_file() for path in paths.values()):
            _write(paths, file.path)
        written += paths.values()
    say(f"{len(written)} maps of {len(sessions)} heads, made by a programme and not looked at", quiet=quiet)
    return written


def _write(paths: Mapping[str, Path], scan: Path) -> None:
    image, native = read_image(scan, canonical=True), read_grid(scan)
    made = tissue_shares(image)
    about = {
        "Automatic": True,
        "Method": METHOD,
        "Sources": [scan.name],
        "GeneratedBy": [{"Name": "ANTsPy", "Version": str(_ants().__version__)}, {"Name": "qontrast"}],
    }
    for label, path in paths.items():
        # The sidecar first: shares must never lie there without it.
        write_atomic(sidecar(path), json.dumps(about, indent=2) + "\n")
        write_image(path, from_canonical(made[label].astype(np.float32), native), native, like=scan)


def tissue_shares(scan: Image) -> dict[str, np.ndarray]:
    """Shares of ``GM``, ``WM`` and ``CSF`` in each voxel, ``[x, y, z]``; they sum to 1 in the brain and to 0 outside.

    Raises:
        InputError: without ANTsPy, or if it gives up.
    """
    ants = _ants()
    head = _to_ants(scan.data, scan.grid)
    template, grey, white, grid = mni_maps(TEMPLATE_MM)
    try:
        flat = ants.n4_bias_field_correction(head, mask=ants.get_mask(head), shrink_factor=4)
        moved = ants.registration(
            fixed=flat, moving=_to_ants(template, grid), type_of_transform="SyN",
            aff_iterations=(500, 250, 100, 0), reg_iterations=(40, 20, 0),
        )["fwdtransforms"]  # fmt: skip

        def here(values: np.ndarray) -> np.ndarray:
            there = ants.apply_transforms(flat, _to_ants(values.astype(np.float32), grid), moved)
            return np.asarray(there.numpy()).clip(0, 1)

        brain = (here(template > 0) > 0.5) & (scan.data > 0)
        solid = np.stack([here(grey), here(white)])
        priors = np.concatenate((solid, (1 - solid.sum(axis=0, keepdims=True)).clip(0, 1))) + LEAST_PRIOR
        priors *= brain / priors.sum(axis=0)
        found = ants.atropos(
            a=flat, x=_to_ants(brain.astype(np.float32), scan.grid),
            i=[_to_ants(p.astype(np.float32), scan.grid) for p in priors], m="[0.1,1x1x1]", c="[5,0]", priorweight=0.25,
        )["probabilityimages"]  # fmt: skip
    except RuntimeError as error:
        raise InputError(scan.path, f"a scan that ANTs gives up on ({error})", "a brain", "Is it stripped?") from error
    return {label: np.asarray(shares.numpy()) * brain for label, shares in zip(LABELS, found, strict=True)}


def _to_ants(data: np.ndarray, grid: Grid) -> Any:
    """An image of ANTs whose world is ours: all of them are turned alike, so nothing depends on its own convention."""
    direction = grid.affine[:3, :3] / np.array(grid.spacing)
    origin = [float(v) for v in grid.affine[:3, 3]]
    return _ants().from_numpy(np.ascontiguousarray(data), origin, list(grid.spacing), direction)


def _ants() -> Any:
    try:
        import ants
    except ImportError as error:
        raise InputError("label", "no ANTsPy", "it", "Install it: pip install 'qontrast[labels]'.") from error
    return ants
