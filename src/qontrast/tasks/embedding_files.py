"""The embedding of one scan: a table and a sidecar, features where they are wanted."""

import json
from pathlib import Path

import numpy as np

from qontrast.basics.atomic import write_atomic
from qontrast.scans.nifti import write_image
from qontrast.tasks.derivatives import Maker, Target
from qontrast.tasks.loading import Encoded


class EmbeddingFiles(Target):
    """Where they go: ``sub-01/anat/sub-01_acq-a_desc-T1w_embedding.tsv`` and beside it."""

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

    def done(self, maker: Maker, *, features: bool) -> bool:
        """Whether the scan, as it is now, was embedded by these very weights."""
        there = self.table.is_file() and (self.features.is_file() or not features)
        return there and self.is_made(self.sidecar, maker)

    def write(self, found: Encoded, maker: Maker, *, features: bool) -> None:
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
            **self.about(maker),
            "Windows": found.windows,
        }
        write_atomic(self.sidecar, json.dumps(about, indent=2) + "\n")
