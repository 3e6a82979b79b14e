"""What the kept ledgers say: scores by arm and schedule, and each claim of docs/claims.md with its verdict."""

import gzip
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qontrast.results.compare import Paired, paired
from qontrast.results.family import means_by_subject, unit_means
from qontrast.results.intervals import Interval, bootstrap_mean
from qontrast.results.score_catalogue import METRICS

LEDGERS = Path(__file__).parent / "ledgers"
ARMS = ("scratch", "masked", "base", "seqaug", "seqinv", "hybrid", "nano")
PARTS = ("no-dense", "no-cross", "no-quantitative", "published-ranges")
SCHEDULES = ("full", "frozen")
LABELLED_AT = ("adni", "T1w")
FOUR_AGREE = 0.125
"""The smallest two-sided p of a sign-flip test over four subjects."""

Row = Mapping[str, Any]
Chosen = Callable[[Row], bool]


def kept_rows(folder: Path = LEDGERS) -> list[dict[str, Any]]:
    """Rows of all ledgers."""
    files = sorted(folder.glob("*.jsonl.gz"))
    return [json.loads(line) for file in files for line in gzip.decompress(file.read_bytes()).splitlines()]


def seen(row: Row) -> bool:
    """Whether the protocol is that of the labels."""
    return (row["site"], row["contrast"]) == LABELLED_AT


def by_subject(rows: Iterable[Row], metric: str) -> dict[str, float]:
    """The mean of each subject over classes and protocols, after that over seeds; empty where nothing was scored."""
    return means_by_subject(unit_means(rows, metric))


def mean(rows: Iterable[Row], metric: str) -> Interval | None:
    """The mean over subjects with its interval; None where nothing was scored."""
    values = by_subject(rows, metric)
    return bootstrap_mean(values.values(), bounds=METRICS[metric].bounds) if values else None


def matched(first: list[Row], second: list[Row], metric: str) -> Paired | None:
    """Two arms on what both were scored on, by the seeds that both have; None where that is nothing."""
    seeds = {row["seed"] for row in first} & {row["seed"] for row in second}
    one, other = (unit_means([r for r in rows if r["seed"] in seeds], metric) for rows in (first, second))
    shared = sorted(one.keys() & other.keys())
    if not shared:
        return None
    return paired(*(means_by_subject({unit: scores[unit] for unit in shared}) for scores in (one, other)))


@dataclass(frozen=True)
class Claim:
    """One difference that was claimed.

    Args:
        name: of the claim and what it is about.
        metric: key of the score.
        first: arm that should be ahead.
        second: arm that it should be ahead of.
        least: difference that was claimed, in the metric's unit; 0 for any.
        compared: the two on the subjects they share; None where one was not run.
    """

    name: str
    metric: str
    first: str
    second: str
    least: float
    compared: Paired | None

    @property
    def verdict(self) -> str:
        """``holds``, ``not reached``, ``fails`` or ``not run``, as docs/claims.md defines them."""
        if self.compared is None:
            return "not run"
        difference = self.compared.difference.mean
        if difference <= 0:
            return "fails"
        reached = difference >= self.least and self.compared.permutation_p <= FOUR_AGREE + 1e-9
        return "holds" if reached else "not reached"


def claims(rows: list[dict[str, Any]]) -> list[Claim]:
    """All claims about ledgers' scores, in the order of docs/claims.md."""
    found: list[Claim] = []

    def judge(name: str, metric: str, second: str, least: float, chosen: Chosen) -> None:
        arms = [[r for r in rows if r["arm"] == arm and chosen(r)] for arm in ("hybrid", second)]
        found.append(Claim(name, metric, "hybrid", second, least, matched(*arms, metric)))

    for schedule in SCHEDULES:

        def tissue(row: Row, labels: int, *, same: bool, how: str = schedule) -> bool:
            return (row["task"], row["schedule"], row["fraction"], seen(row)) == ("tissue", how, labels, same)

        judge(f"C1, {schedule}", "dice", "base", 0.08, lambda r, t=tissue: t(r, 1, same=True))
        for second, least in (("base", 0.15), ("masked", 0.0)):
            judge(f"C2, {schedule}", "dice", second, least, lambda r, t=tissue: t(r, 3, same=False))
        for second in PARTS:
            judge(f"parts, {schedule}", "dice", second, 0.0, lambda r, t=tissue: t(r, 3, same=False))
    judge("C3", "psnr_db", "base", 4.0, lambda r: r["task"] == "denoise")
    for second in ("base", "scratch"):
        judge("C4", "dice", second, 0.0, lambda r: r["task"] == "lesion" and r["contrast"] == "FLAIR")
    return found
