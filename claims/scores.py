"""What the kept ledgers say: scores by arm and schedule, and each claim of docs/claims.md with its verdict."""

import gzip
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from qontrast.results.compare import Paired, paired
from qontrast.results.family import means_by_subject, unit_means
from qontrast.results.intervals import Interval, bootstrap_mean
from qontrast.results.score_catalogue import METRICS

LEDGERS = Path(__file__).parent / "ledgers"
CONTROL_ARM = "supervised"
ARMS = ("scratch", "masked", "base", "seqaug", "seqinv", "hybrid", CONTROL_ARM)
PARTS = ("no-dense", "no-cross", "no-quantitative", "six-sequences", "published-ranges", "held-out")
MAIN = ("hybrid", "base", "scratch")
"""Arms that are trained three times."""
RIVALS = ("scratch", "masked", "base", "seqaug", "seqinv")
SCHEDULES = ("full", "frozen")
JUDGED = {"tuned": SCHEDULES, "frozen": ("frozen",), "full": ("full",)}
"""The schedules of which each arm's better one in a cell counts, for each way that a claim is judged."""
FIRST_TRY, SECOND_TRY = 3, 16
"""Labelled heads of C3 and C4; the second try is version 9 of docs/claims.md."""
STROKES_EACH = 6
"""Of each head, in the second try of C4."""
SECOND_ARMS = ("scratch", "masked", "base", "hybrid")
"""Of the second try."""
TASKS = ("tissue", "tissue-encoder", "denoise", "lesion")
"""Of the studies; other rows tell of minutes, sweeps and the real scan."""
AGAIN = "tissue-again"
"""Of encoders that were trained anew (version 10), whose rows decide nothing."""
LABELLED_AT = ("adni", "T1w")
CONTROL = "against plain segmentation"
"""The claim that decides whether anything is claimed about few labels."""
SEEDS = 3
"""Of the main arms."""
FOUR_AGREE = 0.125
"""The smallest two-sided p of a sign-flip test over four subjects."""

Row = Mapping[str, Any]
Chosen = Callable[[Row], bool]
Way = tuple[str, str]
"""An arm and a schedule."""


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
        name: of the claim, and ``tuned`` or ``frozen`` where it is judged in both ways.
        about: the rival, in words.
        metric: key of the score.
        first: arm that should be ahead, and its schedule.
        second: arm that it is compared with, and its schedule.
        least: difference that was claimed, in the metric's unit; 0 for any.
        compared: the two on the subjects they share; None where one was not run.
        by_seed: the difference of each seed that both have.
        chance: what the difference has to exceed to be told from another training of the first arm; None where it need
            not.
    """

    name: str
    about: str
    metric: str
    first: str
    second: str
    least: float
    compared: Paired | None
    by_seed: tuple[float, ...] = ()
    chance: float | None = None

    @property
    def verdict(self) -> str:
        """One of :data:`VERDICTS`, as docs/claims.md defines them."""
        if self.compared is None:
            return "not run"
        difference = self.compared.difference.mean
        if difference <= 0:
            return "fails"
        if self.chance is not None and difference <= self.chance:
            return "not told apart"
        agreed = self.compared.permutation_p <= FOUR_AGREE + 1e-9 and all(d > 0 for d in self.by_seed)
        return "holds" if difference >= self.least and agreed else "not reached"


VERDICTS = ("fails", "not run", "not told apart", "not reached", "holds")
"""From the one that decides a claim of several parts to the one that needs all of them."""


def joint(found: list[Claim], name: str) -> str:
    """The verdict of a claim: that of its worst part."""
    return min((c.verdict for c in found if c.name == name), key=VERDICTS.index)


def claims(rows: list[dict[str, Any]]) -> list[Claim]:
    """All claims about ledgers' scores, in the order of docs/claims.md; C5 is of sweeps."""
    found: list[Claim] = []
    rows = [row for row in rows if row["task"] in TASKS]

    def judge(
        name: str,
        about: str,
        metric: str,
        least: float,
        chosen: Chosen,
        seconds: tuple[str, ...],
        first: str = "hybrid",
        how: str = "tuned",
        *,
        repeated: bool = True,
        images: int = 1,
    ) -> None:
        """Judge an arm against the best of some others and of their schedules.

        Args:
            chosen: the rows that it is about.
            seconds: the other arms.
            first: the arm that should be ahead.
            how: one of ``JUDGED``.
            repeated: whether the main arms were trained three times for this; where not, seeds decide nothing.
            images: that each arm has to have of each subject.
        """
        here = [row for row in rows if chosen(row)]

        def of(way: Way) -> list[dict[str, Any]]:
            return [row for row in here if (row["arm"], row["schedule"]) == way]

        our_ways = [(first, way) for way in JUDGED[how]]
        their_ways = [(arm, way) for arm in seconds for way in (("full",) if arm == CONTROL_ARM else JUDGED[how])]
        mine, theirs = (_best(here, metric, ways) for ways in (our_ways, their_ways))
        ours, others = of(mine), of(theirs)
        all_of_them = [of(way) for way in (*our_ways, *their_ways)]
        complete, chance = _complete(ours, all_of_them, metric), None
        complete = complete and all(_fewest_images(rows) >= images for rows in all_of_them)
        if repeated:
            again = of(("hybrid", mine[1]))
            wanted = [again, *(of(way) for way in (*our_ways, *their_ways) if way[0] in MAIN)]
            complete = complete and all(len(_seeds(trained)) >= SEEDS for trained in wanted)
            if min(len(_seeds(ours)), len(_seeds(others))) < SEEDS:  # less than another training makes is nothing
                means = _by_seed_mean(again, metric)
                chance = max(means, default=0.0) - min(means, default=0.0)
        compared = matched(ours, others, metric) if complete else None
        own = [matched([r for r in ours if r["seed"] == seed], others, metric) for seed in _seeds(ours)]
        by_seed = tuple(one.difference.mean for one in own if one is not None)
        found.append(Claim(name, about, metric, ", ".join(mine), ", ".join(theirs), least, compared, by_seed, chance))

    def one_label(row: Row) -> bool:
        labels = row["arm"] == CONTROL_ARM or row["fraction"] == 1
        return row["task"] == "tissue" and labels and seen(row)

    def without_labels(row: Row) -> bool:
        labels = row["arm"] == CONTROL_ARM or row["fraction"] == 3
        return row["task"] == "tissue" and labels and not seen(row)

    def denoised(row: Row, labels: int) -> bool:
        return (row["task"], row["fraction"]) == ("denoise", labels)

    def strokes(row: Row, labels: int) -> bool:
        return (row["task"], row["contrast"], row["fraction"]) == ("lesion", "FLAIR", labels)

    def never_simulated(row: Row) -> bool:
        return without_labels(row) and (row["site"] == "portable" or row["contrast"] == "FLAIR")

    def new_decoder(row: Row) -> bool:
        return row["task"] == "tissue-encoder" and not seen(row)

    for how in ("tuned", "frozen"):
        judge(f"C1, {how}", "base", "dice", 0.08, one_label, ("base",), how=how)
        judge(f"C1, {how}", "best rival", "dice", 0.0, one_label, RIVALS, how=how)
        judge(f"C2, {how}", "base", "dice", 0.15, without_labels, ("base",), how=how)
        judge(f"C2, {how}", "masked", "dice", 0.0, without_labels, ("masked",), how=how)
        judge(f"C2, {how}", "best rival", "dice", 0.0, without_labels, RIVALS, how=how)
        if how == "tuned":
            judge(CONTROL, "on C1", "dice", 0.0, one_label, (CONTROL_ARM,))
            judge(CONTROL, "on C2", "dice", 0.0, without_labels, (CONTROL_ARM,))
        for part in ("no-dense", "no-cross", "no-quantitative"):
            judge(f"{part}, {how}", part, "dice", 0.0, without_labels, (part,), how=how)
        bare = "no-quantitative"
        judge(f"without label maps, {how}", "best rival", "dice", 0.0, without_labels, RIVALS, bare, how)
        ranges = ("published-ranges",)
        judge(f"ranges, {how}", ranges[0], "dice", 0.0, without_labels, ranges, "six-sequences", how)
        for about in ("base", "scratch"):
            judge(f"held-out, {how}", about, "dice", 0.0, never_simulated, (about,), "held-out", how)
        judge(f"encoder alone, {how}", "masked", "dice", 0.0, new_decoder, ("masked",), how=how, repeated=False)
    for labels, mark, how, rivals, each in (
        (FIRST_TRY, "", "tuned", RIVALS, 1),
        (SECOND_TRY, ", second try", "full", SECOND_ARMS[:-1], STROKES_EACH),
    ):
        noise, lesions = partial(denoised, labels=labels), partial(strokes, labels=labels)
        judge(f"C3{mark}", "base", "psnr_db", 4.0, noise, ("base",), how=how, repeated=False)
        judge(f"C3{mark}", "best rival", "psnr_db", 0.0, noise, rivals, how=how, repeated=False)
        for about in ("base", "scratch", "masked"):
            judge(f"C4{mark}", about, "dice", 0.0, lesions, (about,), how=how, repeated=False, images=each)
    return found


