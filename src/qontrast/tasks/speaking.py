"""What a task says while it works: plain lines, and a bar for anything long."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import track as rich_track

T = TypeVar("T")

CONSOLE = Console(highlight=False, soft_wrap=True)


def say(text: str, *, quiet: bool = False) -> None:
    """Print a line."""
    if not quiet:
        CONSOLE.print(text.encode("utf-8", "backslashreplace").decode(), markup=False)


def track(items: Sequence[T], what: str, *, quiet: bool = False) -> Iterable[T]:
    """Go through ``items`` with a progress bar."""
    return rich_track(items, what, console=CONSOLE, disable=quiet, transient=True)


def bar(items: Iterable[T], total: int, what: str, *, quiet: bool = False) -> Iterator[T]:
    """The same for items that come as they are made, ``total`` of them."""
    yield from rich_track(items, what, total, console=CONSOLE, disable=quiet, transient=True)
