"""The command that makes labels by a programme."""

from pathlib import Path

from qontrast.cli.lists import Words


def label(data: str, /, *, out: Path | None = None, subjects: Words = (), quiet: bool = False) -> None:
    """Make grey matter, white matter and fluid maps of scans that have none, marked as automatic (needs ANTsPy).

    Minutes a head, by N4, the MNI152 template and Atropos; for brains without their skull. Truths made so and others
    are never trained on or scored together unless the plan says so.

    Parameters
    ----------
    data
        BIDS folder or table of scans.
    out
        Folder to write to; without it derivatives/automatic_labels in the data, where fine-tuning finds them.
    subjects
        Names of the subjects to label; all where not given.
    quiet
        Print nothing.
    """
    from qontrast.tasks.automatic_labels import label_scans
    from qontrast.tasks.plans import Cohort

    label_scans(Cohort(data=data, subjects=subjects), out, quiet=quiet)
