"""Tables of the results page: Markdown and CSV."""

import csv
import io
from typing import Any

from qontrast.results.intervals import Interval


def shown(interval: Interval | None, decimals: int) -> str:
    """A mean with its interval, or a dash."""
    if interval is None:
        return "–"
    ends = "" if interval.low is None else f" [{interval.low:.{decimals}f}, {interval.high:.{decimals}f}]"
    return f"{interval.mean:.{decimals}f}{ends}"


def table(head: list[str], lines: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *lines]) + "\n"


def csv_text(lines: list[dict[str, Any]]) -> str:
    """Lines as CSV, the columns of the first, fractions to six digits."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    for line in lines:
        writer.writerow({key: f"{value:.6g}" if isinstance(value, float) else value for key, value in line.items()})
    return out.getvalue()
