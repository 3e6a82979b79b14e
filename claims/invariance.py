"""C5 of docs/claims.md: how much a change of protocol changes, from the points of the sweeps."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

RIVALS = ("base", "masked", "seqinv")
ABOVE_CHANCE = 0.5
"""Twice the share that is found again by chance among four heads."""


@dataclass(frozen=True)
class Steadiness:
    """One arm over the sweep's protocols.

    Args:
        dice: mean over the protocols that show some tissue; of the segmenter.
        spread: its standard deviation over those protocols.
        retrieval: how often a head is found again across a protocol and the reference; of the encoder.
        drift: of the embedding, over the mean drift between heads.
        leakage: how well the sequence is told by the embedding; 0 is chance.
    """

    dice: float
    spread: float
    retrieval: float
    drift: float
    leakage: float


def with_dice(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The segmenters' points at protocols that show some tissue."""
    return [r for r in rows if r["task"] == "sweep" and not r["useless"] and r.get("dice_mean") is not None]


def swept(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Dice over the protocols that show some tissue: by arm, schedule and sequence, and over all sequences."""
    useful, found = with_dice(rows), []
    for arm, schedule in sorted({(r["arm"], r["model"]) for r in useful}):
        mine = [r for r in useful if (r["arm"], r["model"]) == (arm, schedule)]
        for sequence in ("all", *sorted({r["sequence"] for r in mine})):
            dice = [r["dice_mean"] for r in mine if sequence in ("all", r["sequence"])]
            numbers = {"mean": fmean(dice), "deviation": stdev(dice), "lowest": min(dice), "highest": max(dice)}
            found.append({"arm": arm, "schedule": schedule, "sequence": sequence, "protocols": len(dice)} | numbers)
    return found


def steadiness(rows: Iterable[Mapping[str, Any]]) -> dict[str, Steadiness]:
    """Every arm of which segmenters and the encoder were swept, with the segmenter of the higher mean Dice."""
    rows = list(rows)
    found = {}
    for arm in dict.fromkeys(row["arm"] for row in rows if row["task"] == "sweep"):
        own = [row for row in rows if row["arm"] == arm]
        useful = [row for row in own if row["task"] == "sweep" and not row["useless"]]
        dice: dict[str, list[float]] = {}
        for row in useful:
            if row.get("dice_mean") is not None:
                dice.setdefault(row["model"], []).append(row["dice_mean"])
        moved = [row for row in useful if row.get("retrieval") is not None]
        leakage = [row["leakage"] for row in own if row["task"] == "leakage"]
        if dice and moved and leakage:
            best = max(dice.values(), key=fmean)
            mean = {key: fmean(row[key] for row in moved) for key in ("retrieval", "drift_relative")}
            found[arm] = Steadiness(fmean(best), stdev(best), mean["retrieval"], mean["drift_relative"], leakage[0])
    return found


def verdicts(found: Mapping[str, Steadiness]) -> dict[str, str]:
    """C5 against each rival."""
    said = {}
    for about in RIVALS:
        if not {"hybrid", about} <= found.keys():
            said[about] = "not run"
            continue
        ours, rival = found["hybrid"], found[about]
        steadier = ours.spread < rival.spread and ours.dice >= rival.dice
        found_again = ours.retrieval > rival.retrieval and ours.retrieval >= ABOVE_CHANCE
        said[about] = ("fails", "not reached", "holds")[steadier + found_again]
    return said
