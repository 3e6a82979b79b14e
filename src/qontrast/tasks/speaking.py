"""What a task says while it works: plain lines, and a bar for anything long."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import track as rich_track
from rich.table import Table
from rich.text import Text

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


@contextmanager
def byte_bar(total: int, *, quiet: bool = False) -> Iterator[Callable[[str, int], None]]:
    """A progress bar for a transfer of ``total`` bytes; what it gives is told a file's name and the bytes so far."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=CONSOLE, disable=quiet, transient=True) as progress:
        task = progress.add_task("", total=total or None)
        yield lambda name, done: progress.update(task, description=name[-40:], completed=done)


def say_table(head: Sequence[str], rows: Iterable[Sequence[str]], *, quiet: bool = False) -> None:
    """Print a table."""
    if quiet:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell.encode("utf-8", "backslashreplace").decode()) for cell in row))
    CONSOLE.print(table)
