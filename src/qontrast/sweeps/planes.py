"""The planes of a sweep: for each sequence two of its parameters and the range of each."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qontrast.basics.errors import PlanError, ProtocolError, nearest
from qontrast.physics.catalogue import SEQUENCES
from qontrast.physics.presets import PRESETS
from qontrast.physics.sequence import Sequence
from qontrast.physics.spin_echo import EchoTrainReadout

SYMBOLS = {
    "echo_time": "TE",
    "repetition_time": "TR",
    "inversion_time": "TI",
    "first_inversion_time": "TI 1",
    "second_inversion_time": "TI 2",
    "flip_angle": "flip",
    "first_flip_angle": "flip 1",
    "second_flip_angle": "flip 2",
    "refocusing_flip": "refocusing flip",
}
"""Every parameter that a sweep may vary, as the field writes it. Times are in seconds, angles in degrees."""
PAIRS = {
    "first_inversion_time": ("inversion_times", 0),
    "second_inversion_time": ("inversion_times", 1),
    "first_flip_angle": ("flip_angles", 0),
    "second_flip_angle": ("flip_angles", 1),
}
"""Those that are one of two numbers: of which field, and which one."""
LONGER_TRAIN = 1.5  # an echo train goes on to so many TE at least


@dataclass(frozen=True)
class Axis:
    """One parameter of a plane.

    Args:
        parameter: echo_time, repetition_time, inversion_time (seconds), flip_angle or refocusing_flip (degrees); where
            a sequence has two, first_inversion_time and so on.
        low: smallest value.
        high: largest value.
        log: whether the values are spread evenly in their logarithm.
    """

    parameter: str
    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if self.parameter not in SYMBOLS:
            raise PlanError(
                "planes", f"the parameter {self.parameter!r}", "a known one", nearest(self.parameter, SYMBOLS)
            )
        if not (math.isfinite(self.high) and 0 < self.low < self.high):
            found = f"{self.parameter} from {self.low:g} to {self.high:g}"
            raise PlanError("planes", found, "two numbers above 0, the lower first", "Seconds and degrees.")

    def values(self, points: int) -> tuple[float, ...]:
        """So many values from low to high, to four digits."""
        spread = np.geomspace if self.log else np.linspace
        return tuple(float(f"{v:.4g}") for v in spread(self.low, self.high, points))

    @property
    def is_angle(self) -> bool:
        """Whether it is in degrees, not in seconds."""
        return "flip" in self.parameter


@dataclass(frozen=True)
class Plane:
    """Two parameters of a sequence; its other numbers are those of its clinical protocol (``PRESETS``).

    Args:
        sequence: one of the catalogue.
        x: drawn to the right.
        y: drawn upwards.
    """

    sequence: str
    x: Axis
    y: Axis

    def __post_init__(self) -> None:
        if self.sequence not in SEQUENCES:
            raise PlanError("planes", repr(self.sequence), "a known sequence", nearest(self.sequence, SEQUENCES))
        known = parameters_of(self.sequence)
        for axis in (self.x, self.y):
            if axis.parameter not in known:
                found = f"{axis.parameter!r} of {self.sequence}"
                raise PlanError("planes", found, "a number that this sequence has", nearest(axis.parameter, known))
        if self.x.parameter == self.y.parameter:
            raise PlanError("planes", f"{self.x.parameter} twice for {self.sequence}", "two parameters")


def parameters_of(name: str) -> list[str]:
    """The parameters of a sequence that a sweep may vary."""
    own = PRESETS[name].__dataclass_fields__  # type: ignore[attr-defined]
    return [p for p in SYMBOLS if PAIRS.get(p, (p, 0))[0] in own]


PLANES: dict[str, Plane] = {
    "mprage": Plane("mprage", Axis("inversion_time", 0.65, 1.5), Axis("flip_angle", 4, 20)),
    "mp2rage": Plane("mp2rage", Axis("first_inversion_time", 0.65, 1.2), Axis("second_inversion_time", 1.8, 4.2)),
    "gre": Plane("gre", Axis("flip_angle", 5, 70), Axis("repetition_time", 0.03, 1.0, log=True)),
    "spgr": Plane("spgr", Axis("flip_angle", 3, 40, log=True), Axis("repetition_time", 0.006, 0.06, log=True)),
    "fse": Plane("fse", Axis("echo_time", 0.008, 0.2, log=True), Axis("repetition_time", 0.4, 9.0, log=True)),
    "flair": Plane("flair", Axis("inversion_time", 1.2, 3.0), Axis("echo_time", 0.07, 0.18)),
    "bssfp": Plane("bssfp", Axis("flip_angle", 20, 80), Axis("repetition_time", 0.0035, 0.009)),
    "ir": Plane("ir", Axis("inversion_time", 0.1, 1.6, log=True), Axis("repetition_time", 1.0, 6.0, log=True)),
    "stir": Plane("stir", Axis("inversion_time", 0.1, 0.4), Axis("echo_time", 0.015, 0.09)),
    "dir": Plane("dir", Axis("first_inversion_time", 2.0, 4.0), Axis("second_inversion_time", 0.3, 0.8)),
    "mt": Plane("mt", Axis("flip_angle", 3, 20), Axis("repetition_time", 0.02, 0.06)),
    "t2star": Plane("t2star", Axis("flip_angle", 5, 40), Axis("echo_time", 0.01, 0.027)),
}
"""The plane of each sequence: ranges that enclose its clinical protocols, with a tail to both sides."""


def protocol_at(name: str, field_strength: float, numbers: dict[str, float]) -> Sequence:
    """The sequence's clinical protocol with some of its numbers changed.

    What hangs together moves together: an echo train has an echo at TE, with a spacing close to the preset's, and goes
    on to 1.5 TE at least; a balanced sequence has its TE in the middle of TR.

    Args:
        name: of the sequence.
        field_strength: tesla.
        numbers: by parameter, in seconds and degrees.

    Raises:
        ProtocolError: if no scanner could run it.
    """
    start = PRESETS[name]
    changes: dict[str, Any] = {"field_strength": float(field_strength)}
    for parameter, value in numbers.items():
        inside = math.radians(value) if "flip" in parameter else value
        field, place = PAIRS.get(parameter, (parameter, None))
        if place is None:
            changes[field] = inside
        else:
            pair = list(changes.get(field, getattr(start, field)))
            pair[place] = inside
            changes[field] = tuple(pair)
    if isinstance(start, EchoTrainReadout) and "echo_time" in changes:
        before = max(1, round(changes["echo_time"] / float(start.echo_spacing)))
        changes["echo_spacing"] = changes["echo_time"] / before
        changes["echo_train_length"] = float(max(float(start.echo_train_length), math.ceil(LONGER_TRAIN * before)))
    if name == "bssfp" and "repetition_time" in changes and "echo_time" not in changes:
        changes["echo_time"] = 0.5 * changes["repetition_time"]
    return replace(start, **changes)  # type: ignore[type-var]


def possible_at(name: str, field_strength: float, numbers: dict[str, float]) -> tuple[Sequence | None, str]:
    """The protocol, or None and the inequality that it breaks; see :func:`protocol_at`."""
    try:
        return protocol_at(name, field_strength, numbers), ""
    except ProtocolError as error:
        return None, f"{error.found}; wanted {error.wanted}"


def number_of(sequence: Sequence, parameter: str) -> float:
    """A parameter of a protocol, in seconds or degrees."""
    field, place = PAIRS.get(parameter, (parameter, None))
    value = getattr(sequence, field)
    value = float(value if place is None else value[place])
    return math.degrees(value) if "flip" in parameter else value
