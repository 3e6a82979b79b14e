"""Any scanner's protocol, read from what BIDS says of a scan: the sidecar's fields to one of our sequences."""

import math
import re
from dataclasses import fields
from typing import Any

from qontrast.basics.cells import said
from qontrast.basics.errors import InputError
from qontrast.physics.catalogue import SEQUENCES
from qontrast.physics.presets import PRESETS
from qontrast.physics.protocols import preset
from qontrast.physics.sequence import Sequence

SUFFIXES = {
    "UNIT1": "mp2rage", "MP2RAGE": "mp2rage", "FLAIR": "flair", "T2starw": "t2star", "T2star": "t2star", "MEGRE": "gre",
    "MPM": "spgr", "VFA": "spgr", "MTR": "mt", "MTS": "spgr", "MTw": "mt", "MESE": "fse", "T2w": "fse", "PDw": "fse",
    "inplaneT2": "fse", "DIR": "dir", "STIR": "stir", "swi": "t2star",
}  # fmt: skip
"""What a BIDS suffix says of the sequence, where nothing else does."""
WORDS = (
    ("mp2rage", r"mp2rage|unit1|\buni\b"),
    ("mprage", r"mp-?rage|bravo|turbo.?flash|ir-?fspgr|tfl3d|3d.?tfe|fast.?spgr"),
    ("dir", r"\bdir\b|double.?inversion"),
    ("stir", r"\bstir\b"),
    ("flair", r"flair|dark.?fluid|tirm"),
    ("bssfp", r"true-?fisp|fiesta|b-?ffe|b-?ssfp|ciss|balanced"),
    ("t2star", r"\bswi\b|t2_?\*|t2star|swan|venobold"),
    ("ir", r"inversion.?recovery|\bir-?tse|\btir\b|\bt1.?ir\b"),
    ("fse", r"\btse|\bfse|turbo.?spin|fast.?spin|\bspace|\bcube|vista|\brare\b|\bspin.?echo|\bse\b|\btse2d|mese"),
    ("spgr", r"spgr|flash|t1-?ffe|fl3d|\bfl2d|spoiled|\bffe\b|\bmpm\b"),
    ("gre", r"\bgre\b|gradient.?echo|\bgr\b"),
)
"""What the names of a scan's sequence and series say, the most telling first."""
NAMED = (
    "PulseSequenceType",
    "PulseSequenceName",
    "SequenceName",
    "PulseSequenceDetails",
    "SeriesDescription",
    "ProtocolName",
)
TIMES = {"EchoTime": 1.0, "RepetitionTime": 60.0, "InversionTime": 30.0}
"""Longest times (s) that a sidecar may state: beyond them it states milliseconds."""
LONGEST_EXCITATION = 0.05  # s between two excitations of a readout train


def from_bids(sidecar: dict[str, Any], where: str, suffix: str = "") -> tuple[Sequence, list[str]]:
    """The sequence that a BIDS sidecar describes.

    What it does not state (the echo spacing, the length of a train) is taken from our preset of that sequence and said.

    Args:
        sidecar: the JSON object.
        where: its file, for messages.
        suffix: BIDS suffix of the scan (``T1w``, ``FLAIR``), if known.

    Returns:
        The sequence, and a sentence for each number that was assumed.

    Raises:
        InputError: without EchoTime (and whatever else the sequence cannot do without), for times in milliseconds, or
            where nothing says which sequence it is.
        ProtocolError: for a protocol that no scanner could run.
    """
    sidecar = {key: _alone(value) for key, value in sidecar.items() if not _is_blank(value)}
    for key, longest in TIMES.items():
        _refuse_milliseconds(sidecar, key, longest, where)
    name = sequence_of(sidecar, where, suffix)
    told = _Told(sidecar, where, name)
    numbers = told.numbers()
    try:
        return preset(name, told.field(), **numbers), told.assumed
    except InputError as error:
        raise type(error)(f"{where}, {name}", error.found, error.wanted, error.remedy) from error


