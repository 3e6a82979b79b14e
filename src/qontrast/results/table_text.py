"""A study's table as Markdown, CSV and LaTeX."""

import csv
import io

from qontrast.results.score_catalogue import EMPTY_COUNTED, METRICS
from qontrast.results.study_table import EVERYWHERE, Score, StudyTable

ALIKE = "\u2248"
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "{''}",
    "[": "{[}",  # after a line's end a bracket or a star would belong to it
    "*": "{*}",
    "\u2248": r"$\approx$",
    "\u2212": r"$-$",
    "\n": " ",
}


def as_markdown(table: StudyTable) -> str:
    """The table with a heading and its notes, for GitHub and the like."""
    columns = _columns(table)
    head = ["Site", "Contrast", *(f"{fraction}: {arm}" for fraction, arm in columns)]
    lines = [_markdown_line(head), _markdown_line(["---", "---", *["---:"] * len(columns)])]
    for place in table.places:
        cells = [_markdown_cell(table, table.scores.get((place, *column))) for column in columns]
        lines.append(_markdown_line([_markdown(place[0]), _markdown(place[1]), *cells]))
    if table.metric in EMPTY_COUNTED:
        lines.append(_markdown_line(["Empty predictions", "", *(empty_words(table, *column) for column in columns)]))
    heading = f"### {_markdown(table.task)}: {METRICS[table.metric].name}"
    return "\n".join([heading, "", *lines, "", *(f"* {_markdown(note)}" for note in table.notes), ""])


def as_csv(table: StudyTable) -> str:
    """The same layout as plain numbers: means alone, and a last line that counts the empty predictions."""
    columns = _columns(table)
    lines = [["site", "contrast", *(f"{fraction}: {arm}" for fraction, arm in columns)]]
    for place in table.places:
        found = [table.scores.get((place, *column)) for column in columns]
        lines.append([*place, *("" if score is None else repr(score.interval.mean) for score in found)])
    if table.metric in EMPTY_COUNTED:
        lines.append(["empty predictions", "", *(str(table.empty(*column)[0]) for column in columns)])
    return _csv(lines)


CELL_KEYS = (
    *("task", "metric", "site", "contrast", "fraction", "arm", "mean", "low", "high"),
    *("subjects", "scores", "empty_predictions", "best", "tier"),
)


def as_csv_cells(tables: list[StudyTable]) -> str:
    """All that tables hold, one cell a line."""
    lines = [list(CELL_KEYS)]
    for table in tables:
        for (place, fraction, arm), score in _in_order(table):
            ends = ("" if end is None else repr(end) for end in (score.interval.low, score.interval.high))
            mean, tier = repr(score.interval.mean), "" if score.tier is None else str(score.tier)
            counts = (str(n) for n in (score.interval.count, score.scores, score.empty))
            lines.append([table.task, table.metric, *place, fraction, arm, mean, *ends, *counts, str(score.best), tier])
    return _csv(lines)


def as_latex(table: StudyTable) -> str:
    """A plain ``tabular`` (no package is needed) with its notes below; all text is escaped."""
    columns = _columns(table)
    span = len(table.arms)
    groups = [rf"\multicolumn{{{span}}}{{c}}{{{latex(fraction)}}}" for fraction in table.fractions]
    lines = [
        r"\begin{tabular}{ll" + "r" * len(columns) + "}",
        r"\hline",
        " & ".join(["", "", *groups]).strip() + r" \\",
        " & ".join(["Site", "Contrast", *(latex(arm) for _, arm in columns)]) + r" \\",
        r"\hline",
    ]
    for place in table.places:
        if place == EVERYWHERE:
            lines.append(r"\hline")
        cells = [_latex_cell(table, table.scores.get((place, *column))) for column in columns]
        lines.append(" & ".join([latex(place[0]), latex(place[1]), *cells]) + r" \\")
    if table.metric in EMPTY_COUNTED:
        lines.append(r"\hline")
        lines.append(" & ".join(["Empty", "", *(latex(empty_words(table, *c)) for c in columns)]) + r" \\")
    notes = [r"\par\footnotesize " + latex(note) for note in table.notes]
    return "\n".join([*lines, r"\hline", r"\end{tabular}", *notes, ""])


def latex(text: str) -> str:
    """Text as LaTeX prints it as it stands."""
    return "".join(_LATEX.get(letter, letter) for letter in text)


def score_words(table: StudyTable, score: Score) -> tuple[str, str]:
    """The mean, and its interval in brackets (empty where there is none), at the metric's decimals."""
    decimals = METRICS[table.metric].decimals

    def number(value: float) -> str:
        return f"{value:.{decimals}f}".replace("-", "\u2212")

    low, high = score.interval.low, score.interval.high
    ends = "" if low is None or high is None else f"[{number(low)}, {number(high)}]"
    return number(score.interval.mean), ends


def alike(score: Score) -> bool:
    """Whether the arm is not the best, but is not told from it either."""
    return score.tier == 1 and not score.best


def empty_words(table: StudyTable, fraction: str, arm: str) -> str:
    """``2 of 60``: empty predictions in a column."""
    empty, scores = table.empty(fraction, arm)
    return f"{empty} of {scores}"


def _columns(table: StudyTable) -> list[tuple[str, str]]:
    return [(fraction, arm) for fraction in table.fractions for arm in table.arms]


def _in_order(table: StudyTable) -> list[tuple[tuple[tuple[str, str], str, str], Score]]:
    keys = [(place, *column) for place in table.places for column in _columns(table)]
    return [(key, table.scores[key]) for key in keys if key in table.scores]


def _markdown(text: str) -> str:
    for letter in "\\`*_[]<>|#":
        text = text.replace(letter, "\\" + letter)
    return " ".join(text.split())


def _markdown_line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _markdown_cell(table: StudyTable, score: Score | None) -> str:
    if score is None:
        return "not scored"
    mean, ends = score_words(table, score)
    shown = f"**{mean}**" if score.best else mean + (f" {ALIKE}" if alike(score) else "")
    empty = f"{score.empty} empty" if score.empty else ""
    return " ".join(part for part in (shown, ends, empty) if part)


def _latex_cell(table: StudyTable, score: Score | None) -> str:
    if score is None:
        return "--"
    mean, ends = score_words(table, score)
    shown = rf"\textbf{{{latex(mean)}}}" if score.best else latex(mean) + (r"\,$\approx$" if alike(score) else "")
    empty = f"{score.empty} empty" if score.empty else ""
    return " ".join(part for part in (shown, rf"{{\scriptsize {latex(ends)}}}" if ends else "", empty) if part)


def _csv(lines: list[list[str]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(lines)
    return stream.getvalue()
