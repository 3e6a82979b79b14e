"""What a cache says of itself: JSON that carries a digest of its own, so that a digit that was altered is noticed."""

import hashlib
import json
from pathlib import Path
from typing import Any

from qontrast.basics.errors import InputError


class OtherFormatError(InputError):
    """A file of another version, or of something else."""


REMEDY = "Run the same `qontrast data prepare` again."


def signed(facts: dict[str, Any], indent: int | None = 1) -> str:
    """Facts as JSON, with their digest."""
    return json.dumps(facts | {"digest": _digest(facts)}, indent=indent, ensure_ascii=False) + "\n"


def read_signed(path: Path, form: int) -> dict[str, Any]:
    """The facts in a file, whose ``format`` has to be ``form``.

    Raises:
        InputError: if it is absent, broken or altered.
        OtherFormatError: if it is of another version, or not of a cache.
    """
    content = _json(path)
    if content.get("format") != form:
        raise OtherFormatError(path, f"format {content.get('format')}", f"format {form}", "Prepare the cache anew.")
    if content.pop("digest", None) != _digest(content):
        raise InputError(path, "a file that was altered since it was written", "the file as it was", REMEDY)
    return content


def _digest(facts: dict[str, Any]) -> str:
    # As they will be read: tuples are lists there.
    text = json.dumps(json.loads(json.dumps(facts)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _json(path: Path) -> dict[str, Any]:
    wanted = "what `qontrast data prepare` wrote"
    try:
        content = json.loads(path.read_text(encoding="utf-8", errors="surrogateescape"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(path, f"no readable JSON ({error})", wanted, REMEDY) from error
    if not isinstance(content, dict):
        raise InputError(path, f"a JSON {type(content).__name__}", wanted, REMEDY)
    return content