def sequence_of(sidecar: dict[str, Any], where: str, suffix: str = "") -> str:
    """Which of our sequences a sidecar describes, by its names, else by its numbers, else by the file's suffix.

    Raises:
        InputError: if nothing tells.
    """
    stated = str(sidecar.get("PulseSequenceType", "")).lower()
    if stated in SEQUENCES:
        return stated
    words = " ".join(str(sidecar.get(key, "")) for key in NAMED).lower().replace("_", " ")
    by_word = next((name for name, pattern in WORDS if re.search(pattern, words)), None)
    inversion = sidecar.get("InversionTime")
    if isinstance(inversion, list) and len(inversion) == 2 and by_word not in ("mp2rage", "dir"):
        return "mp2rage"
    if by_word in ("spgr", "gre") and inversion and not isinstance(inversion, list):
        return "mprage"
    if by_word in ("spgr", "gre") and sidecar.get("MTState") is True:
        return "mt"
    if by_word == "fse" and inversion and suffix != "T2w":
        return "flair" if isinstance(inversion, int | float) and inversion > 1.4 else "ir"
    if by_word:
        return by_word
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    scanning = sidecar.get("ScanningSequence", "")
    kinds = {
        str(k).upper() for k in (scanning if isinstance(scanning, list) else str(scanning).replace("\\", " ").split())
    }
    if "GR" in kinds or suffix in ("T1w", "T2starw"):
        return "mprage" if inversion else "spgr"
    if "SE" in kinds:
        return "ir" if inversion or "IR" in kinds else "fse"
    raise InputError(
        where,
        f"nothing that names the sequence ({', '.join(sorted(sidecar)) or 'an empty object'})",
        "PulseSequenceType, SequenceName or ScanningSequence, or a scan's own file name beside it",
        f'Add "PulseSequenceType": one of {", ".join(SEQUENCES)}.',
    )


