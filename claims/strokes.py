"""More strokes for the second try of C4: each test head with five others than the study's own, for the same networks.

QONTRAST_DATA=/data python claims/strokes.py runs/claims     (goes on where it was stopped)
"""

import os
import sys
from pathlib import Path

from scores import STROKES_EACH

from qontrast.studies.folder import LEDGER, RUN, cell_folder
from qontrast.studies.grid import Cell
from qontrast.studies.plan import StudyPlan
from qontrast.tasks.evaluate import evaluate
from qontrast.tasks.plan_file import read_plan
from qontrast.tasks.plans import Cohort

STUDY, STROKES = "second-try", "strokes"
RECIPE = Path(__file__).parents[1] / "recipes" / "claims" / f"{STUDY}.yaml"
SEEDS = range(1, STROKES_EACH)
"""Of the scans; the study's own is 0."""


def labelled_at(plan: StudyPlan) -> tuple[str, str]:
    """The one site and contrast that the study's networks learned from."""
    ((site, contrast),) = (place.split("/") for place in plan.train)
    return site, contrast


def find_strokes(runs: Path, data: Path) -> None:
    """Score every arm's network on more strokes.

    Args:
        runs: folder with the study; the ledger is written beside it.
        data: folder with ``anatomies`` and ``lesions``.
    """
    plan: StudyPlan = read_plan(StudyPlan, RECIPE)
    heads = Cohort(data=str(data / "anatomies"), subjects=plan.split.test_subjects)
    site, contrast = labelled_at(plan)
    protocol = plan.sites[site].contrasts[contrast]
    for arm in plan.arms:
        cell = Cell("lesion", site, contrast, arm, *plan.schedules, *plan.fractions, *plan.seeds)
        run, ledger = cell_folder(runs / STUDY, cell.key) / RUN, runs / STROKES / LEDGER
        for seed in SEEDS:
            masks = str(data / "lesions")
            evaluate(run, heads, ledger, contrasts=(protocol,), snr=plan.snr, seed=seed, name=arm, masks=masks)


if __name__ == "__main__":
    find_strokes(Path(sys.argv[1]), Path(os.environ["QONTRAST_DATA"]))
