"""The protocol that a scan was taken with, from the JSON sidecar beside it."""

from pathlib import Path

from qontrast.basics.errors import InputError
from qontrast.physics.sequence import Sequence
from qontrast.physics.sidecar import from_bids
from qontrast.scans.names import sidecar, stem
from qontrast.scans.sidecars import read_json


def read_protocol(path: Path) -> tuple[Sequence, list[str]]:
    """The protocol of a scan, given as the scan or its sidecar, and what was assumed.

    Raises:
        InputError: if there is no sidecar, or it does not describe a protocol.
    """
    beside = path if path.suffix == ".json" or not stem(path) else sidecar(path)
    if beside.suffix != ".json" or not beside.is_file():
        raise InputError(
            beside,
            "no such sidecar",
            "a scan with a JSON sidecar beside it, or the sidecar",
            "Check the path; protocols by name (qontrast protocols) are no files.",
        )
    return from_bids(read_json(beside), str(beside), beside.stem.rsplit("_", 1)[-1])
