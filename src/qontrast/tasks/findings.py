"""What a check has to say."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Args:
        where: file, subject or session.
        what: what is wrong with it or worth knowing; the same words for all of a kind.
        broken: whether it has to be mended.
    """

    where: str
    what: str
    broken: bool


def broken(where: str, what: str) -> Finding:
    """Something that has to be mended."""
    return Finding(where, what, True)


def note(where: str, what: str) -> Finding:
    """Something worth knowing."""
    return Finding(where, what, False)
