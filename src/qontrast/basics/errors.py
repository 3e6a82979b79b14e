"""Errors that a user can act on: each names the place, what was found, what was wanted, and the remedy."""

import difflib
from collections.abc import Iterable
from pathlib import Path


class QontrastError(Exception):
    """Something the user can mend; the command line prints it without a traceback."""


class InputError(QontrastError):
    """A file, folder or value that cannot be used.

    Args:
        where: the file, folder, field or label at fault.
        found: what is there.
        wanted: what would be accepted.
        remedy: what to do.
    """

    def __init__(self, where: str | Path, found: str, wanted: str, remedy: str = "") -> None:
        self.where, self.found, self.wanted, self.remedy = where, found, wanted, remedy
        message = f"{where}: found {found}; wanted {wanted}."
        super().__init__(f"{message} {remedy}".strip())


class ProtocolError(InputError):
    """A pulse sequence that no scanner could run."""


class MissingMapError(InputError):
    """A tissue map that a sequence needs and the subject lacks."""


class PlanError(InputError):
    """A plan with a field or value that is not understood."""


class LeftOut(UserWarning):
    """What could not be read and is not used; the command line prints it as a line."""


class WriteError(QontrastError):
    """A file that could not be written; what stood there before is untouched."""


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint naming the known name nearest to ``name``: ``"did you mean 'x'?"``, or the list of known names."""
    known = [str(n) for n in names]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known)}."
