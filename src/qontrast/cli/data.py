"""The commands for cohorts."""

import sys
from pathlib import Path
from typing import Literal

from cyclopts import App

from qontrast.basics.errors import QontrastError

app = App(name="data", help="Cohorts: prepare a cache that training reads crops from.")


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
        Only check that every file of the cache is as it was written.
    quiet
        Print nothing but errors.
    """
    from qontrast.tasks.cache_state import check as check_task
    from qontrast.tasks.prepare import Settings
    from qontrast.tasks.prepare import prepare as task

    if check:
        faults = check_task(out, quiet=quiet)
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
