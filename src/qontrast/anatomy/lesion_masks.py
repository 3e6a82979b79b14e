"""A folder of lesion masks, and which of its people's are kept for tests."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Literal

from qontrast.basics.errors import InputError
from qontrast.scans.names import Named, find_images

Part = Literal["all", "learning", "testing"]
"""Of a folder of masks: those of every fifth person, by the digest of the name, are kept for tests."""


@lru_cache(maxsize=8)
def masks_in(folder: str, part: Part = "all") -> tuple[Path, ...]:
    """The lesion masks of a folder, sorted; of a part of its people, who are the same however many others there are.

    Raises:
        InputError: if there is no such folder, no image in it or none of that part.
    """
    found = find_images(Path(folder))
    masks = tuple(sorted(f.path for f in found if part == "all" or _held_out(f) == (part == "testing")))
    if not masks:
        few = f"{len(found)} lesion masks, none of them for {part}"
        remedy = "Give more people's, or to the test another folder (--lesions), or pathology.masks: all."
        raise InputError(folder, few, "those of every fifth person for testing, of the others for learning", remedy)
    return masks


def may_share_people(folder: str, other: str) -> bool:
    """Whether masks of two folders may be of the same people: by name, and if one of both can't be read in any case."""
    try:
        people = [{_person(file) for file in find_images(Path(each))} for each in (folder, other)]
    except InputError:
        return True
    return not people[0].isdisjoint(people[1])


def _held_out(file: Named) -> bool:
    return hashlib.blake2b(_person(file).encode(), digest_size=8).digest()[0] % 5 == 0


def _person(file: Named) -> str:
    return file.subject if "sub" in file.entities else file.path.name