def reached(rows: list[dict[str, Any]]) -> tuple[str, str, Paired] | None:
    """By how much C3's best arm of the second try is above base of the first, in its better schedule.

    Returns:
        The arm, base with its schedule, and the two compared; None before both are there.
    """
    denoised = [row for row in rows if row["task"] == "denoise"]
    first, second = ([r for r in denoised if r["fraction"] == labels] for labels in (FIRST_TRY, SECOND_TRY))
    base = _best(first, "psnr_db", [("base", schedule) for schedule in SCHEDULES])
    best = _best(second, "psnr_db", [(arm, "full") for arm in SECOND_ARMS])
    both = [[r for r in own if (r["arm"], r["schedule"]) == way] for own, way in ((second, best), (first, base))]
    compared = matched(*both, "psnr_db")
    return None if compared is None else (best[0], ", ".join(base), compared)


def _seeds(rows: list[dict[str, Any]]) -> list[int]:
    return sorted({row["seed"] for row in rows})


def _by_seed_mean(rows: list[dict[str, Any]], metric: str) -> list[float]:
    found = [mean([row for row in rows if row["seed"] == seed], metric) for seed in _seeds(rows)]
    return [one.mean for one in found if one is not None]


def _best(rows: list[dict[str, Any]], metric: str, among: list[Way]) -> Way:
    """The arm and schedule of the best mean on seed 0; the first where none was run."""
    means = {
        way: mean([r for r in rows if (r["arm"], r["schedule"]) == way and r["seed"] == 0], metric) for way in among
    }
    there = {way: one.mean for way, one in means.items() if one is not None}
    return max(there, key=lambda way: there[way]) if there else among[0]


def _fewest_images(rows: list[dict[str, Any]]) -> int:
    """How many images the subject has that has the fewest."""
    subjects = {row["subject"] for row in rows}
    return min((len({r["image"] for r in rows if r["subject"] == one}) for one in subjects), default=0)


def _complete(ours: list[Any], others: list[list[Any]], metric: str) -> bool:
    """Whether all that an arm is compared with was scored on all that it was, with seed 0."""
    mine, *theirs = (unit_means([r for r in own if r["seed"] == 0], metric).keys() for own in (ours, *others))
    return bool(mine) and all(mine <= own for own in theirs)
