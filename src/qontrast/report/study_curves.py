"""Low-data curves: a study's score against the number of labelled subjects, one line per arm with its intervals."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from qontrast.report.paint import DARK, LIGHT, Ink, Picture, dress, literal, series_colour, svg_uri
from qontrast.results.score_catalogue import METRICS
from qontrast.results.study_table import EVERYWHERE, Place, Score, StudyTable

MARKERS = "osD^vPX"
_APART = 0.09


def draw_low_data(table: StudyTable, place: Place) -> Picture | None:
    """The curves of one place, for light and dark pages; None where fewer than two fractions were scored there."""
    lines = {
        arm: [(n, table.scores[place, fraction, arm]) for n, fraction in enumerate(table.fractions)
              if (place, fraction, arm) in table.scores]
        for arm in table.arms
    }  # fmt: skip
    lines = {arm: points for arm, points in lines.items() if points}
    if len({n for points in lines.values() for n, _ in points}) < 2:
        return None
    metric = METRICS[table.metric]
    where = "all sites and contrasts" if place == EVERYWHERE else ", ".join(place)
    told = "; ".join(
        f"{arm}: " + ", ".join(f"{s.interval.mean:.3g} with {table.fractions[n]}" for n, s in points)
        for arm, points in lines.items()
    )
    return Picture(
        light=_draw(table, lines, LIGHT),
        dark=_draw(table, lines, DARK),
        alt=f"Line plot of {metric.name} against the labels used for training, {where}, one line per arm. {told}.",
        caption=(f"{metric.name}, {where}",),
        reading=f"Each mark is the mean over test subjects of an arm trained with so many labels, its bar the 95 % "
        f"interval; {metric.better} is better. An arm that needs fewer labels is ahead at the left. The steps along "
        "the axis are not to scale, and marks are set apart sideways so that bars can be told apart.",
    )


def _draw(table: StudyTable, lines: dict[str, list[tuple[int, Score]]], ink: Ink) -> str:
    figure = Figure(figsize=(4.6, 3.1), layout="constrained")
    axes = figure.add_subplot()
    dress(axes, ink)
    for index, arm in enumerate(table.arms):
        if arm not in lines:
            continue
        colour = series_colour(ink, index)
        shift = _APART * (index - (len(table.arms) - 1) / 2)
        at = [n + shift for n, _ in lines[arm]]
        means = [score.interval.mean for _, score in lines[arm]]
        for x, (_, score) in zip(at, lines[arm], strict=True):
            if score.interval.low is not None and score.interval.high is not None:
                axes.plot([x, x], [score.interval.low, score.interval.high], color=colour, linewidth=1.3, alpha=0.8)
        axes.plot(at, means, color=colour, marker=MARKERS[index % len(MARKERS)], markersize=5.5, linewidth=1.7)
    _name_axes(figure, table, lines, ink)
    return svg_uri(figure)


def _name_axes(figure: Figure, table: StudyTable, arms: Sequence[str] | dict, ink: Ink) -> None:
    (axes,) = figure.axes
    axes.set_xticks(range(len(table.fractions)), [literal(fraction) for fraction in table.fractions])
    axes.set_xlim(-0.5, len(table.fractions) - 0.5)
    axes.set_xlabel("labels used for training")
    axes.set_ylabel(literal(METRICS[table.metric].name))
    axes.grid(axis="y", color=ink.faint, alpha=0.25, linewidth=0.6)
    drawn = [line for line in axes.lines if line.get_marker() != "None"]
    legend = figure.legend(
        drawn, ["arm"] * len(drawn), loc="outside lower center", ncols=2, frameon=False, fontsize=9.5,
        labelcolor=ink.text,
    )  # fmt: skip
    for text, arm in zip(legend.get_texts(), (arm for arm in table.arms if arm in arms), strict=True):
        text.set_text(literal(arm))
