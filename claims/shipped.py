"""How the weights that come with the library do on the four heads that nothing was learned from, in C2's protocols.

QONTRAST_DATA=/data python claims/shipped.py runs/claims     (a quarter of an hour; goes on where it was stopped)

The networks alone, as `evaluate` scores them: whole heads of 1 mm with their skulls, at an SNR of 30; the denoiser on
two of these and two of the heads, at the SNRs of docs/limits.md.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

from qontrast.studies.folder import LEDGER
from qontrast.studies.plan import StudyPlan
from qontrast.tasks.evaluate import evaluate
from qontrast.tasks.plan_file import read_plan
from qontrast.tasks.plans import Cohort

SHIPPED = "shipped"
RECIPE = Path(__file__).parents[1] / "recipes" / "claims" / "main.yaml"
DENOISED = ("adni3-mprage", "ixi-hh-t2")
SNRS = (5.0, 10.0, 20.0, 40.0)


def protocols() -> dict[str, tuple[str, str]]:
    """Site and contrast of each protocol of the main study."""
    plan: StudyPlan = read_plan(StudyPlan, RECIPE)
    return {what: (site, label) for site, known in plan.sites.items() for label, what in known.contrasts.items()}


def score(runs: Path, data: Path) -> None:
    """Score both networks.

    Args:
        runs: folder in which the ledger's is made.
        data: folder with ``anatomies``.
    """
    plan: StudyPlan = read_plan(StudyPlan, RECIPE)
    heads = Cohort(data=str(data / "anatomies"), subjects=plan.split.test_subjects)
    ledger = runs / SHIPPED / LEDGER
    ledger.parent.mkdir(parents=True, exist_ok=True)
    evaluate("tissue-nano", heads, ledger, contrasts=tuple(protocols()), snr=plan.snr)
    two = replace(heads, subjects=heads.subjects[:2])
    evaluate("denoise-nano", two, ledger, contrasts=DENOISED, snr=SNRS)


if __name__ == "__main__":
    score(Path(sys.argv[1]), Path(os.environ["QONTRAST_DATA"]))
