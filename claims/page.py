"""Write docs/results.md, and its figures with the numbers behind them from the kept ledgers: `make claims`."""

import io
import itertools
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib as mpl
from beside import BESIDE, beside_table
from invariance import Steadiness, steadiness, swept, verdicts, with_dice
from matplotlib.figure import Figure
from means import FRACTIONS, cells, picked
from scores import AGAIN, ARMS, CONTROL, CONTROL_ARM, PARTS, SCHEDULES, Claim, claims, joint, kept_rows, mean, reached
from shipped_page import extremes, shipped_cells, shipped_tables
from strokes_page import kinds_table
from tables import csv_text, shown, table

from qontrast.basics.atomic import write_atomic
from qontrast.results.score_catalogue import METRICS

DOCS = Path(__file__).parents[1] / "docs"
FOLDER = DOCS / "results"
TASKS = (
    ("denoise", "C3: denoising (PSNR, dB)", "psnr_db"),
    ("lesion", "C4: strokes (Dice)", "dice"),
    ("lesion", "C4: strokes found (F1 of lesions)", "lesion_f1"),
)
INTRODUCTION = """# What the claims came to

Written by `make claims` from the ledgers in [claims/ledgers](../claims/ledgers). What is claimed, and what would refute
it, was registered in [claims.md](claims.md) before the runs; scores of an earlier version on the same four test heads
had been seen then. Scores are means over these heads, which no model here was trained on, of all classes, protocols
and seeds; in brackets the 95 % interval over heads (Student's: there are four). All scans are simulated but
that of "A real scan".
hybrid and its parts (but no-quantitative) were pretrained on tissue maps drawn from the label maps of all sixteen
training heads; "labelled" counts the heads of the fine-tuning. supervised learned from all sixteen.

Sites name the scanners whose protocols are simulated, and hold none of their data: adni MPRAGE at 3 T, hammersmith T2w
at 3 T, guys PDw at 1.5 T, biobank FLAIR at 3 T, stroke T2\\*w at 3 T, seven MP2RAGE at 7 T, portable T2w at 0.064 T.
A dash: not run; ten heads were, with encoders that were trained anew ("Ten labelled heads").
"""


def tissue_tables(found: list[dict[str, Any]]) -> str:
    """C1 and C2 in numbers."""
    text = "## C1: few labels, the protocol that the labels are of\n\n"
    for metric in ("dice", "hd95_mm"):
        lines = []
        for arm in ARMS:
            for schedule in SCHEDULES:
                at = {"arm": arm, "schedule": schedule, "site": "adni", "metric": metric}
                means = [picked(found, labelled_heads=n, **at) for n in FRACTIONS]
                if any(m is not None for m in means):
                    lines.append([arm, schedule, *(shown(m, METRICS[metric].decimals) for m in means)])
        text += table([METRICS[metric].name, "schedule", *(f"{n} labelled" for n in FRACTIONS)], lines) + "\n"
    text += "## C2: three heads labelled on MPRAGE, tested on protocols without labels (Dice)\n\n"
    places = sorted({(c["site"], c["contrast"]) for c in found if c["site"] not in ("adni", "others")})
    lines = []
    for arm in (*ARMS, *PARTS):
        for schedule in SCHEDULES:
            labels = FRACTIONS[-1] if arm == CONTROL_ARM else 3
            at = {"arm": arm, "schedule": schedule, "labelled_heads": labels, "metric": "dice"}
            means = [picked(found, site=s, contrast=c, **at) for s, c in places]
            if any(m is not None for m in means):
                own = ["–" if m is None else f"{m.mean:.2f}" for m in means]
                lines.append([arm, schedule, *own, shown(picked(found, site="others", **at), 3)])
    return text + table(["arm", "schedule", *(f"{s} {c}" for s, c in places), "all six"], lines)


