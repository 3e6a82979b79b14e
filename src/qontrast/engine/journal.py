"""A line of JSON for each step, flushed as it is written; TensorBoard beside it where that is installed."""

import json
import math
from pathlib import Path
from typing import Any

from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import WriteError

JOURNAL = "journal.jsonl"


class Journal:
    """Append-only record of a run.

    Args:
        folder: of the run.
        keep_below: keep lines of earlier steps than this, drop the rest (a resumed run writes those again).
    """

    def __init__(self, folder: Path, keep_below: int = 0) -> None:
        self.path = folder / JOURNAL
        kept = [row for row in read_journal(folder) if row.get("step", -1) < keep_below]
        write_atomic(self.path, "".join(json.dumps(row) + "\n" for row in kept))
        self._stream = self.path.open("a", encoding="utf-8")
        self._board = _tensorboard(folder)

    def write(self, **values: Any) -> None:
        """Write one line; numbers that are not finite become null, so that the file stays JSON.

        Raises:
            WriteError: if the disk is full.
        """
        line = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}
        try:
            self._stream.write(json.dumps(line) + "\n")
            self._stream.flush()
        except OSError as error:
            raise WriteError(
                f"{self.path}: could not be written ({error.strerror}). Free some space, then run again with --resume."
            ) from error
        if self._board is not None:
            for name, value in values.items():
                if isinstance(value, float) and name != "time":
                    self._board.add_scalar(name, value, values["step"])

    def close(self) -> None:
        """Close the files."""
        try:
            self._stream.close()
        except OSError:
            pass
        if self._board is not None:
            self._board.close()


def read_journal(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's journal; a torn last one is dropped. Empty where there is none."""
    path = folder / JOURNAL
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"))
