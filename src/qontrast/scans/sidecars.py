"""The JSON beside an image, with what files higher up say of images of its kind (BIDS inheritance)."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from qontrast.basics.errors import InputError
from qontrast.scans.names import Named, sidecar, stem

HIGHEST = 4  # subject, session, data type and the dataset's root


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object; empty where there is no such file.

    Raises:
        InputError: if the file is no JSON, or JSON but no object.
    """
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError, OSError) as error:
        raise InputError(file, f"broken JSON ({error})", "a JSON object", "Mend or remove the sidecar.") from error
    if not isinstance(content, dict):
        raise InputError(file, f"a JSON {type(content).__name__}", "a JSON object", "Mend or remove the sidecar.")
    return content


def inherited(image: Named) -> dict[str, Any]:
    """What all sidecars that apply to ``image`` say; the nearer a file lies, the more it counts.

    Raises:
        InputError: see :func:`read_json`.
    """
    content: dict[str, Any] = {}
    for file in applying(image):
        content |= read_json(file)
    return content


def applying(image: Named) -> list[Path]:
    """The sidecars that apply to ``image``, the nearest last: its own, which need not be there.

    A file above applies if it has the image's suffix and no entity that the image lacks. The dataset's root is the
    folder with ``dataset_description.json`` or the one above the subject's.
    """
    folders = []
    # The folder is resolved and not the file: version control may keep images elsewhere, behind links.
    nearest = image.path.parent.resolve()
    for folder in (nearest, *nearest.parents)[:HIGHEST]:
        folders.append(folder)
        if (folder / "dataset_description.json").is_file():
            break
    own, found = set(stem(image.path).split("_")), []
    for folder in reversed(folders):
        there = (p for p in _json_in(folder) if p.stem.split("_")[-1] == image.suffix)
        found += [p for p in sorted(there, key=lambda p: p.stem.count("_")) if set(p.stem.split("_")) <= own]
    beside = sidecar(image.path)
    return [*(p for p in found if p != nearest / beside.name), beside]


def _json_in(folder: Path) -> tuple[Path, ...]:
    try:
        return _listed(folder, folder.stat().st_mtime_ns)
    except OSError:  # a folder above that may not be read
        return ()


@lru_cache(maxsize=64)  # the root of a large cohort is listed once, not for every image
def _listed(folder: Path, _: int) -> tuple[Path, ...]:
    return tuple(sorted(folder.glob("*.json")))
