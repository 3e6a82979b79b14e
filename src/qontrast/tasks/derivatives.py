"""What is made of every scan of a cohort, as BIDS derivatives: where it goes, and what is there already."""

import json
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import qontrast
from qontrast.anatomy.observed import IMAGE_SUFFIXES
from qontrast.anatomy.prepared import fingerprint
from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import InputError, LeftOut, WriteError
from qontrast.scans.names import Named, images_below, is_magnitude, stem
from qontrast.tasks.fit_output import Place, dataset_root
from qontrast.tasks.speaking import track
from qontrast.weights.contract import Contract

DESCRIPTION = "dataset_description.json"
NOT_RAW = {"derivatives", "sourcedata", "code"}


@dataclass(frozen=True)
class Maker:
    """What the derivatives are made by.

    Args:
        what: is made: ``embeddings``.
        name: of the weights.
        digest: of the weights, SHA-256.
        settings: what else the result depends on, as it stands in a sidecar.
    """

    what: str
    name: str
    digest: str
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, what: str, contract: Contract, path: Path, digest: str, **settings: Any) -> "Maker":
        """Weights by their file and contract."""
        return cls(what, contract.origin.name if contract.origin else path.name, digest, settings)

    @property
    def generator(self) -> dict[str, Any]:
        """As BIDS has it in ``GeneratedBy``."""
        version = qontrast.__version__
        return {"Name": "qontrast", "Version": version, "Weights": self.name, "WeightsSHA256": self.digest}


@dataclass(frozen=True)
class Target:
    """Where the results of one scan go: ``sub-01/anat/sub-01_acq-a_desc-T1w_dseg.nii.gz`` and beside it.

    Args:
        scan: the image.
        place: of its subject and session.
    """

    scan: Named
    place: Place

    def file(self, suffix: str, ending: str) -> Path:
        """A file of the scan; ``desc`` takes the scan's own suffix, after its own ``desc`` where it has one."""
        return self._described(self.scan.suffix, suffix, ending)

    def image(self, description: str, ending: str) -> Path:
        """A copy of the scan, changed as ``description`` says: ``sub-01_acq-a_desc-denoised_T1w.nii.gz``."""
        return self._described(description, self.scan.suffix, ending)

    def _described(self, description: str, suffix: str, ending: str) -> Path:
        name = stem(self.scan.path)
        if "sub" not in self.scan.entities or not name.startswith("sub-"):
            return self.place.folder / f"{self.scan.session}_desc-{description}_{suffix}{ending}"
        own = self.scan.entities.get("desc", "")
        parts = [part for part in name.split("_")[:-1] if not part.startswith("desc-")]
        if self.scan.visit and "ses" not in self.scan.entities:  # told by a folder alone
            parts.insert(1, f"ses-{self.scan.visit}")
        return self.place.folder / f"{'_'.join(parts)}_desc-{own}{description}_{suffix}{ending}"

    def about(self, maker: Maker) -> dict[str, Any]:
        """What a sidecar says of how the results came about."""
        return {
            "Sources": [self.place.uri(self.scan.path)],
            "SourceSHA256": fingerprint(self.scan.path)["sha256"],
            "Weights": maker.name,
            "WeightsSHA256": maker.digest,
            **maker.settings,
            "GeneratedBy": [maker.generator],
        }

    def is_made(self, sidecar: Path, maker: Maker) -> bool:
        """Whether a sidecar says that it was made of the scan as it is now, by these weights and settings."""
        try:
            about = json.loads(sidecar.read_text(encoding="utf-8"))
            same = {
                "WeightsSHA256": maker.digest,
                "SourceSHA256": fingerprint(self.scan.path)["sha256"],
                **maker.settings,
            }
            return all(about[key] == value for key, value in same.items())
        except (OSError, ValueError, KeyError, TypeError):
            return False


@dataclass(frozen=True)
class Summary:
    """What became of the scans.

    Args:
        written: results that were written.
        kept: results that were there already.
        failed: scans that nothing could be made of, each with the reason.
    """

    written: tuple[Path, ...]
    kept: tuple[Path, ...]
    failed: tuple[tuple[Path, str], ...]

    def told(self, done: str) -> str:
        """How many of each there are."""
        return f"{len(self.written)} {done}, {len(self.kept)} were there already, {len(self.failed)} failed"

    @property
    def complaint(self) -> str:
        """What failed, and why; empty where nothing did."""
        if not self.failed:
            return ""
        listed = "\n  ".join(why if str(path) in why else f"{path}: {why}" for path, why in self.failed)
        count = len(self.failed)
        return f"{count} of {count + len(self.written) + len(self.kept)} scans failed:\n  {listed}"


T = TypeVar("T", bound=Target)


