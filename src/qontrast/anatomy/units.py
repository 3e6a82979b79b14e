"""Units of maps on disk: stated by the sidecar, or inferred from the brain's median and said so; never assumed.

Inside: rates in 1/s, PD and MTsat as fractions, the transmit field relative to nominal.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qontrast.basics.errors import InputError


@dataclass(frozen=True)
class Unit:
    """One unit that a map may have on disk.

    Args:
        names: spellings in a sidecar's ``Units``.
        low, high: medians over a brain that this unit gives.
        convert: from this unit to ours.
        spoken: what to call it.
    """

    names: tuple[str, ...]
    low: float
    high: float
    convert: Callable[[np.ndarray], np.ndarray]
    spoken: str


def _times(factor: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: x * np.float32(factor)


def _rate(to_seconds: float) -> Callable[[np.ndarray], np.ndarray]:
    """From a time to a rate; where the time is zero or less there is no tissue and the rate is zero."""

    def convert(x: np.ndarray) -> np.ndarray:
        return np.divide(1.0, x * to_seconds, out=np.zeros_like(x), where=x > 0)

    return convert


_PER_SECOND = ("1/s", "s^-1", "s-1", "hz", "per second")
_PER_MS = ("1/ms", "ms^-1", "ms-1", "khz")
_SECONDS, _MS = ("s", "sec", "second", "seconds"), ("ms", "msec", "millisecond", "milliseconds")
_PERCENT = ("p.u.", "pu", "percent", "%", "percent units")

# The brackets are wide enough for any living brain from 0.05 to 11.7 T, and those of one suffix do not overlap.
UNITS: dict[str, tuple[Unit, ...]] = {
    "R1map": (
        Unit(_PER_SECOND, 0.2, 5.0, _times(1.0), "1/s"),
        Unit(_PER_MS, 2e-4, 5e-3, _times(1000.0), "1/ms"),
    ),
    "T1map": (Unit(_SECONDS, 0.2, 5.0, _rate(1.0), "s"), Unit(_MS, 200, 5000, _rate(1e-3), "ms")),
    "R2map": (
        Unit(_PER_SECOND, 2.0, 60.0, _times(1.0), "1/s"),
        Unit(_PER_MS, 2e-3, 6e-2, _times(1000.0), "1/ms"),
    ),
    "T2map": (Unit(_SECONDS, 0.015, 0.6, _rate(1.0), "s"), Unit(_MS, 15, 600, _rate(1e-3), "ms")),
    "R2starmap": (
        Unit(_PER_SECOND, 3.0, 150.0, _times(1.0), "1/s"),
        Unit(_PER_MS, 3e-3, 0.15, _times(1000.0), "1/ms"),
    ),
    "T2starmap": (Unit(_SECONDS, 0.006, 0.35, _rate(1.0), "s"), Unit(_MS, 6, 350, _rate(1e-3), "ms")),
    "MTsat": (
        Unit(_PERCENT, 0.2, 10.0, _times(0.01), "p.u."),
        Unit(("fraction", "1", "arbitrary fraction"), 0.002, 0.1, _times(1.0), "fraction"),
    ),
    "TB1map": (
        Unit(_PERCENT, 30, 250, _times(0.01), "percent of nominal"),
        Unit(("relative", "fraction", "1"), 0.3, 2.5, _times(1.0), "relative"),
    ),
}
_SWAPPED = {"R1map": "T1map", "T1map": "R1map", "R2map": "T2map", "T2map": "R2map"}
_SWAPPED |= {"R2starmap": "T2starmap", "T2starmap": "R2starmap"}
ARBITRARY_PERCENTILE = 99.0


def to_si(data: np.ndarray, suffix: str, brain: np.ndarray, stated: str | None, where: str) -> tuple[np.ndarray, str]:
    """Convert a map to our units.

    Args:
        data: ``[x, y, z]``.
        suffix: BIDS suffix of the map.
        brain: where to take the median, booleans ``[x, y, z]``.
        stated: the sidecar's ``Units``, if any.
        where: the file, for messages.

    Returns:
        The converted map, and a sentence that says which unit was taken and why.

    Raises:
        InputError: if the stated unit is unknown or contradicts the median, or the median fits no unit.
    """
    median = float(np.median(data[brain]))
    if suffix == "PDmap":
        return _proton_density(data, brain, median, where)
    if suffix == "RB1map":
        if median <= 0:
            raise InputError(where, f"a median of {median:g}", "a sensitivity above 0")
        return data / np.float32(median), f"relative: divided by its median {median:.4g}"
    units = UNITS[suffix]
    if stated is not None and stated.strip().lower() not in ("", "arbitrary"):
        unit = next((u for u in units if stated.strip().lower() in u.names), None)
        if unit is None:
            known = ", ".join(u.spoken for u in units)
            raise InputError(where, f"the unit {stated!r} in its sidecar", f"one of {known}", "Mend Units in the JSON.")
        if not unit.low <= median <= unit.high:
            raise InputError(
                where,
                f"a brain median of {median:.4g} with the stated unit {unit.spoken}",
                f"{unit.low:g} to {unit.high:g} {unit.spoken}",
                _advice(suffix, median),
            )
        return unit.convert(data), f"{unit.spoken}, as its sidecar states"
    unit = next((u for u in units if u.low <= median <= u.high), None)
    if unit is None:
        known = " or ".join(f"{u.low:g} to {u.high:g} {u.spoken}" for u in units)
        raise InputError(where, f"a brain median of {median:.4g}, which fits no unit", known, _advice(suffix, median))
    return unit.convert(data), f"{unit.spoken}, inferred from the brain's median {median:.4g}"


def _proton_density(data: np.ndarray, brain: np.ndarray, median: float, where: str) -> tuple[np.ndarray, str]:
    if median <= 0:
        raise InputError(where, f"a brain median of {median:g}", "a proton density above 0", "Is this the right map?")
    if 0.4 <= median <= 1.2:
        return data, f"fraction, inferred from the brain's median {median:.4g}"
    if 40 <= median <= 120:
        return data * np.float32(0.01), f"p.u., inferred from the brain's median {median:.4g}"
    top = float(np.percentile(data[brain], ARBITRARY_PERCENTILE))
    note = f"arbitrary (median {median:.4g}): divided by its {ARBITRARY_PERCENTILE:g}th percentile {top:.4g}"
    return data / np.float32(top), note


def _advice(suffix: str, median: float) -> str:
    own = [u for u in UNITS[suffix] if u.low <= median <= u.high]
    if own:
        return f"The values fit {own[0].spoken}: mend Units in the JSON sidecar."
    other = _SWAPPED.get(suffix)
    fits = [u for u in UNITS.get(other or "", ()) if u.low <= median <= u.high]
    if other and fits:
        return f"These look like values of a {other} in {fits[0].spoken}: rename the file to _{other}."
    return 'State the unit in the JSON sidecar ("Units": ...), or check that the map and the mask are right.'
