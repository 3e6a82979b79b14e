"""A page of rows: two groups of three planes and one picture more, with words below each, for pairs and for crops."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patheffects import withStroke
from matplotlib.textpath import TextToPath

from qontrast.report.paint import LIGHT
from qontrast.report.slices import PLANES

ENDINGS = {".png": "png", ".pdf": "pdf", ".svg": "svg"}
PANELS = 2 * len(PLANES) + 1
"""Of a row: three planes of each group, and one more."""
DOTS_PER_INCH = 300

# Inches; the sheet is as wide as a page of two columns.
_WIDTH, _MARGIN = 7.2, 0.12
_GAP, _GUTTER = 0.03, 0.16  # between panels, between the groups of a row
_PANEL = (_WIDTH - 2 * _MARGIN - 2 * _GUTTER - (PANELS - 3) * _GAP) / PANELS
_GROUP = len(PLANES) * _PANEL + (len(PLANES) - 1) * _GAP
_AIR = 0.05  # between a picture and its words
_BETWEEN = 0.16  # below a row

_TITLE, _HEADING, _WORDS, _SMALL = 9.0, 7.5, 6.2, 5.4  # points
_LINE = 1.28  # height of a line as a multiple of the letters'
_FILL = 0.95  # of a line: letters are put on whole pixels, which makes some of them wider than they measure
_FAINT = "#555d66"


@dataclass(frozen=True)
class SheetRow:
    """One row.

    Args:
        heading: whose, and where in training.
        panels: ``PANELS`` pictures, ``[h, v]`` of grey values 0 to 1 or ``[h, v, 3]`` of colours: axial, coronal and
            sagittal of the first group, of the second, and the one that is left, an axial one.
        captions: below each group; a semicolon and a space start a new line.
        mirrored: whether each group's right is the head's left.
        note: below the last picture.
    """

    heading: str
    panels: Sequence[np.ndarray]
    captions: tuple[str, str]
    mirrored: tuple[bool, bool] = (False, False)
    note: str = ""


@dataclass(frozen=True)
class Mark:
    """A name in the colour that stands for it."""

    name: str
    colour: str


def draw_sheet(
    title: str, heads: tuple[str, str, str], rows: Sequence[SheetRow], foot: str, marks: Sequence[Mark] = ()
) -> Figure:
    """Draw a page: ``title``, a head over each group and the last column, the rows, and below them marks and a foot."""
    blocks = [_Block(row) for row in rows]
    titles, feet = wrapped(title, _FULL, _TITLE, bold=True), wrapped(foot, _FULL, _SMALL)
    above = _MARGIN + _tall(titles, _TITLE) + _AIR + _tall([""], _HEADING) + _tall([""], _SMALL) + _AIR
    marked = _in_lines(marks)
    below = _tall(feet, _SMALL) + len(marked) * _tall([""], _WORDS) + (_AIR if marked else 0.0) + _MARGIN
    height = above + sum(block.height for block in blocks) + below
    page = _Page(Figure(figsize=(_WIDTH, height), dpi=DOTS_PER_INCH, facecolor="white"), height)
    top = page.write(titles, _MARGIN, _MARGIN, _TITLE, weight="bold") + _AIR
    lefts = _lefts()
    for name, group in zip(heads, (lefts[:3], lefts[3:6], lefts[6:]), strict=True):
        page.write([name], (group[0] + group[-1] + _PANEL) / 2, top, _HEADING, ha="center")
    for name, left in zip((*PLANES, *PLANES, PLANES[0]), lefts, strict=True):
        page.write([name], left + _PANEL / 2, top + _tall([""], _HEADING), _SMALL, ha="center", color=_FAINT)
    top = above
    for block in blocks:
        block.draw(page, top)
        top += block.height
    for line in marked:
        for left, mark in line:
            page.write([mark.name], left, top, _WORDS, weight="bold", color=mark.colour)
        top += _tall([""], _WORDS)
    page.write(feet, _MARGIN, top + (_AIR if marked else 0.0), _SMALL, color=_FAINT)
    return page.figure


def write_figure(figure: Figure, path: Path) -> None:
    """Write it as its name's ending says; the same figure gives the same bytes."""
    kind = ENDINGS[path.suffix.lower()]
    dates = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
    with rc_context({"svg.hashsalt": "qontrast", "pdf.fonttype": 42}):
        figure.savefig(path, format=kind, dpi=DOTS_PER_INCH, metadata=dates[kind])


def wrapped(text: str, width: float, size: float, *, bold: bool = False, phrases: bool = False) -> list[str]:
    """Lines that are no wider than ``width`` inches in letters of ``size`` points.

    With ``phrases`` they end at commas, so that numbers keep their units; what is too long for a line is broken between
    words, and within a word that is too long itself.
    """

    def fits(line: str) -> bool:
        return _wide(line, size, bold=bold) <= width

    lines = [""]
    whole = re.split(r"(?<=,) ", text) if phrases else [text]
    for piece in (word for part in whole for word in ([part] if phrases and fits(part) else part.split())):
        if fits(joined := f"{lines[-1]} {piece}".strip()):
            lines[-1] = joined
            continue
        lines += [""] if lines[-1] else []
        for letter in piece:
            if lines[-1] and not fits(lines[-1] + letter):
                lines.append("")
            lines[-1] += letter
    return lines