class _Told:
    """What a sidecar tells of a sequence's numbers, and what had to be assumed."""

    def __init__(self, sidecar: dict[str, Any], where: str, name: str) -> None:
        self.sidecar, self.where, self.name = sidecar, where, name
        self.model = PRESETS[name]
        self.has = {f.name for f in fields(self.model)}  # type: ignore[arg-type]
        self.assumed: list[str] = []

    def field(self) -> float:
        stated = self.sidecar.get("MagneticFieldStrength")
        if stated is None:
            self.assumed.append(f"MagneticFieldStrength is not stated: {self.model.field_strength:g} T assumed")
            return self.model.field_strength
        return self._number("MagneticFieldStrength")

    def numbers(self) -> dict[str, Any]:
        found: dict[str, Any] = {"echo_time": self._number("EchoTime")}
        found |= self._flip()
        if "inversion_time" in self.has:
            found["inversion_time"] = self._number("InversionTime")
        if "inversion_times" in self.has:
            found["inversion_times"] = self._pair("InversionTime")
        found["repetition_time"] = self._repetition_time(found)
        if "mt_pulse" in self.has:
            found["mt_pulse"] = self.sidecar.get("MTState") is True
        if "inversion_efficiency" in self.has and "InversionEfficiency" in self.sidecar:
            found["inversion_efficiency"] = self._number("InversionEfficiency")
        if "excitations" in self.has:
            found |= self._readout_train(found)
        if "echo_train_length" in self.has:
            found |= self._echo_train(found)
        return found

    def _flip(self) -> dict[str, Any]:
        if "flip_angles" in self.has:
            return {"flip_angles": tuple(math.radians(a) for a in self._pair("FlipAngle"))}
        if "flip_angle" in self.has:
            return {"flip_angle": math.radians(self._number("FlipAngle"))}
        return {}

    def _repetition_time(self, found: dict[str, Any]) -> float:
        if "RepetitionTimePreparation" in self.sidecar:
            return self._number("RepetitionTimePreparation")
        if "excitations" not in self.has:
            excitation = "RepetitionTime" not in self.sidecar and "RepetitionTimeExcitation" in self.sidecar
            return self._number("RepetitionTimeExcitation" if excitation else "RepetitionTime")
        stated = self._number("RepetitionTime")
        if stated > LONGEST_EXCITATION or "inversion_time" not in found:
            return stated
        # Some scanners state the time between excitations, and nowhere that between inversions.
        self.sidecar = {"RepetitionTimeExcitation": stated, **self.sidecar}
        whole = max(self.model.repetition_time, 2.0 * found["inversion_time"] + 0.3)  # type: ignore[attr-defined]
        self.assumed.append(
            f"RepetitionTime = {stated:g} s is that between excitations; {whole:g} s between inversions assumed"
        )
        return whole

    def _readout_train(self, found: dict[str, Any]) -> dict[str, float]:
        """Spacing and number of the excitations: as stated, else so that the train fits."""
        spacing = self._optional("RepetitionTimeExcitation", max(self.model.echo_spacing, 2.0 * found["echo_time"]))  # type: ignore[attr-defined]
        room = 2.0 * found["inversion_time"] if "inversion_time" in found else _room(found)
        if "inversion_time" in found:
            room = min(room, 2.0 * (found["repetition_time"] - found["inversion_time"]))
        most = math.floor(room / spacing * 0.98)
        stated = self.sidecar.get("NumberShots")
        if isinstance(stated, list) and all(isinstance(shots, int | float) for shots in stated):
            return {"echo_spacing": spacing, "excitations": float(sum(stated))}
        if stated is not None:
            return {"echo_spacing": spacing, "excitations": self._number("NumberShots")}
        count = max(1, min(int(self.model.excitations), most))  # type: ignore[attr-defined]
        self.assumed.append(f"NumberShots is not stated: a train of {count} excitations assumed")
        return {"echo_spacing": spacing, "excitations": float(count)}

    def _echo_train(self, found: dict[str, Any]) -> dict[str, float]:
        time = found["echo_time"]
        busy = max(found["inversion_times"]) if "inversion_times" in found else found.get("inversion_time", 0.0)
        room = found["repetition_time"] - busy
        echoes = self._number("EchoTrainLength") if "EchoTrainLength" in self.sidecar else None
        if "EchoSpacing" in self.sidecar:
            spacing = self._number("EchoSpacing")
        else:
            usual = self.model.echo_spacing if echoes is None else min(self.model.echo_spacing, 0.9 * room / echoes)  # type: ignore[attr-defined]
            spacing = time / max(1, math.ceil(time / usual - 1e-6)) if usual > 0 else time
            self.assumed.append(f"EchoSpacing is not stated: {1e3 * spacing:.3g} ms assumed, which divides EchoTime")
        least = math.ceil(time / spacing - 1e-6)
        if echoes is None:
            most = max(least, math.floor(room / spacing + 1e-6))
            echoes = min(most, max(least, round(self.model.echo_train_length)))  # type: ignore[attr-defined]
            self.assumed.append(f"EchoTrainLength is not stated: {echoes:g} echoes assumed")
        return {
            "echo_spacing": spacing,
            # Where the stated train ends before TE, it was counted over several excitations.
            "echo_train_length": float(max(least, round(echoes))),
            "refocusing_flip": math.radians(self._refocusing()),
        }

    def _refocusing(self) -> float:
        """Degrees. Some scanners state the refocusing pulses' flip where the excitation's is asked for."""
        stated = self.sidecar.get("FlipAngle")
        if "RefocusingFlipAngle" not in self.sidecar and isinstance(stated, int | float) and 90 < stated <= 180:
            self.assumed.append(f"FlipAngle = {stated:g} is taken for the refocusing pulses': an excitation has 90")
            return float(stated)
        return self._optional("RefocusingFlipAngle", math.degrees(self.model.refocusing_flip), "degrees")  # type: ignore[attr-defined]

    def _optional(self, key: str, otherwise: float, unit: str = "s") -> float:
        if key in self.sidecar:
            return self._number(key)
        self.assumed.append(f"{key} is not stated: {otherwise:.4g} {unit} assumed")
        return otherwise

    def _number(self, key: str) -> float:
        value = self.sidecar.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            found = f"no {key}" if value is None else f"{key} = {value!r}"
            raise InputError(
                self.where, found, f"{key} as a number, for {self.name.upper()}", f"Add {key} to the JSON sidecar."
            )
        return float(value)

    def _pair(self, key: str) -> tuple[float, float]:
        value = self.sidecar.get(key)
        if isinstance(value, list) and len(value) == 2 and all(isinstance(v, int | float) for v in value):
            return float(value[0]), float(value[1])
        found = f"no {key}" if value is None else f"{key} = {value!r}"
        raise InputError(
            self.where, found, f"{key} as two numbers, for {self.name.upper()}", "State both, as in [0.7, 2.5] for TI."
        )


def _is_blank(value: Any) -> bool:
    return value is None or value == [] or (isinstance(value, str) and not said(value))


def _alone(value: Any) -> Any:
    """What a list of one holds."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _room(found: dict[str, Any]) -> float:
    """The longest train that fits between MP2RAGE's inversion times."""
    first, second = found["inversion_times"]
    return min(2.0 * first, second - first, 2.0 * (found["repetition_time"] - second))


def _refuse_milliseconds(sidecar: dict[str, Any], key: str, longest: float, where: str) -> None:
    values = sidecar.get(key)
    for value in values if isinstance(values, list) else [values]:
        if isinstance(value, int | float) and value > longest:
            raise InputError(
                where,
                f"{key} = {value:g}",
                f"seconds, at most {longest:g}",
                f"BIDS wants seconds: {value:g} ms is {value / 1000:g} s.",
            )
