"""A sweep as the report draws it: planes, marks and strips, in the units of the clinic."""

import math

import numpy as np

from qontrast.report.sweep_figures import IMPOSSIBLE, USELESS, AxisView, Mark, Metric, PlaneView, Strip
from qontrast.sweeps.planes import SYMBOLS, Axis, number_of
from qontrast.sweeps.summary import Outcome, Sweep


def metric_of(sweep: Sweep) -> Metric:
    """What the colours say, over the range of all scores."""
    values = [o.value for o in (*sweep.grid, *sweep.named) if o.value is not None] or [0.0]
    return Metric(sweep.metric, sweep.kind == "segmenter", min(values), max(values))


def plane_views(sweep: Sweep) -> list[PlaneView]:
    """One per sequence and field."""
    return [_plane(members, sweep) for members in _groups(sweep).values()]


def strips_of(sweep: Sweep) -> list[Strip]:
    """The useful scores of each sequence and field, and those of its named protocols."""
    return [
        Strip(
            f"{sequence.upper()} {field:g} T",
            tuple(o.value for o in members if o.value is not None and not o.point.useless),
            tuple(o.value for o in sweep.named if o.value is not None and _belongs(o, sequence, field)),
        )
        for (sequence, field), members in _groups(sweep).items()
    ]


def _groups(sweep: Sweep) -> dict[tuple[str, float], list[Outcome]]:
    groups: dict[tuple[str, float], list[Outcome]] = {}
    for outcome in sweep.grid:
        groups.setdefault((outcome.point.sequence, outcome.point.field_strength), []).append(outcome)
    return groups


def _plane(members: list[Outcome], sweep: Sweep) -> PlaneView:
    first = members[0].point
    assert first.plane is not None
    xs, ys = (list(dict.fromkeys(getattr(o.point, axis) for o in members)) for axis in "xy")
    values, states = np.full((len(xs), len(ys)), np.nan), np.full((len(xs), len(ys)), IMPOSSIBLE, dtype="<U12")
    for outcome in members:
        at = xs.index(outcome.point.x), ys.index(outcome.point.y)
        values[at] = np.nan if outcome.value is None else outcome.value
        states[at] = USELESS if outcome.value is not None and outcome.point.useless else outcome.state
    x, y = _axis(first.plane.x, xs), _axis(first.plane.y, ys)
    title = f"{first.sequence.upper()}, {first.field_strength:g} T"
    return PlaneView(title, x, y, values, states, _marks(members[0], sweep))


def _marks(like: Outcome, sweep: Sweep) -> tuple[Mark, ...]:
    """The named protocols that lie in the plane; others stand in the table alone."""
    plane = like.point.plane
    assert plane is not None
    found = []
    for outcome in sweep.named:
        protocol = outcome.point.protocol
        assert protocol is not None
        if not _belongs(outcome, like.point.sequence, like.point.field_strength):
            continue
        at = [number_of(protocol, axis.parameter) for axis in (plane.x, plane.y)]
        if all(axis.low <= value <= axis.high for axis, value in zip((plane.x, plane.y), at, strict=True)):
            x, y = (_shown(axis, value) for axis, value in zip((plane.x, plane.y), at, strict=True))
            found.append(Mark(outcome.point.name, x, y, outcome.value))
    return tuple(found)


def _belongs(outcome: Outcome, sequence: str, field: float) -> bool:
    own = outcome.point
    return own.sequence == sequence and math.isclose(own.field_strength, field, rel_tol=0.05)


def _axis(axis: Axis, values: list[float]) -> AxisView:
    unit = "degrees" if axis.is_angle else "ms"
    shown = tuple(_shown(axis, value) for value in values)
    return AxisView(f"{SYMBOLS[axis.parameter]} ({unit})", shown, axis.log)


def _shown(axis: Axis, value: float) -> float:
    return value if axis.is_angle else 1000.0 * value
