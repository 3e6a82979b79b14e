"""What the library's own weights came to, for the results page."""

from statistics import fmean
from typing import Any

from shipped import SHIPPED
from tables import table

CLASS = "class_or_snr"
SEGMENTED = """## The weights that come with the library

On the same four heads, which they did not see either: whole heads of 1 mm with their skulls, SNR 30, the network alone
(`evaluate`; `segment` refines what it says). No claim was made. Mean Dice of `tissue-nano`, in brackets the lowest and
highest of the four:

"""
DENOISED = """PSNR (dB) of the noisy scan of two of the heads, and of what `denoise-nano` makes of it (the network
alone: `denoise` takes no more away than the noise that it finds in the scan):

"""


def shipped_cells(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every mean of the library's own weights over the test heads: by protocol, and by class or SNR."""
    found: list[dict[str, Any]] = []
    mine = [row for row in rows if row["task"] == SHIPPED]
    for metric, by in (("dice", "class"), ("hd95_mm", "class"), ("psnr_db", "snr"), ("noisy_psnr_db", "snr")):
        there = [row for row in mine if metric in row]
        for site, contrast, key in sorted({(r["site"], r["contrast"], r[by]) for r in there}):
            here = [r for r in there if (r["site"], r["contrast"], r[by]) == (site, contrast, key)]
            values = [float(r[metric]) for r in here]
            own = {"weights": here[0]["arm"], "site": site, "contrast": contrast, CLASS: key, "metric": metric}
            found.append(own | {"mean": fmean(values), "lowest": min(values), "highest": max(values)})
    return found


def shipped_tables(found: list[dict[str, Any]]) -> str:
    """The library's own weights in numbers; nothing where they were not scored."""
    if not found:
        return ""
    mean = {(c["site"], c["contrast"], c[CLASS], c["metric"]): c for c in found}

    def all_of(metric: str, *keys: str) -> list[Any]:
        return list(dict.fromkeys(tuple(c[key] for key in keys) for c in found if c["metric"] == metric))

    places = all_of("dice", "site", "contrast")
    lines = [[name, *(_range(mean[*place, name, "dice"]) for place in places)] for (name,) in all_of("dice", CLASS)]
    text = SEGMENTED + table(["class", *map(" ".join, places)], lines) + "\n"
    if snrs := [snr for (snr,) in all_of("psnr_db", CLASS)]:

        def change(place: tuple[str, str], snr: float) -> str:
            return " to ".join(f"{mean[*place, snr, key]['mean']:.1f}" for key in ("noisy_psnr_db", "psnr_db"))

        noisy = all_of("psnr_db", "site", "contrast")
        lines = [[" ".join(place), *(change(place, snr) for snr in snrs)] for place in noisy]
        text += DENOISED + table(["scan", *(f"SNR {snr:g}" for snr in snrs)], lines) + "\n"
    return text + "Every mean, HD95 too: [results/shipped.csv](results/shipped.csv).\n\n"


def extremes(found: list[dict[str, Any]]) -> dict[str, str]:
    """The means of each class in the protocols where they are lowest and highest, as they may be quoted."""
    said = {}
    for name in dict.fromkeys(c[CLASS] for c in found if c["metric"] == "dice"):
        means = [c["mean"] for c in found if (c[CLASS], c["metric"]) == (name, "dice")]
        said |= {
            f"tissue-nano, {name}, lowest": f"{min(means):.2f}",
            f"tissue-nano, {name}, highest": f"{max(means):.2f}",
        }
    return said


def _range(cell: dict[str, Any]) -> str:
    return f"{cell['mean']:.2f} [{cell['lowest']:.2f}, {cell['highest']:.2f}]"
