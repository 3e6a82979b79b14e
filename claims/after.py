"""What the claims need of a finished main study beside its ledger: a real scan, the control's scores, sweeps (C5).

QONTRAST_DATA=/data python claims/after.py runs/claims [JOBS]     (goes on where it was stopped; with 0 jobs no sweeps)
"""

import os
import sys
from pathlib import Path

from joblib import Parallel, delayed
from scores import LABELLED_AT

from qontrast.studies.folder import LEDGER, RUN, cell_folder
from qontrast.studies.grid import PRETRAIN, Cell
from qontrast.studies.plan import StudyPlan
from qontrast.sweeps.plan import SweepPlan
from qontrast.sweeps.sweep import sweep
from qontrast.tasks.evaluate import evaluate
from qontrast.tasks.plan_file import read_plan
from qontrast.tasks.plans import Cohort

RECIPE = Path(__file__).parents[1] / "recipes" / "claims" / "main.yaml"
SWEPT = ("masked", "base", "seqinv", "hybrid")
"""Arms of C5; of the segmenters by each schedule the better counts."""
SWEEPS, REAL, CONTROL = "sweeps", "real", "supervised"


def after(runs: Path, data: Path, jobs: int = 1) -> None:
    """Score the segmenters of three heads and the control on the real scan, the control on heads, sweep the encoders.

    Args:
        runs: folder with ``main`` and ``supervised``.
        data: folder with ``anatomies`` and ``scans``.
        jobs: sweeps at a time; with 0 nothing is swept.
    """
    plan: StudyPlan = read_plan(StudyPlan, RECIPE)
    heads, main, control = plan.split.test_subjects, runs / "main", runs / CONTROL
    scan = Cohort(data=str(data / "scans"), subjects=("sub-tissue",), kind="scans")

    def model(arm: str, schedule: str) -> Path:
        return cell_folder(main, Cell("tissue", *LABELLED_AT, arm, schedule, 3, 0).key) / RUN

    for arm in plan.arms:
        for schedule in plan.schedules:
            evaluate(model(arm, schedule), scan, runs / REAL / LEDGER, name=arm)
    evaluate(control, scan, runs / REAL / LEDGER, name=CONTROL)
    anatomies = Cohort(data=str(data / "anatomies"), subjects=heads)
    protocols = tuple(what for site in plan.sites.values() for what in site.contrasts.values())
    evaluate(control, anatomies, control / LEDGER, contrasts=protocols, snr=plan.snr, seed=plan.seed)
    if not jobs:
        return
    swept = [(arm, "encoder", main / PRETRAIN / arm) for arm in SWEPT]
    swept += [(arm, how, model(arm, how)) for arm in SWEPT for how in plan.schedules]

    def one(arm: str, kind: str, network: Path) -> None:
        asked = SweepPlan(model=str(network), maps=str(data / "anatomies"), heads=len(heads), subjects=heads)
        sweep(asked, runs / SWEEPS / arm / kind, quiet=jobs > 1)

    Parallel(n_jobs=jobs)(delayed(one)(*each) for each in swept)


if __name__ == "__main__":
    after(Path(sys.argv[1]), Path(os.environ["QONTRAST_DATA"]), *map(int, sys.argv[2:]))
