"""The progress bar of a training."""

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def training_bar(quiet: bool) -> Progress:
    """Steps done, what is said of the last ones, and the time left."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=12),
        MofNCompleteColumn(),
        TextColumn("{task.fields[said]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
        refresh_per_second=2,
        disable=quiet,
    )
