"""The demonstration: the whole method, small, on the embedded heads, within minutes on a laptop."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qontrast.basics.atomic import claim_folder, write_atomic
from qontrast.basics.errors import InputError
from qontrast.engine.optimisation import Optimisation
from qontrast.report.page import write_report
from qontrast.results.compare import FEWEST_PAIRS, paired
from qontrast.results.intervals import Interval
from qontrast.results.table import subject_means, summarise
from qontrast.tasks.evaluate import evaluate
from qontrast.tasks.finetune import finetune
from qontrast.tasks.plans import Cohort, FinetunePlan, PretrainPlan, Probing
from qontrast.tasks.pretrain import pretrain
from qontrast.tasks.schedules import Schedule
from qontrast.tasks.speaking import say
from qontrast.views.plan import ViewPlan

MARK = ".qontrast-demo"
SEEN, UNSEEN = "mprage", "fse"
SHIPPED, NET = "nano", "cnn-pico"
HEADS, TESTED, LABELLED = 8, FEWEST_PAIRS, 2
PRETRAIN_STEPS, FINETUNE_STEPS = 30, 80
GENTLY = Schedule("warm-up", head=0.5, encoder_rate=0.5)
"""Of features that are worth keeping; what is not pretrained has nothing to lose, and learns at once."""
VIEWS = ViewPlan(arm="seqinv", crop=48, spacing=2.0)
# At 32³ and 3 mm the contrastive loss did not fall in 60 steps; see ARCHITECTURE.md.


def demo(out: Path, *, overwrite: bool = False, quiet: bool = False) -> list[str]:
    """Pretrain on embedded heads; fine-tune from that, from the library's weights and from nothing; test on others.

    Args:
        out: folder for ``report.html``, ``results.jsonl`` and the runs.
        overwrite: replace an earlier demonstration there (and nothing else).
        quiet: print nothing.

    Returns:
        The main figures, one sentence each.

    Raises:
        InputError: if the folder holds anything but an earlier demonstration.
        WriteError: if the disk is full.
    """
    begin = time.monotonic()
    _claim(out, overwrite=overwrite)
    heads = [f"sub-mni{i:03d}" for i in range(1, HEADS + TESTED + 1)]
    train, test = tuple(heads[:HEADS]), tuple(heads[HEADS:])
    everyone = HEADS + TESTED

    say(
        f"1. Pretraining. {HEADS} heads are made by deforming the MNI152 template strongly. Each step scans crops of\n"
        "   them twice, in two different random contrasts, and the encoder learns which two views are one brain.",
        quiet=quiet,
    )
    plan = PretrainPlan(
        cohort=Cohort(embedded=everyone, subjects=train),
        net=NET,
        dropout=0.0,
        views=VIEWS,
        optimisation=Optimisation(steps=PRETRAIN_STEPS),
        probe=Probing(every=0),
    )
    pretrain(plan, out / "pretrain-seqinv", quiet=quiet)

    say(
        f"2. Fine-tuning. A U-Net learns grey matter, white matter and fluid from {LABELLED} labelled heads, seen in\n"
        f"   {SEEN.upper()} only: from the library's own weights (pretrained for longer, on the tissue of sixteen\n"
        "   other heads; the last layer learns first, at two thirds of the rate), from a short pretraining, and from\n"
        "   scratch. Network, data and steps are equal.",
        quiet=quiet,
    )
    encoders = {SHIPPED: SHIPPED, "seqinv": str(out / "pretrain-seqinv"), "scratch": None}
    runs = {name: out / f"finetune-{name}" for name in encoders}
    for name, folder in runs.items():
        finetune(
            FinetunePlan(
                cohort=Cohort(embedded=everyone, subjects=train[:LABELLED]),
                encoder=encoders[name],
                net=NET,
                dropout=0.0,
                contrasts=(SEEN,),
                batch=2,
                views=VIEWS,
                schedule=GENTLY if name == SHIPPED else Schedule(),
                optimisation=Optimisation(steps=FINETUNE_STEPS, learning_rate=2e-3 if name == SHIPPED else 3e-3),
            ),
            folder,
            quiet=quiet,
        )

    say(
        f"3. Testing on {TESTED} other heads: in {SEEN.upper()}, and in {UNSEEN.upper()} (T2-weighted), a contrast\n"
        "   that fine-tuning never saw.",
        quiet=quiet,
    )
    ledger = out / "results.jsonl"
    cohort = Cohort(embedded=everyone, subjects=test)
    rows: list[dict[str, Any]] = []
    for folder in runs.values():
        rows += evaluate(folder, cohort, ledger, contrasts=(SEEN, UNSEEN), quiet=quiet)

    figures = _figures(rows)
    write_report(
        out / "report.html",
        title="qontrast demo: one brain in many contrasts",
        runs=[out / "pretrain-seqinv", *runs.values()],
        ledger=ledger,
        notes=[_what_this_is(), *figures],
    )
    took = time.monotonic() - begin
    for line in (*figures, f"took {took / 60:.1f} min", f"results: {ledger}", f"report: {out / 'report.html'}"):
        say(line, quiet=quiet)
    return figures


def _claim(out: Path, *, overwrite: bool) -> None:
    if overwrite and (out / MARK).is_file():
        shutil.rmtree(out)
    elif overwrite and out.is_dir() and any(out.iterdir()):
        raise InputError(out, "a folder that no demo has written", "an earlier demo", "Choose another --out.")
    claim_folder(out, flag="Add --overwrite to replace an earlier demo, or choose another --out.")
    write_atomic(out / MARK, "")


def _what_this_is() -> str:
    return (
        f"A small run of the method on the embedded heads: {HEADS} to pretrain, {LABELLED} of them labelled, {TESTED} "
        "others to test. All heads are deformed copies of one template and all scans are simulated: the scores say "
        f"that every part works together, not how methods rank on people. {PRETRAIN_STEPS} steps of pretraining are "
        f"too few to gain by: {SHIPPED} had more, and was shown the tissue of sixteen other heads (see its card): "
        "supervision by their label maps, which says nothing of learning without labels. "
        "Dice is the overlap with the truth (1 is perfect), HD95 the distance in mm within which 95 % of borders lie."
    )


def _figures(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The main figures in words, whichever way they fall."""
    lines = []
    for contrast, seen in ((SEEN, "seen in fine-tuning"), (UNSEEN, "never seen in fine-tuning")):
        here = [row for row in rows if row["contrast"] == contrast]
        dice = {line["arm"]: line["dice"].mean for line in summarise(here, by=("arm",), metrics=("dice",))}
        arms = [subject_means([r for r in here if r["arm"] == arm], "dice") for arm in (SHIPPED, "scratch")]
        gap = paired(arms[0], arms[1]).difference
        lines.append(
            f"{contrast.upper()} ({seen}): mean Dice {dice[SHIPPED]:.3f} from the library's weights, "
            f"{dice['scratch']:.3f} from scratch, {dice['seqinv']:.3f} from the short pretraining; the first over the "
            f"second {gap.mean:+.3f} over {gap.count} heads: {_verdict(gap)}."
        )
    return lines


def _verdict(gap: Interval) -> str:
    if gap.low is None or gap.high is None or gap.count < FEWEST_PAIRS:
        return "too few heads to say whether pretraining helped"
    interval = f"95 % interval {gap.low:+.3f} to {gap.high:+.3f}"
    if gap.low > 0:
        return f"{interval}, pretraining helped on these heads"
    return f"{interval}, pretraining did harm" if gap.high < 0 else f"{interval}, no clear difference"
