"""Means of the tissue studies over the test heads, for the results page."""

from typing import Any

from scores import ARMS, PARTS, SCHEDULES, mean, seen

from qontrast.results.intervals import Interval

FRACTIONS = (1, 3, 10, 16)
"""Labelled heads; sixteen are all that there are: of the control, and of the second try of C3 and C4."""


def cells(rows: list[dict[str, Any]], task: str = "tissue") -> list[dict[str, Any]]:
    """Every mean of the tissue studies: arm, schedule, labelled heads, protocol and metric."""
    found: list[dict[str, Any]] = []
    tissue = [row for row in rows if row["task"] == task]
    places = sorted({(row["site"], row["contrast"]) for row in tissue})
    for arm in (*ARMS, *PARTS):
        for schedule in SCHEDULES:
            for labels in FRACTIONS:
                mine = [r for r in tissue if (r["arm"], r["schedule"], r["fraction"]) == (arm, schedule, labels)]
                for site, contrast in (*places, ("others", "all")):
                    here = [r for r in mine if (not seen(r) if site == "others" else r["site"] == site)]
                    here = [r for r in here if contrast in ("all", r["contrast"])]
                    for metric in ("dice", "hd95_mm"):
                        if (found_mean := mean(here, metric)) is not None:
                            place = {"site": site, "contrast": contrast, "metric": metric}
                            numbers = {"mean": found_mean.mean, "low": found_mean.low, "high": found_mean.high}
                            own = {"arm": arm, "schedule": schedule, "labelled_heads": labels}
                            found.append(own | place | numbers | {"seeds": len({r["seed"] for r in here})})
    return found


def picked(found: list[dict[str, Any]], **wanted: Any) -> Interval | None:
    """The one mean of a cell."""
    for cell in found:
        if all(cell[key] == value for key, value in wanted.items()):
            return Interval(cell["mean"], cell["low"], cell["high"], 4)
    return None
