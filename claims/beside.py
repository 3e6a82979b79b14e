"""Tissue studies beside the main one, for the results page: encoders alone, and encoders that were trained anew."""

import itertools
from typing import Any

from means import FRACTIONS, picked
from scores import AGAIN, ARMS, SCHEDULES
from tables import shown, table

ENCODERS = """## Encoders alone: three heads labelled on MPRAGE, a new decoder for all (Dice)

One training on each side, so seeds decide nothing. By the rule of the parts the claim would be *not told apart* as a
whole ([claims](claims.md#corrected-28-november-2026)).

"""
TEN = """## Ten labelled heads (Dice)

No claim is made. The encoders are not those of the other tables: all were pretrained anew, once, on another machine
([claims](claims.md#version-10-28-november-2026-before-any-run-of-it)), so compare within this table alone.

"""
BESIDE = {"tissue-encoder": ("encoders", ENCODERS), AGAIN: ("ten-heads", TEN)}
"""By the task of their rows: the name of the file of their means, and what the page says of them."""


def beside_table(found: list[dict[str, Any]]) -> str:
    """Dice by arm, schedule and labelled heads: on the protocol of the labels, and on the six others."""
    lines = []
    labelled = [n for n in FRACTIONS if any(cell["labelled_heads"] == n for cell in found)]
    for arm, schedule in itertools.product(ARMS, SCHEDULES):
        at = {"arm": arm, "schedule": schedule, "metric": "dice"}
        means = [picked(found, labelled_heads=n, site=site, **at) for site in ("adni", "others") for n in labelled]
        if any(m is not None for m in means):
            lines.append([arm, schedule, *(shown(m, 3) for m in means)])
    places = [f"{site}, {n} labelled" for site in ("MPRAGE", "six others") for n in labelled]
    return table(["arm", "schedule", *places], lines) + "\n"
