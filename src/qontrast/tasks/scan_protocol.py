"""The protocol that a scan was taken with, from the JSON sidecar beside it."""

from pathlib import Path

from qontrast.basics.errors import InputError
from qontrast.physics.sequence import Sequence
from qontrast.physics.sidecar import from_bids
from qontrast.scans.names import named_images, sidecar, stem
from qontrast.scans.sidecars import inherited, read_json


def read_protocol(path: Path) -> tuple[Sequence, list[str]]:
    """The protocol of a scan, given as the scan or its sidecar, and what was assumed.

    Of a scan all sidecars count that BIDS lets it inherit from; a sidecar that is named is taken alone.

    Raises:
        InputError: if there is no sidecar, or it does not describe a protocol.
    """
    if stem(path):
        (scan,) = named_images([path], path.parent)
        beside, told, suffix = sidecar(path), inherited(scan), scan.suffix
    else:
        beside, told, suffix = path, read_json(path) if path.suffix == ".json" else {}, path.stem.rsplit("_", 1)[-1]
    if not told and not beside.is_file():
        raise InputError(
            beside,
            "no such sidecar",
            "a scan with a JSON sidecar beside it, or the sidecar",
            "Check the path; protocols by name (qontrast protocols) are no files.",
        )
    return from_bids(told, str(beside), suffix)
