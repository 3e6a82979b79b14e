"""Rows of a sweep's ledger: what one model made of one head in one protocol, under a key of all that it depends on."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qontrast.anatomy.source import SubjectSource
from qontrast.basics.errors import InputError
from qontrast.physics.sequence import Sequence
from qontrast.results.ledger import append_rows, read_rows

LEDGER = "sweep.jsonl"
VERSION = 1
"""Of the rows: another one means other numbers for the same protocol."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """All that the rows of one sweep share.

    Args:
        model: digest of the model.
        spacing: of the images, mm.
        classes: that are scored, background first.
        own_truth: whether the truth is the model's own segmentation of the reference.
        snr, noise, seed: of the plan.
        reference: the reference protocol.
    """

    model: str
    spacing: float
    classes: tuple[str, ...]
    own_truth: bool
    snr: float | None
    noise: str
    seed: int
    reference: Sequence

    def key(self, head: str, protocol: Sequence) -> str:
        """Of the row of this protocol and head (its digest): equal keys have equal rows."""
        told = asdict(self)
        told["reference"] = _numbers(self.reference) if self.own_truth or self.noise == "same_noise" else None
        text = json.dumps([VERSION, told, head, _numbers(protocol)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]


def head_digest(source: SubjectSource) -> str:
    """Of a head's files and what tells how they are read, or of the number and seed of an embedded one."""
    found = hashlib.sha256(f"{source.name} {source.kind} {source.index} {source.seed}".encode())
    files = [*(file.path for file in source.files), *source.beside]
    if source.folder is not None:
        files += sorted(source.folder.glob("*.json"))
    for path in files:
        found.update(hashlib.sha256(Path(path).read_bytes()).digest())
    return found.hexdigest()


def scored_row(about: Row, dice: dict[str, float], volume: dict[str, float], truth: dict[str, float]) -> Row:
    """The row of a segmentation; volumes in ml."""
    return {**about, "state": "scored", "dice": dice, "volume_ml": volume, "truth_ml": truth}


def embedded_row(about: Row, embedding: np.ndarray) -> Row:
    """The row of an embedding, its values to the digits of single precision."""
    return {**about, "state": "scored", "embedding": [float(f"{v:.9g}") for v in embedding]}


def failed_row(about: Row, why: str) -> Row:
    """The row of an answer that could not be scored."""
    return {**about, "state": "failed", "note": why}


class SweepLedger:
    """The rows that are known, by key; each new one is on disk as soon as it is added.

    Args:
        path: file of JSON lines.

    Raises:
        InputError: if it is there and is no ledger of a sweep.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        rows = read_rows(path) if path.is_file() else []
        if any("key" not in row for row in rows):
            raise InputError(path, "rows without a key", "a sweep's own ledger", "Choose another --out.")
        self.rows: dict[str, Row] = {row["key"]: row for row in rows}

    def add(self, row: Row) -> None:
        """Append a row.

        Raises:
            WriteError: if the disk is full; the rows before it are kept.
        """
        append_rows(self.path, [row])
        self.rows[row["key"]] = row


def _numbers(protocol: Sequence) -> list[Any]:
    values = asdict(protocol)  # type: ignore[call-overload]
    return [protocol.name, {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}]
