"""The second try of C4 by what the patients of the test have, for the results page."""

from typing import Any

from scores import SECOND_ARMS, SECOND_TRY, mean
from tables import shown, table

from qontrast.anatomy.lesions import KINDS
from qontrast.results.score_catalogue import METRICS

SCORES = ("dice", "lesion_f1")
SAID = """The same in FLAIR, which the labels are of, by what patients have (in brackets how many). All are strokes; svd
are those of patients who have small-vessel disease, too, and are counted twice. No claim was made.

"""


def kinds_table(rows: list[dict[str, Any]]) -> str:
    """Scores of the second try for each kind of stroke; nothing before there are any."""
    mine = [r for r in rows if (r["task"], r.get("fraction"), r.get("contrast")) == ("lesion", SECOND_TRY, "FLAIR")]
    own = {kind: [r for r in mine if kind in r.get("person", "").split(", ")] for kind in KINDS}
    own = {kind: there for kind, there in own.items() if there}
    if not own:
        return ""
    counts = {kind: len({(r["subject"], r["image"]) for r in there}) for kind, there in own.items()}
    head = [f"{METRICS[score].name}, {kind} ({counts[kind]})" for score in SCORES for kind in own]
    lines = []
    for arm in SECOND_ARMS:
        means = [mean([r for r in own[kind] if r["arm"] == arm], score) for score in SCORES for kind in own]
        decimals = [METRICS[score].decimals for score in SCORES for _ in own]
        lines.append([arm, *(shown(m, d) for m, d in zip(means, decimals, strict=True))])
    return SAID + table(["arm", *head], lines) + "\n"