def claim_table(found: list[Claim], steady: dict[str, Steadiness]) -> str:
    """Every claim with its verdict, then what each was judged by."""
    names = list(dict.fromkeys(claim.name for claim in found))
    control = joint(found, CONTROL)
    void = control in ("fails", "not told apart", "not reached")
    lines = []
    for name in names:
        verdict, mark = joint(found, name), ""
        if name.startswith(("C1", "C2")):
            missing = (control, verdict) == ("not run", "holds")
            mark = ", **void**" if void else ", open: the control was not run" if missing else ""
        lines.append([name, verdict + mark])
    lines += [[f"C5, against {about}", verdict] for about, verdict in verdicts(steady).items()]
    text = table(["claim", "verdict"], lines) + "\n"
    if void:
        text += (
            "Void: the same heads, sequences and number of images served plain segmentation as well as the hybrid's "
            "pretraining or better, so no claim about few labels is made.\n\n"
        )
    lines = []
    for claim in found:
        asked = f"{claim.first} above {claim.about}" + (f" by {claim.least:g}" if claim.least else "")
        rival, had, p = "–", "–", "–"
        if claim.compared is not None:
            rival, had = claim.second, f"{claim.compared.difference.mean:+.3f}"
            p = f"{claim.compared.permutation_p:.3f}"
        seeds = ", ".join(f"{d:+.3f}" for d in claim.by_seed) or "–"
        lines.append([claim.name, METRICS[claim.metric].name, asked, rival, had, seeds, p, claim.verdict])
    return text + table(["claim", "score", "what", "rival", "difference", "by seed", "p", "verdict"], lines)


