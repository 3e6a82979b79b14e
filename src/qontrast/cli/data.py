"""The commands for cohorts."""

import sys
from pathlib import Path
from typing import Literal

from cyclopts import App

from qontrast.basics.errors import QontrastError

app = App(name="data", help="Cohorts: what there is, to fetch one, to look it over, to prepare a cache for training.")


@app.command
def prepare(
    cohort: str,
    /,
    *,
    out: Path,
    kind: Literal["auto", "maps", "labels", "scans"] = "auto",
    labels: str | None = None,
    embedded: int = 8,
    jobs: int = 0,
    check: bool = False,
    quiet: bool = False,
) -> None:
    """Read a cohort once into a cache of compressed chunks; run it again to go on, to add subjects, to mend.

    Parameters
    ----------
    cohort
        BIDS folder, hMRI toolbox folders, IXI's flat folders, a table of files (.tsv, .csv), or "embedded".
    out
        Folder of the cache; give it to --data afterwards.
    kind
        What to look for: tissue maps, label maps, or scans of several contrasts; auto takes the first that there is.
    labels
        TSV with the tissue of each label, for label maps that are not FreeSurfer's.
    embedded
        How many embedded heads there are.
    jobs
        Processes; 0 for one per core.
    check
        Only check that every file of the cache is as it was written, and that it was made of this cohort.
    quiet
        Print nothing but errors.
    """
    from qontrast.tasks.cache_state import check as check_task
    from qontrast.tasks.prepare import Settings
    from qontrast.tasks.prepare import prepare as task

    if check:
        faults = check_task(out, cohort, quiet=quiet)
        if faults:
            listed = "\n  ".join(faults)
            raise QontrastError(f"{out}: {len(faults)} damaged:\n  {listed}\nRun again without --check to mend them.")
        if not quiet:
            print(f"{out}: every file is as it was written")
        return
    summary = task(Settings(cohort, kind, labels, embedded), out, jobs=jobs, quiet=quiet)
    stuck = [o for o in summary.outcomes if o.stuck]
    if stuck or not summary.subjects:
        first = (stuck or summary.left_out)[0].why if stuck or summary.left_out else "No subject was found."
        raise QontrastError(
            f"{len(summary.left_out)} subjects were left out, {len(summary.subjects)} are there. {first}"
        )
    if quiet and summary.left_out:
        print(f"{len(summary.left_out)} left out; see left_out in {out / 'manifest.json'}", file=sys.stderr)


@app.command(name="list")
def list_cohorts(*, details: bool = False) -> None:
    """The public cohorts that `data get` knows. Any other BIDS folder works without standing here.

    Parameters
    ----------
    details
        Sites, citation and what else a user should know of each.
    """
    from qontrast.tasks.cohort_list import list_cohorts as task

    task(details=details)


@app.command
def get(
    name: str,
    /,
    *,
    out: Path,
    only: str = "",
    subjects: str = "",
    yes: bool = False,
    mirror: str = "",
    keep_archives: bool = False,
    quiet: bool = False,
) -> None:
    """Download a public cohort: its licence first; run it again to go on after a broken connection.

    Parameters
    ----------
    name
        Of the cohort (see `qontrast data list`).
    out
        Folder to put it in.
    only
        Contrasts, parted by commas: T1,T2. Tables and masks always come along.
    subjects
        How many, or their names, parted by commas.
    yes
        The licence is accepted; do not ask.
    mirror
        Base address of a mirror that has the hosts as folders; else the variable QONTRAST_MIRROR.
    keep_archives
        Keep archives after they were unpacked.
    quiet
        Print nothing but errors and the question.
    """
    from qontrast.tasks.cohort_get import get as task

    task(
        name,
        out,
        only=_words(only),
        subjects=_words(subjects),
        yes=yes,
        mirror=mirror,
        keep_archives=keep_archives,
        quiet=quiet,
    )


@app.command(name="check")
def check_folder(folder: Path, /, *, cohort: str = "", digests: bool = False, quiet: bool = False) -> None:
    """Look a cohort's folder over: what is there, what is missing, what is broken (then the exit status is 1).

    Parameters
    ----------
    folder
        Of the cohort.
    cohort
        Its name in `qontrast data list`, if that is not clear from the folder.
    digests
        Read every downloaded file, and compare its SHA-256.
    quiet
        Print nothing but errors.
    """
    from qontrast.tasks.cohort_check import check_cohort as task

    wrong = task(folder, cohort, digests=digests, quiet=quiet).broken
    if wrong:
        raise QontrastError(f"{folder}: {len(wrong)} broken, first {wrong[0].where}: {wrong[0].what}")


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
