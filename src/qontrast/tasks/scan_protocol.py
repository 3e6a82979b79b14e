"""The protocol that a scan was taken with, from the JSON sidecar beside it."""

from pathlib import Path

from qontrast.basics.errors import InputError
from qontrast.physics.sequence import Sequence
from qontrast.physics.sidecar import from_bids
from qontrast.scans.names import named_images, sidecar, stem
from qontrast.scans.sidecars import applying, inherited, read_json


def read_protocol(path: Path) -> tuple[Sequence, list[str]]:
    """The protocol of a scan, given as the scan or its sidecar, and what was assumed.

    Of a scan all sidecars count that BIDS lets it inherit from; a sidecar that is named is taken alone.

    Raises:
        InputError: if there is no sidecar, or it does not describe a protocol.
    """
    beside = sidecar(path) if stem(path) else path
    scans = named_images([path], path.parent) if path.is_file() else []
    files = applying(scans[0]) if scans else [beside] if beside.suffix == ".json" else []
    files = [file for file in files if file.is_file()]
    if not files:
        raise InputError(
            beside,
            "no such sidecar",
            "a scan with a JSON sidecar beside it, or the sidecar",
            "Check the path; protocols by name (qontrast protocols) are no files.",
        )
    told = inherited(scans[0]) if scans else read_json(beside)
    suffix = scans[0].suffix if scans else beside.stem.rsplit("_", 1)[-1]
    return from_bids(told, ", ".join(map(str, reversed(files))), suffix)
