"""Which image is what, by its name: BIDS entities and suffix, the output names of hMRI and SPM, and IXI's."""

import os
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from bids2table import parse_bids_entities

from qontrast.basics.errors import InputError, LeftOut
from qontrast.scans.nifti import ENDINGS
from qontrast.scans.walk import Trouble, walk

# The toolbox writes <series>_PD.nii, _R1.nii, _R2s_OLS.nii (or _R2s_WLS1, _R2s), _MTsat.nii (older versions: _MT.nii).
HMRI = {
    "PD": "PDmap",
    "R1": "R1map",
    "R2s": "R2starmap",
    "R2s_OLS": "R2starmap",
    "R2s_WLS1": "R2starmap",
    "MTsat": "MTsat",
    "MT": "MTsat",
    "B1map": "TB1map",
}
_SUBJECT = re.compile(r"^sub-[^.]+$")
_SESSION = re.compile(r"^ses-([^.]+)$")
FOLDERS = {"anat", "mri", "results", "supplementary"}  # of BIDS, FreeSurfer and the toolbox: they name no subject
_IXI_NAME = re.compile(r"^(?:p_)?(IXI\d+)-(\w+)-(\d+)-(T1|T2|PD|MRA)(?:_([^_]+))?$")
IXI = {"T1": "T1w", "T2": "T2w", "PD": "PDw", "MRA": "angio"}
_SPM_NAME = re.compile(r"^c([123])(?=(?:p_)?IXI\d|sub-)")
SPM = {"1": "GM", "2": "WM", "3": "CSF"}
"""Tissues of SPM's segmentation, ``c1<scan>`` to ``c3<scan>``, as BIDS calls them."""
_HMRI_NAME = re.compile(r"_(" + "|".join(sorted(HMRI, key=len, reverse=True)) + r")$")


@dataclass(frozen=True)
class Named:
    """One image file and what its name says.

    Args:
        path: the file.
        suffix: BIDS suffix (``R1map``, ``dseg``, ``T1w``).
        entities: BIDS entities of the name (``sub``, ``ses``, ``label``, ...).
        named: the subject's name where something else than the path says it.
        root: of the cohort.
    """

    path: Path
    suffix: str
    entities: dict[str, str] = field(hash=False)
    named: str = ""
    root: Path | None = field(default=None, compare=False)

    @property
    def subject(self) -> str:
        """``sub-01``, or the name of the folder (above ``Results``, ``mri`` and the like) where there is none.

        A folder called ``sub-...``, from the root on, counts more than the file's name: it may be a link to another
        subject's. A name in a table counts more than both.
        """
        if self.named:
            return self.named
        if self.home is not None:
            return self.home.name
        sub = self.entities.get("sub")
        if sub:
            return f"sub-{sub}"
        above = self.path.parent.resolve()
        return next((p.name for p in (above, *above.parents) if p.name.lower() not in FOLDERS), "")

    @cached_property
    def home(self) -> Path | None:
        """The folder called ``sub-...`` that it lies in, the innermost one from the root on."""
        parts, outside = self.path.parts, len(self.root.parent.parts) if self.root is not None else 0
        depths = range(len(parts) - 2, outside - 1, -1)
        return next((Path(*parts[: depth + 1]) for depth in depths if _SUBJECT.match(parts[depth])), None)

    @cached_property
    def session(self) -> str:
        """Subject and session (``sub-01_ses-2``), one head at one time."""
        return f"{self.subject}_ses-{self.visit}" if self.visit else self.subject

    @cached_property
    def visit(self) -> str:
        """The session's own label (``2``), a folder's where the name has none; else empty."""
        return self.entities.get("ses") or ("" if self.named else self._visit_above())

    def _visit_above(self) -> str:
        """By the innermost folder ``ses-...`` from the root on, or in a subject's folder that the root lies in."""
        whole = whole_path(self.path).parts[:-1]
        beyond = len(whole_path(self.root).parts) if self.root is not None else 0
        for depth in range(len(whole) - 1, -1, -1):
            if found := _SESSION.match(whole[depth]):
                return found[1] if depth >= beyond or any(map(_SUBJECT.match, whole[:depth])) else ""
        return ""

    @property
    def prefix(self) -> str:
        """What stands before the suffix, but for ``desc`` and ``space``: whose image it is, in a folder of many."""
        parts = stem(self.path).removesuffix(self.suffix).split("_")
        return "_".join(part for part in parts if part and not part.startswith(("desc-", "space-")))


