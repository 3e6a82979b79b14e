"""The ledger of a study, made uniform: every row says task, site, contrast, arm and fraction of the labels."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from qontrast.basics.errors import InputError
from qontrast.results.score_catalogue import METRICS

Row = Mapping[str, Any]

NOT_STATED = "not stated"
UNKNOWN_FRACTION = "labels not stated"
APART = {
    "snr": "SNR",
    "trained_on": "trained on these heads",
    "train_site": "labels from",
    "train_contrast": "labels on",
}
"""Keys that become a part of the arm's name where they vary: such rows are never averaged."""


def study_rows(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Rows that all have ``task``, ``site``, ``contrast``, ``class``, ``arm``, ``fraction`` and ``labelled``.

    What a row lacks is filled in: a task by its metric, a site by its data, a fraction by ``train_subjects``. The
    fractions of a task are shares where all are at most 1 and one of them is written as a decimal, else numbers of
    labelled subjects (1 is one subject, 1.0 is all of them). Where a task has several schedules, the schedule becomes
    a part of the arm's name, so that two ways of training are never averaged.

    Args:
        rows: of a ledger.

    Returns:
        The rows, each with ``fraction`` in words (``3 subjects`` or ``10 %``) and as a number in ``labelled`` (NaN
        where nothing is stated).

    Raises:
        InputError: if there are no rows, a row lacks subject or arm or has no known metric, or a task mixes shares and
            numbers of subjects.
    """
    filled = [_filled(row) for row in rows]
    if not filled:
        raise InputError("ledger", "no rows", "at least one score", "Run evaluate or study to fill it.")
    found = []
    for task in tasks_of(filled):
        of_task = [row for row in filled if row["task"] == task]
        label = _fraction_words(task, [row["fraction"] for row in of_task])
        for row in _arms_apart(of_task):
            text, number = label(row["fraction"])
            found.append({**row, "fraction": text, "labelled": number})
    return found


def tasks_of(rows: Iterable[Row]) -> list[str]:
    """The tasks of uniform rows, in alphabetical order."""
    return sorted({row["task"] for row in rows})


def metrics_of(rows: Iterable[Row]) -> list[str]:
    """The metrics that any of the rows holds, in the order of tables."""
    keys = {key for row in rows for key in row}
    return [key for key in METRICS if key in keys]


def fractions_of(rows: Iterable[Row]) -> list[str]:
    """The fractions of uniform rows, fewest labels first, those not stated last."""
    number = {row["fraction"]: row["labelled"] for row in rows}
    return sorted(number, key=lambda text: (number[text] != number[text], number[text]))


def _filled(row: Row) -> dict[str, Any]:
    where = ", ".join(f"{key}={row[key]!r}" for key in ("arm", "subject", "contrast", "class") if key in row)
    for key in ("subject", "arm"):
        if key not in row:
            raise InputError(f"ledger row {where}", f"no key {key!r}", f"{key!r} in every row", "Score it again.")
    metrics = [key for key in METRICS if key in row]
    if not metrics:
        raise InputError(f"ledger row {where}", f"keys {', '.join(row)}", f"one of {', '.join(METRICS)}", "")
    data = row.get("data")
    return {
        **row,
        "subject": str(row["subject"]),
        "arm": str(row["arm"]),
        "task": _text(row, "task", TASK_OF_METRIC[metrics[0]]),
        "site": _text(row, "site", PurePath(str(data)).name if data else NOT_STATED),
        "contrast": _text(row, "contrast", NOT_STATED),
        "class": _text(row, "class", ""),
        "fraction": row["fraction"] if row.get("fraction") is not None else row.get("train_subjects"),
    }


TASK_OF_METRIC = {
    "dice": "segmentation",
    "hd95_mm": "segmentation",
    "lesion_f1": "lesion",
    "psnr_db": "denoising",
    "ssim": "denoising",
    "absolute_error_years": "age",
    "correct": "sex",
}
"""The task of a row that names none."""


def _text(row: Row, key: str, default: str) -> str:
    value = row.get(key)
    return default if value in (None, "") else str(value)


def _arms_apart(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with whatever varies between experiments in the arm's name."""
    named = list(rows)
    if len({row.get("schedule") for row in rows}) > 1:
        named = [{**row, "arm": f"{row['arm']}, {_text(row, 'schedule', 'schedule ' + NOT_STATED)}"} for row in named]
    for key, name in APART.items():
        if len({str(row.get(key)) for row in rows}) > 1:
            named = [{**row, "arm": f"{row['arm']}, {name}: {row.get(key)}"} for row in named]
    return named


def _fraction_words(task: str, fractions: Sequence[Any]) -> Callable[[Any], tuple[str, float]]:
    """The function from a row's fraction to its words and its number."""
    stated = [value for value in fractions if value is not None]
    for value in stated:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise InputError(f"task {task}, fraction", f"{value!r}", "a number of subjects, or a share", "")
    parts = any(0 < value < 1 for value in stated)
    shares = parts or (any(isinstance(value, float) for value in stated) and max(stated) <= 1)
    if (parts and max(stated) > 1) or any(value > 1 and value != int(value) for value in stated):
        found = ", ".join(f"{value:g}" for value in sorted(set(stated)))
        raise InputError(
            f"task {task}, fractions", found, "shares of at most 1, or whole numbers of subjects", "Use one kind."
        )

    def words(value: Any) -> tuple[str, float]:
        if value is None:
            return UNKNOWN_FRACTION, float("nan")
        if shares:
            return f"{100 * value:g} %", float(value)
        return f"{value:g} subject{'' if value == 1 else 's'}", float(value)

    return words