def task_cells(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every mean of denoising and strokes: task, labelled heads, arm, schedule, contrast and, of noise, its SNR."""
    found: list[dict[str, Any]] = []
    for task, _, metric in TASKS:
        mine = [r | {"snr": r.get("snr") if task == "denoise" else None} for r in rows if r["task"] == task]
        places = sorted({(str(r["contrast"]), r["snr"]) for r in mine}, key=_in_order)
        for labels, arm, schedule, (contrast, snr) in itertools.product(FRACTIONS, ARMS, SCHEDULES, places):
            at = {"fraction": labels, "arm": arm, "schedule": schedule, "contrast": contrast, "snr": snr}
            if (m := mean([r for r in mine if all(r[key] == value for key, value in at.items())], metric)) is not None:
                about = {"task": task, "labelled_heads": at.pop("fraction")} | at
                found.append(about | {"metric": metric, "mean": m.mean, "low": m.low, "high": m.high})
    return found


def other_tasks(found: list[dict[str, Any]]) -> str:
    """C3 and C4 in numbers."""
    text = ""
    for (task, title, metric), labels in itertools.product(TASKS, FRACTIONS):
        about = (task, labels, metric)
        mine = [cell for cell in found if (cell["task"], cell["labelled_heads"], cell["metric"]) == about]
        places = sorted({(cell["contrast"], cell["snr"]) for cell in mine}, key=_in_order)
        heads = [contrast if snr is None else f"{contrast}, SNR {snr:g}" for contrast, snr in places]
        lines = []
        for arm, schedule in dict.fromkeys((cell["arm"], cell["schedule"]) for cell in mine):
            means = (picked(mine, arm=arm, schedule=schedule, contrast=c, snr=snr) for c, snr in places)
            lines.append([arm, schedule, *(shown(m, METRICS[metric].decimals) for m in means)])
        if mine:
            text += f"## {title}, {labels} labelled heads\n\n" + table(["arm", "schedule", *heads], lines) + "\n"
    return text


def reach(rows: list[dict[str, Any]]) -> str:
    """Whether the 4 dB of C3 could have been reached at all."""
    if (found := reached(rows)) is None:
        return ""
    arm, base, compared = found
    gain = compared.difference.mean
    verdict = "could be reached" if gain >= 4 else "were out of reach of sixteen heads and four times the steps"
    said = f"The best arm with sixteen heads ({arm}) is {gain:+.2f} dB from {base} with three"
    return f"{said}: the 4 dB of C3 {verdict}.\n\n"


def minutes_table(rows: list[dict[str, Any]]) -> str:
    """What the pretrainings cost."""
    mine = [row for row in rows if row["task"] == "pretraining"]
    if not mine:
        return ""
    lines = [[r["study"], r["arm"], str(r["steps"]), f"{r['minutes']:.1f}"] for r in mine]
    where = (
        "Steps times their median time: nine at a time on one H200, the control alone on two cores, the parts "
        "(ablations) and what was trained anew (ten-heads) two at a time on two cores of another kind. Every arm is "
        "shown 4,800 pairs, the control 10,200 crops, scratch nothing."
    )
    return f"## What the pretrainings cost\n\n{where}\n\n" + table(["study", "arm", "steps", "minutes"], lines) + "\n"


def steadiness_table(steady: dict[str, Steadiness]) -> str:
    """C5 in numbers."""
    if not steady:
        return ""
    head = [
        "arm",
        "Dice",
        "its standard deviation",
        "found again",
        "drift, of another head's",
        "sequence told (0 is chance)",
    ]
    lines = [
        [arm, *(f"{value:.3f}" for value in (s.dice, s.spread, s.retrieval, s.drift, s.leakage))]
        for arm, s in steady.items()
    ]
    said = "Dice is that of the schedule with the higher mean; both follow below."
    return f"## C5: over the sweep's protocols\n\n{said}\n\n" + table(head, lines) + "\n"


def swept_table(found: list[dict[str, Any]]) -> str:
    """Dice over the sweep by schedule."""
    sequences = [name for name in dict.fromkeys(cell["sequence"] for cell in found) if name != "all"]
    lines = []
    for arm, schedule in dict.fromkeys((cell["arm"], cell["schedule"]) for cell in found):
        mine = {cell["sequence"]: cell for cell in found if (cell["arm"], cell["schedule"]) == (arm, schedule)}
        of_all = [f"{mine['all'][key]:.3f}" for key in ("mean", "deviation", "lowest", "highest")]
        lines.append([arm, schedule, *of_all, *(f"{mine[name]['mean']:.3f}" for name in sequences)])
    return table(["Dice", "schedule", "mean", "standard deviation", "lowest", "highest", *sequences], lines) + "\n"


def swept_figure(rows: list[dict[str, Any]]) -> Figure:
    """Dice at each protocol of the sweep, by arm and sequence, a panel for each schedule."""
    useful = with_dice(rows)
    arms = [arm for arm in ARMS if any(r["arm"] == arm for r in useful)]
    sequences = sorted({r["sequence"] for r in useful})
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    panels = figure.subplots(1, len(SCHEDULES), sharey=True)
    for axes, schedule in zip(panels, SCHEDULES, strict=True):
        for (place, arm), (number, sequence) in itertools.product(enumerate(arms), enumerate(sequences)):
            at = (arm, schedule, sequence)
            dice = [r["dice_mean"] for r in useful if (r["arm"], r["model"], r["sequence"]) == at]
            width = 0.8 / len(sequences)
            left = place - 0.4 + number * width
            across = [left + width * (0.15 + 0.7 * i / max(1, len(dice) - 1)) for i in range(len(dice))]
            axes.plot(across, dice, ".", ms=3, color=f"C{number}", label=sequence if place == 0 else None)
            axes.hlines(fmean(dice), left, left + width, color=f"C{number}", lw=2)
        axes.set_xticks(range(len(arms)), arms)
        axes.set(title=schedule)
        axes.grid(alpha=0.3, axis="y")
    panels[0].set_ylabel("Dice")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right", fontsize=8)
    figure.suptitle("Each protocol of the sweep; lines are means of a sequence")
    return figure


def real_table(rows: list[dict[str, Any]]) -> str:
    """The one real scan with tissue labels."""
    mine = [row for row in rows if row["task"] == "real"]
    if not mine:
        return ""
    classes = sorted({row["class"] for row in mine})
    dice = {(row["arm"], row["schedule"], row["class"]): row["dice"] for row in mine}
    ways = dict.fromkeys((row["arm"], row["schedule"]) for row in mine)
    lines = [[*way, *(f"{dice[*way, name]:.3f}" for name in classes)] for way in ways]
    said = (
        "## A real scan\n\nOne T1w without its skull, against FAST, in 2 mm: no claim. The encoders are those of the "
        "ten heads above, and supervised was trained anew, too. Dice:\n\n"
    )
    return said + table(["arm, 3 labelled heads (supervised: 16)", "schedule", *classes], lines) + "\n"


def _in_order(column: tuple[str, float | None]) -> tuple[str, float]:
    return column[0], column[1] or 0.0


def low_data_figure(found: list[dict[str, Any]], site: str, title: str) -> Figure:
    """Dice over the number of labelled heads with its interval, a panel for each schedule."""
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    panels = figure.subplots(1, len(SCHEDULES), sharey=True)
    for axes, schedule in zip(panels, SCHEDULES, strict=True):
        for number, arm in enumerate(ARMS):
            at = {"arm": arm, "schedule": schedule, "site": site, "metric": "dice"}
            means = [picked(found, labelled_heads=n, **at) for n in FRACTIONS]
            points = [(n, m) for n, m in zip(FRACTIONS, means, strict=True) if m is not None]
            if points:
                x, y = [n for n, _ in points], [m.mean for _, m in points]
                low = [m.mean - (m.mean if m.low is None else m.low) for _, m in points]
                high = [(m.mean if m.high is None else m.high) - m.mean for _, m in points]
                beside = [n * 1.025 ** (number - len(ARMS) / 2) for n in x]  # intervals would hide each other
                axes.errorbar(beside, y, [low, high], marker="o", ms=4, elinewidth=0.6, color=f"C{number}", label=arm)
        axes.set(title=schedule, xlabel="labelled heads", xscale="log", xticks=FRACTIONS)
        axes.set_xticks(FRACTIONS, [str(n) for n in FRACTIONS])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("Dice")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right", fontsize=8)
    figure.suptitle(f"{title} (bars: 95 % interval over four heads)")
    return figure


def write_figure(figure: Figure, name: str) -> str:
    """The figure as a file; the Markdown that shows it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    write_atomic(FOLDER / name, buffer.getvalue())
    return f"![{name}](results/{name})\n\n"


def main(rows: list[dict[str, Any]] | None = None) -> None:
    """Write everything."""
    mpl.use("Agg")
    rows = kept_rows() if rows is None else rows
    judged, found, steady = claims(rows), cells(rows), steadiness(rows)
    text = INTRODUCTION + "\n## Verdicts\n\n" + claim_table(judged, steady) + "\n"
    if found:
        text += tissue_tables(found) + "\n"
        text += write_figure(low_data_figure(found, "adni", "MPRAGE, which the labels are of"), "c1.png")
        text += write_figure(low_data_figure(found, "others", "Six protocols without labels"), "c2.png")
        write_atomic(FOLDER / "tissue.csv", csv_text(found))
        text += "Every mean behind these: [results/tissue.csv](results/tissue.csv).\n\n"
    for task, (name, said) in BESIDE.items():
        if more := cells(rows, task):
            text += said + beside_table(more) + f"Every mean: [results/{name}.csv](results/{name}.csv).\n\n"
            write_atomic(FOLDER / f"{name}.csv", csv_text(more))
    if others := task_cells(rows):
        text += other_tasks(others) + kinds_table(rows) + reach(rows)
        text += "Every mean of C3 and C4: [results/tasks.csv](results/tasks.csv).\n\n"
        write_atomic(FOLDER / "tasks.csv", csv_text(others))
    text += steadiness_table(steady)
    if points := swept(rows):
        text += swept_table(points) + write_figure(swept_figure(rows), "c5.png")
        text += (
            "Every mean of the sweep: [results/sweep.csv](results/sweep.csv), every protocol "
            "[results/protocols.csv](results/protocols.csv), the embedding "
            "[results/invariance.csv](results/invariance.csv).\n\n"
        )
        write_atomic(FOLDER / "sweep.csv", csv_text(points))
        shown_points = ("arm", "model", "sequence", "field_T", "dice_mean")
        write_atomic(FOLDER / "protocols.csv", csv_text([{k: r[k] for k in shown_points} for r in with_dice(rows)]))
        write_atomic(FOLDER / "invariance.csv", csv_text([{"arm": arm} | asdict(s) for arm, s in steady.items()]))
    if own := shipped_cells(rows):
        text += shipped_tables(own)
        write_atomic(FOLDER / "shipped.csv", csv_text(own))
    text += real_table(rows) + minutes_table(rows)
    write_atomic(DOCS / "results.md", text)


def quotable(rows: list[dict[str, Any]]) -> dict[str, str]:
    """All that other pages may quote, by name, as it is written there."""
    again = {f"once more, {name}": said for name, said in of_cells(cells(rows, AGAIN)).items()}
    strokes = {
        f"strokes, {c['arm']}, {c['labelled_heads']} labelled, {c['contrast']}": f"{c['mean']:.3f}"
        for c in task_cells(rows)
        if (c["task"], c["metric"], c["schedule"]) == ("lesion", "dice", "full")
    }
    real = {
        f"real scan, {r['arm']}, {r['schedule']}, {r['class']}": f"{r['dice']:.3f}" for r in rows if r["task"] == "real"
    }
    judged = numbers(claims(rows), cells(rows), steadiness(rows))
    return judged | extremes(shipped_cells(rows)) | again | strokes | real


def numbers(judged: list[Claim], found: list[dict[str, Any]], steady: dict[str, Steadiness]) -> dict[str, str]:
    """What may be quoted of the claims."""
    quoted = {f"{c.name}, above {c.about}": f"{c.compared.difference.mean:+.3f}" for c in judged if c.compared}
    return quoted | of_cells(found) | {f"{arm}, found again": f"{s.retrieval:.3f}" for arm, s in steady.items()}


def of_cells(found: list[dict[str, Any]]) -> dict[str, str]:
    """Dice on the protocol of the labels and on the six others."""
    return {
        f"{cell['arm']}, {cell['schedule']}, {cell['labelled_heads']} labelled, {cell['site']}": f"{cell['mean']:.3f}"
        for cell in found
        if cell["metric"] == "dice" and cell["site"] in ("adni", "others")
    }


if __name__ == "__main__":
    main()
