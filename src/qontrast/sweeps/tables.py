"""The tables of a sweep's report."""

from qontrast.report.tables import Cell, Table
from qontrast.sweeps.summary import Outcome, Sweep, volume_variation


def tables_of(sweep: Sweep) -> list[Table]:
    """Named protocols, each sequence and field, and for a segmenter how volumes vary."""
    found = [sequence_table(sweep)]
    if sweep.named:
        found.insert(0, named_table(sweep))
    return found


def named_table(sweep: Sweep) -> Table:
    """The reference and the named protocols, the worst first."""
    segmenter = sweep.kind == "segmenter"
    rows = sorted(sweep.named, key=lambda o: (o.value is not None, (o.value or 0.0) * (1 if segmenter else -1)))
    names = ["Dice", "vs reference", *(f"{name}, volume" for name in sweep.classes)]
    if not segmenter:
        names = ["Drift", "of another head's", "found again"]
    return Table(
        title="Named protocols",
        head=("Protocol", "Numbers", *names),
        body=tuple(_named_row(o, sweep) for o in (sweep.reference, *rows)),
        words=2,
        reading="Protocols of cohorts and clinics with all of their own numbers, the worst first, below the reference. "
        + (
            "Volumes are those that were found over the true ones: 1.10 is 10 % too much."
            if segmenter
            else "Drift of 0 is the reference's embedding. The next column is the drift over the mean drift between "
            "different heads: at 1, the change of contrast moves a head as far as another head lies. The last one is "
            "how often the same head is the most similar one across this protocol and the reference."
        ),
    )


def sequence_table(sweep: Sweep) -> Table:
    """Each sequence and field: how many protocols, the range, the worst, and how volumes vary."""
    groups: dict[tuple[str, float], list[Outcome]] = {}
    for outcome in sweep.grid:
        groups.setdefault((outcome.point.sequence, outcome.point.field_strength), []).append(outcome)
    body = []
    for (sequence, field), members in groups.items():
        scored = [o for o in members if o.value is not None and not o.point.useless]
        values = sorted(o.value for o in scored if o.value is not None)
        counts: list[Cell] = [(str(len(scored)), "")]
        counts += [(str(sum(o.state == state for o in members)), "") for state in ("impossible", "failed")]
        counts.append((str(sum(o.state == "scored" and bool(o.point.useless) for o in members)), ""))
        span: list[Cell] = [("none", "")] * 3
        if values:
            span = [(f"{v:.3f}", "") for v in (values[0], values[len(values) // 2], values[-1])]
        vary = [_share(volume_variation(scored, name)) for name in sweep.classes]
        body.append(((sequence.upper(), ""), (f"{field:g} T", ""), *counts, *span, *vary))
    return Table(
        title="Sequences and fields",
        head=(
            "Sequence",
            "Field",
            "Scored",
            "Impossible",
            "Failed",
            "Useless",
            "Lowest",
            "Median",
            "Highest",
            *(f"{name}, variation" for name in sweep.classes),
        ),
        body=tuple(body),
        words=2,
        reading=f"{sweep.metric[0].upper()}{sweep.metric[1:]} over the useful protocols of the grid. Useless ones show "
        "hardly any tissue and are left out of the range; they are drawn, and stand in the CSV. "
        + ("Variation is the coefficient of variation of the class's volume." if sweep.classes else ""),
    )


def _named_row(outcome: Outcome, sweep: Sweep) -> tuple[Cell, ...]:
    label: tuple[Cell, ...] = ((outcome.point.name, ""), (outcome.label, outcome.note))
    if outcome.value is None:
        columns = 2 + len(sweep.classes) if sweep.kind == "segmenter" else 3
        return (*label, *[("failed", "")] * columns)
    if sweep.kind == "encoder":
        return (*label, _number(outcome.value, 3), _number(outcome.relative, 2), _share(outcome.retrieval))
    change = outcome.value - (sweep.reference.value or 0.0)
    against: Cell = (f"{change:+.3f}".replace("-", "\u2212"), "")
    return (*label, _number(outcome.value, 3), against, *(_number(outcome.volume[n], 2) for n in sweep.classes))


def _number(value: float | None, decimals: int) -> Cell:
    return ("none" if value is None else f"{value:.{decimals}f}", "")


def _share(value: float | None) -> Cell:
    return ("none" if value is None else f"{value:.0%}", "")
