"""What the claims need of a finished main study beside its ledger: sweeps (C5), a real scan, the control's scores.

QONTRAST_DATA=/data python claims/after.py runs/claims     (goes on where it was stopped)
"""

import os
import sys
from pathlib import Path

from qontrast.studies.plan import StudyPlan
from qontrast.sweeps.plan import SweepPlan
from qontrast.sweeps.sweep import sweep
from qontrast.tasks.evaluate import evaluate
from qontrast.tasks.plan_file import read_plan
from qontrast.tasks.plans import Cohort

RECIPE = Path(__file__).parents[1] / "recipes" / "claims" / "main.yaml"
SWEPT = ("masked", "masked-400", "base", "base-400", "hybrid", "nano")
SWEEPS, REAL, CONTROL, LEDGER = "sweeps", "real", "supervised", "ledger.jsonl"


def after(runs: Path, data: Path) -> None:
    """Sweep the encoders and their segmenters of three heads, score all of these on the real scan, score the control.

    Args:
        runs: folder with ``main`` and ``supervised``.
        data: folder with ``anatomies`` and ``scans``.
    """
    plan: StudyPlan = read_plan(RECIPE, StudyPlan)
    heads, main, control = plan.split.test_subjects, runs / "main", runs / CONTROL
    models = {arm: main / "cells" / f"tissue_adni-T1w_{arm}_full_3_s0" / "run" for arm in plan.arms}
    anatomies = Cohort(data=str(data / "anatomies"), subjects=heads)
    protocols = tuple(what for site in plan.sites.values() for what in site.contrasts.values())
    evaluate(control, anatomies, control / LEDGER, contrasts=protocols, snr=plan.snr, seed=plan.seed)
    scan = Cohort(data=str(data / "scans"), subjects=("sub-tissue",), kind="scans")
    for arm, model in {**models, CONTROL: control}.items():
        evaluate(model, scan, runs / REAL / LEDGER, name=arm)
    for arm in SWEPT:
        encoder = arm if plan.arms[arm].encoder else str(main / "pretrain" / arm)
        for kind, model in (("segmenter", str(models[arm])), ("encoder", encoder)):
            asked = SweepPlan(model=model, maps=str(data / "anatomies"), heads=len(heads), subjects=heads)
            sweep(asked, runs / SWEEPS / arm / kind)


if __name__ == "__main__":
    after(Path(sys.argv[1]), Path(os.environ["QONTRAST_DATA"]))
