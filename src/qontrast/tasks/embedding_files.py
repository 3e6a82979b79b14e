"""Embeddings as BIDS derivatives: a table and a sidecar for each scan, a description of the whole."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import qontrast
from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import InputError
from qontrast.scans.names import Named, stem
from qontrast.scans.nifti import write_image
from qontrast.tasks.fit_output import Place, dataset_root
from qontrast.tasks.loading import Encoded, Loaded

DESCRIPTION = "dataset_description.json"


@dataclass(frozen=True)
class Target:
    """Where the results of one scan go: ``sub-01/anat/sub-01_acq-a_desc-T1w_embedding.tsv`` and beside it.

    Args:
        scan: the image.
        place: of its subject and session.
    """

    scan: Named
    place: Place

    def file(self, suffix: str, ending: str) -> Path:
        """A file of the scan; ``desc`` takes the scan's own suffix, after its own ``desc`` where it has one."""
        name = stem(self.scan.path)
        if "sub" not in self.scan.entities or not name.startswith("sub-"):
            return self.place.folder / f"{self.scan.session}_desc-{self.scan.suffix}_{suffix}{ending}"
        own = self.scan.entities.get("desc", "")
        parts = [part for part in name.split("_")[:-1] if not part.startswith("desc-")]
        return self.place.folder / f"{'_'.join(parts)}_desc-{own}{self.scan.suffix}_{suffix}{ending}"

    @property
    def table(self) -> Path:
        """Of the embedding."""
        return self.file("embedding", ".tsv")

    @property
    def sidecar(self) -> Path:
        """Written last: where it stands, the rest is whole."""
        return self.file("embedding", ".json")

    @property
    def features(self) -> Path:
        """The deepest features, ``[x, y, z, channel]``."""
        return self.file("features", ".nii.gz")

    def done(self, weights: Loaded, *, features: bool) -> bool:
        """Whether the scan, as it is now, was embedded by these very weights."""
        try:
            about = json.loads(self.sidecar.read_text(encoding="utf-8"))
            same = about["WeightsSHA256"] == weights.digest and about["SourceSHA256"] == _sha256(self.scan.path)
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return bool(same) and self.table.is_file() and (self.features.is_file() or not features)

    def write(self, found: Encoded, weights: Loaded, *, features: bool) -> None:
        """Write table, features where wanted, and sidecar.

        Raises:
            WriteError: if the disk is full or the folder cannot be written.
        """
        if features:
            write_image(self.features, np.moveaxis(found.features, 0, -1), found.grid)
        rows = "".join(f"{index}\t{value:.9g}\n" for index, value in enumerate(found.embedding.tolist()))
        write_atomic(self.table, "feature\tvalue\n" + rows)
        about = {
            "feature": {"Description": "Channel of the encoder's deepest level"},
            "value": {"Description": "Mean over the windows that cover the head", "Units": "arbitrary"},
            "Sources": [self.place.uri(self.scan.path)],
            "SourceSHA256": _sha256(self.scan.path),
            "Weights": _name(weights),
            "WeightsSHA256": weights.digest,
            "Windows": found.windows,
            "GeneratedBy": [_generator(weights)],
        }
        write_atomic(self.sidecar, json.dumps(about, indent=2) + "\n")


def claim_derivatives(out: Path, source: Path, weights: Loaded) -> None:
    """Write ``dataset_description.json``, refusing a folder of embeddings by other weights.

    Raises:
        InputError: if the folder belongs to other weights or to something else.
        WriteError: if it cannot be written.
    """
    file = out / DESCRIPTION
    if file.is_file():
        try:
            before = json.loads(file.read_text(encoding="utf-8"))["GeneratedBy"][0]["WeightsSHA256"]
        except (ValueError, KeyError, IndexError, TypeError):
            raise InputError(file, "a data set of something else", "a new folder", "Choose another --out.") from None
        if before != weights.digest:
            found = f"embeddings of other weights ({before[:16]}...)"
            raise InputError(file, found, f"those of {weights.digest[:16]}...", "Choose another --out.")
    about = {
        "Name": "Embeddings",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [_generator(weights)],
        "DatasetLinks": {"raw": dataset_root(source).as_uri()},
    }
    write_atomic(file, json.dumps(about, indent=2) + "\n")


def _name(weights: Loaded) -> str:
    return weights.contract.origin.name if weights.contract.origin else weights.path.name


def _generator(weights: Loaded) -> dict[str, Any]:
    return {
        "Name": "qontrast",
        "Version": qontrast.__version__,
        "Weights": _name(weights),
        "WeightsSHA256": weights.digest,
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
