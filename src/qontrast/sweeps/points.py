"""The protocols of a sweep: the grid of each plane, and the named ones as they are."""

from dataclasses import dataclass
from pathlib import Path

from qontrast.anatomy.subject import Subject
from qontrast.physics.clinical import CLINICAL, protocol_of
from qontrast.physics.presets import PRESETS
from qontrast.physics.sequence import Sequence
from qontrast.physics.tissue import spoken
from qontrast.physics.usefulness import useless
from qontrast.sweeps.plan import SweepPlan
from qontrast.sweeps.planes import Plane, possible_at
from qontrast.tasks.scan_protocol import read_protocol


@dataclass(frozen=True)
class Point:
    """One protocol of the sweep.

    Args:
        plane: that it belongs to; None for a named protocol.
        sequence: name of the sequence.
        field_strength: tesla.
        x, y: values of the plane's two parameters (seconds, degrees).
        protocol: None where no scanner could run it.
        name: of a named protocol.
        note: why it is impossible, or what was assumed of a named protocol.
        useless: why its image would show no tissue; empty for all others.
    """

    plane: Plane | None
    sequence: str
    field_strength: float
    x: float = 0.0
    y: float = 0.0
    protocol: Sequence | None = None
    name: str = ""
    note: str = ""
    useless: str = ""


def grid_points(plan: SweepPlan, planes: list[Plane]) -> list[Point]:
    """Every point of every plane at every field, impossible ones too."""
    found = []
    for plane in planes:
        for field in dict.fromkeys(plan.fields):
            for x in plane.x.values(plan.points):
                for y in plane.y.values(plan.points):
                    numbers = {plane.x.parameter: x, plane.y.parameter: y}
                    protocol, why = possible_at(plane.sequence, field, numbers)
                    reason = useless(protocol, plan.snr or float("inf")) if protocol is not None else ""
                    found.append(Point(plane, plane.sequence, field, x, y, protocol, note=why, useless=reason))
    return found


def named_points(plan: SweepPlan, planes: list[Plane]) -> list[Point]:
    """The named protocols of the swept sequences, and those of the user's own sidecars, whatever their sequence.

    Raises:
        InputError: for a sidecar that describes no protocol.
    """
    swept = {plane.sequence for plane in planes}
    found = []
    for path in map(Path, plan.protocols):
        sequence, assumed = read_protocol(path)
        found.append(_named(sequence, path.name.removesuffix(".json"), "; ".join(assumed)))
    if plan.clinical:
        found += [
            _named(row.sequence, name, row.assumed) for name, row in CLINICAL.items() if row.sequence.name in swept
        ]
    return found


def reference_point(plan: SweepPlan) -> Point:
    """The protocol that the others are compared with."""
    return _named(protocol_of(plan.reference), plan.reference, "")


def lacking(subject: Subject, sequence: Sequence) -> list[str]:
    """The maps that the protocol needs and the subject lacks; a label map has its static field by computation."""
    have = {*subject.maps, *(("b0",) if hasattr(subject, "static_field") else ())}
    return [name for name in sequence.needs if name not in have]


def leave_out(points: list[Point], subjects: list[Subject]) -> tuple[list[Point], dict[str, str]]:
    """The points that all heads' maps suffice for, and for each other sequence what is missing."""
    kept, left = [], {}
    for point in points:
        protocol = point.protocol or PRESETS[point.sequence]
        absent = next(((s.name, a) for s in subjects if (a := lacking(s, protocol))), None)
        if absent is None:
            kept.append(point)
        else:
            left[point.sequence] = f"{absent[0]} has no map of {spoken(absent[1])}"
    return kept, left


def _named(sequence: Sequence, name: str, note: str) -> Point:
    return Point(
        None, sequence.name, float(sequence.field_strength), protocol=sequence, name=name, note=note,
        useless=useless(sequence),
    )  # fmt: skip