def _wide(line: str, size: float, *, bold: bool = False) -> float:
    """Inches that a line takes."""
    font = FontProperties(size=size, weight="bold" if bold else "normal")
    return float(_RULER.get_text_width_height_descent(line, font, ismath=False)[0]) / (72 * _FILL)


_RULER = TextToPath()
_FULL = _WIDTH - 2 * _MARGIN


def _tall(lines: Sequence[str], size: float) -> float:
    """Inches that so many lines take."""
    return len(lines) * _LINE * size / 72


def _lefts() -> list[float]:
    """The left edge of each panel of a row."""
    step, group = _PANEL + _GAP, _GROUP + _GUTTER
    return [_MARGIN + view * group + plane * step for view in (0, 1) for plane in range(3)] + [_MARGIN + 2 * group]


@dataclass(frozen=True)
class _Page:
    """A figure that is drawn on in inches from its upper left corner."""

    figure: Figure
    height: float

    def write(self, lines: Sequence[str], left: float, top: float, size: float, **style: Any) -> float:
        """Write lines below ``top``; returns where they end."""
        style = {"color": LIGHT.text, **style}
        for n, line in enumerate(lines):
            # Letters stand in the middle of their line, so that neither ascenders nor descenders leave it.
            y = top + (n + 0.78) * _LINE * size / 72
            self.figure.text(
                left / _WIDTH, 1 - y / self.height, line, fontsize=size, va="baseline", parse_math=False, **style
            )
        return top + _tall(lines, size)

    def show(self, panel: np.ndarray, left: float, top: float, sides: str) -> None:
        """Show a picture with a letter at its left and its right."""
        place = (left / _WIDTH, 1 - (top + _PANEL) / self.height, _PANEL / _WIDTH, _PANEL / self.height)
        axes = self.figure.add_axes(place)
        axes.set_axis_off()
        axes.imshow(
            panel.swapaxes(0, 1), origin="lower", cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto"
        )
        for x, letter in zip((0.04, 0.96), sides, strict=True):
            style: dict[str, Any] = {
                "ha": "left" if x < 0.5 else "right",
                "va": "top",
                "fontsize": _SMALL,
                "color": "white",
            }
            rim = [withStroke(linewidth=1.2, foreground="black")]
            axes.text(x, 0.96, letter, transform=axes.transAxes, path_effects=rim, **style)


class _Block:
    """A row with its words broken into lines, and so its height."""

    def __init__(self, row: SheetRow) -> None:
        self.row = row
        self.heading = wrapped(row.heading, _FULL, _HEADING, bold=True)
        self.captions = [self._lines(text) for text in row.captions]
        self.note = wrapped(row.note, _PANEL, _SMALL)
        words = max(*(_tall(first + rest, _WORDS) for first, rest in self.captions), _tall(self.note, _SMALL))
        self.height = _tall(self.heading, _HEADING) + _AIR / 2 + _PANEL + _AIR + words + _BETWEEN

    @staticmethod
    def _lines(caption: str) -> tuple[list[str], list[str]]:
        """What comes first, in bold, and the rest."""
        first, *rest = caption.split("; ")
        others = [line for part in rest for line in wrapped(part, _GROUP, _WORDS, phrases=True)]
        return wrapped(first, _GROUP, _WORDS, bold=True, phrases=True), others

    def draw(self, page: _Page, top: float) -> None:
        top = page.write(self.heading, _MARGIN, top, _HEADING, weight="bold") + _AIR / 2
        lefts, mirrored = _lefts(), (*self.row.mirrored, self.row.mirrored[0])
        for n, (panel, left) in enumerate(zip(self.row.panels, lefts, strict=True)):
            group, plane = divmod(n, len(PLANES))
            page.show(panel, left, top, "PA" if PLANES[plane] == "sagittal" else "RL" if mirrored[group] else "LR")
        top += _PANEL + _AIR
        for left, (first, rest) in zip((lefts[0], lefts[3]), self.captions, strict=True):
            page.write(rest, left, page.write(first, left, top, _WORDS, weight="bold"), _WORDS)
        page.write(self.note, lefts[-1], top, _SMALL, color=_FAINT)


def _in_lines(marks: Sequence[Mark]) -> list[list[tuple[float, Mark]]]:
    """Marks one after another with their left edges, in as many lines as they need."""
    lines: list[list[tuple[float, Mark]]] = []
    left = _WIDTH
    for mark in marks:
        wide = _wide(mark.name, _WORDS, bold=True)
        if left + wide > _WIDTH - _MARGIN:
            lines.append([])
            left = _MARGIN
        lines[-1].append((left, mark))
        left += wide + _GUTTER
    return lines
