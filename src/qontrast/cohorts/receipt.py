"""What was downloaded into a folder, from where, and its digests: trusted on first use, checked from then on."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import InputError

NAME = ".qontrast-download.json"
FORMAT = 1


@dataclass(frozen=True)
class Entry:
    """A file that came by itself or out of an archive.

    Args:
        url: where it or its archive came from.
        size: in bytes.
        sha256: of its content.
        md5: the same; empty for what came out of an archive.
        archive: path of the archive that it was in.
    """

    url: str
    size: int
    sha256: str
    md5: str = ""
    archive: str = ""


@dataclass
class Receipt:
    """Of one cohort's folder.

    Args:
        cohort: its name in the catalogue.
        files: by their path below the folder; an archive that was deleted after unpacking is still among them.
        unpacked: of each archive, the subjects that were taken out of it; ``["*"]`` for all.
    """

    cohort: str
    files: dict[str, Entry] = field(default_factory=dict)
    unpacked: dict[str, list[str]] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write it atomically.

        Raises:
            WriteError: if the disk is full.
        """
        files = {path: asdict(entry) for path, entry in sorted(self.files.items())}
        content = {"format": FORMAT, "cohort": self.cohort, "unpacked": self.unpacked, "files": files}
        write_atomic(folder / NAME, json.dumps(content, ensure_ascii=False, indent=1) + "\n")


def read_receipt(folder: Path) -> Receipt | None:
    """The receipt of a folder; None where nothing was downloaded into it by `qontrast data get`.

    Raises:
        InputError: if it is damaged.
    """
    path = folder / NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}")
        files = {str(p): Entry(**entry) for p, entry in content["files"].items()}
        return Receipt(str(content["cohort"]), files, {str(a): list(s) for a, s in content["unpacked"].items()})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            path, f"a damaged receipt ({error})", "the one that was written", "Delete it: files are then checked anew."
        ) from error