def whole_path(path: Path) -> Path:
    """The path from the root on, past ``..`` but through no link: names may say what a link's target does not."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def is_magnitude(file: Named) -> bool:
    """Whether an image shows a magnitude, and not the phase, or a real or imaginary part."""
    return file.entities.get("part", "mag") == "mag"


def stem(path: Path) -> str:
    """The file's name without its image ending."""
    return next((path.name[: -len(e)] for e in sorted(ENDINGS, key=len, reverse=True) if path.name.endswith(e)), "")


def is_lesion(mask: Named) -> bool:
    """Whether a mask says that it is a lesion's: ``label-lesion``, ``desc-lesion``, ``desc-T1lesion``."""
    return mask.suffix == "mask" and any("lesion" in mask.entities.get(e, "").lower() for e in ("label", "desc"))


def is_brain_mask(file: Named) -> bool:
    """Whether a file is a mask that says nothing else: neither a label nor a lesion."""
    return file.suffix == "mask" and "label" not in file.entities and not is_lesion(file)


def sidecar(path: Path) -> Path:
    """The JSON file beside an image."""
    return path.with_name(f"{stem(path)}.json")


def find_images(folder: Path) -> list[Named]:
    """Every image below ``folder``, or the one that ``folder`` is, sorted by path.

    Warns:
        LeftOut: of each folder below that cannot be read.

    Raises:
        InputError: if there is no such folder or no image in it.
    """
    found, troubles = images_below(folder)
    for trouble in troubles:
        warnings.warn(f"{trouble.path}: {trouble.why}; what it holds is left out", LeftOut, stacklevel=2)
    return found


def images_below(folder: Path) -> tuple[list[Named], list[Trouble]]:
    """What :func:`find_images` finds, and the folders that cannot be read.

    Raises:
        InputError: see :func:`find_images`.
    """
    folder = Path(folder)
    if not folder.exists():
        raise InputError(folder, "no such folder", "a BIDS folder, a subject's folder or an image", "Check the path.")
    if folder.is_file():
        found, troubles = named_images([folder], folder.parent), []
    else:
        index = walk(folder)
        found, troubles = named_images(index.files(), folder), index.troubles
    if not found:
        why = "; ".join(f"{trouble.path}: {trouble.why}" for trouble in troubles[:3])
        remedy = f"Is this the right folder? {why}".strip()
        raise InputError(folder, f"no image ({', '.join(ENDINGS)})", "at least one image", remedy)
    return found, troubles


def named_images(files: Iterable[Path], root: Path) -> list[Named]:
    """Those of the files that are images, by what their names say, sorted by path; ``root`` is the cohort's."""
    named = (_named(path) for path in sorted(files) if stem(path) and not path.name.startswith("."))
    return [replace(file, root=root) for file in named]


def _named(path: Path) -> Named:
    if spm := _SPM_NAME.match(path.name):
        scan = _named(path.with_name(path.name[2:]))
        return Named(path, "probseg", {**scan.entities, "label": SPM[spm.group(1)]})
    if ixi := _IXI_NAME.match(stem(path)):
        subject, site, _, contrast, made = ixi.groups()  # what was made of a scan has its own suffix: _dseg
        return Named(path, made or IXI[contrast], {"sub": subject, "site": site})
    hmri = _HMRI_NAME.search(stem(path))
    entities = {str(k): str(v) for k, v in parse_bids_entities(path).items()}
    if hmri:
        return Named(path, HMRI[hmri.group(1)], entities)
    return Named(path, entities.get("suffix", stem(path).rsplit("_", 1)[-1]), entities)