def make_each(
    targets: Sequence[T],
    result: Callable[[T], Path],
    made: Callable[[T], bool],
    make: Callable[[T], object],
    doing: str,
    *,
    lost: Sequence[tuple[Path, str]] = (),
    quiet: bool = False,
) -> Summary:
    """Make what is not there yet; whatever is wrong with one scan costs that scan alone.

    Args:
        targets: the scans.
        result: the file that stands for what is made of one.
        made: whether it is there already.
        make: makes and writes it.
        doing: said beside the progress bar.
        lost: what failed before, each with the reason.
        quiet: print nothing.

    Raises:
        WriteError: if the disk is full or the folder cannot be written.
    """
    written: list[Path] = []
    kept: list[Path] = []
    failed = list(lost)
    taken: set[Path] = set()
    for target in track(targets, doing, quiet=quiet):
        path = result(target)
        try:
            if path in taken:
                raise InputError(target.scan.path, "a second scan of that name", "one", "Tell them apart by an entity.")
            taken.add(path)
            if made(target):
                kept.append(path)
                continue
            make(target)
            written.append(path)
        except WriteError:
            raise
        except Exception as error:
            failed.append((target.scan.path, str(error) or type(error).__name__))
    return Summary(tuple(written), tuple(kept), tuple(failed))


def scans_below(source: Path, out: Path, suffixes: tuple[str, ...]) -> tuple[list[Target], list[tuple[Path, str]]]:
    """The scans below a folder, with where their results go; and folders that cannot be read, with the reason.

    Passed over are ``derivatives``, ``sourcedata``, ``code`` and whatever data set below the folder says that it is of
    derivatives. One image is taken whatever its name is, unless suffixes are asked for; it is its own subject if it
    names none.

    Raises:
        InputError: if there is none.
    """
    wanted = suffixes or IMAGE_SUFFIXES
    found, troubles = images_below(source)
    if source.is_file() and not suffixes:
        found = [file if file.subject.startswith("sub-") else replace(file, named=stem(file.path)) for file in found]
    else:
        found = [
            file
            for file in found
            if file.suffix in wanted and is_magnitude(file) and not _apart(file.path.parent, source, out)
        ]
    if not found:
        raise InputError(source, "no scan", f"files named _{', _'.join(wanted)}", "Name others with --suffix.")
    within = [t for t in troubles if not _apart(t.path, source, out)]
    lost = [(t.path, t.why) for t in within if any(part.startswith("sub-") for part in t.path.parts)]
    for trouble in within:
        if (trouble.path, trouble.why) not in lost:  # lost+found, a README that leads nowhere: no scan
            warnings.warn(f"{trouble.path}: {trouble.why}", LeftOut, stacklevel=2)
    return [Target(file, Place(out, file, source)) for file in found], lost


def claim_derivatives(out: Path, source: Path, maker: Maker) -> None:
    """Write ``dataset_description.json``, refusing a folder of results by other weights.

    Raises:
        InputError: if the folder belongs to other weights or to something else.
        WriteError: if it cannot be written.
    """
    file = out / DESCRIPTION
    if file.is_file():
        try:
            there = json.loads(file.read_text(encoding="utf-8"))
            what, before = str(there["Name"]).lower(), there["GeneratedBy"][0]["WeightsSHA256"]
        except (ValueError, KeyError, IndexError, TypeError):
            raise InputError(file, "a data set of something else", "a new folder", "Choose another --out.") from None
        if before != maker.digest:
            found, wanted = f"{what} of other weights ({before[:16]}...)", f"{maker.what} of {maker.digest[:16]}..."
            raise InputError(file, found, wanted, "Choose another --out.")
    about = {
        "Name": maker.what.capitalize(),
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [maker.generator],
        "DatasetLinks": {"raw": dataset_root(source).resolve().as_uri()},
    }
    write_atomic(file, json.dumps(about, indent=2) + "\n")


def _apart(folder: Path, source: Path, out: Path) -> bool:
    """Whether what lies in a folder is no scan of the data set: it is in the results, or in derivatives of others."""
    whole = Path(os.path.realpath(folder))  # resolve raises for a circular link
    if out.resolve() in (whole, *whole.parents):
        return True
    if not source.is_dir():
        return False
    within = folder.relative_to(source).parts
    folders = [source.joinpath(*within[: depth + 1]) for depth in range(len(within))]
    return bool(NOT_RAW & set(within)) or any(map(_is_derivative, folders))


@cache
def _is_derivative(folder: Path) -> bool:
    """Whether a folder says that it is a data set of derivatives."""
    try:
        about = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        return bool(about["DatasetType"] == "derivative")
    except (OSError, ValueError, KeyError, TypeError):
        return False
