"""Protocols drawn jointly, so that a scanner could run each of them: never a draw that has to be repaired.

Times are built from parts that add up (a readout train, the wait before it, the wait after it), so the inequalities of
the sequences hold by construction. The ranges enclose clinical protocols with a tail to both sides.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from qontrast.basics.errors import InputError, nearest
from qontrast.basics.randomness import chance, log_uniform, normal, uniform
from qontrast.physics.gradient_echo import GRE, SPGR, ernst_angle
from qontrast.physics.inversion_trains import MP2RAGE, MPRAGE
from qontrast.physics.presets import CSF_T1, PRESETS
from qontrast.physics.sequence import Sequence
from qontrast.physics.spin_echo import FLAIR, FSE, nulling_inversion_time

TISSUE_T1 = 1.1  # s: between white and grey matter at 3 T; sets the neighbourhood of the Ernst angle


def draw_protocol(name: str, field_strength: float, generator: torch.Generator, *, mt_known: bool = True) -> Sequence:
    """Draw a feasible protocol of the named sequence.

    Args:
        name: one of ``mprage``, ``mp2rage``, ``gre``, ``spgr``, ``fse``, ``flair``.
        field_strength: tesla; recorded with the protocol.
        generator: where the randomness comes from.
        mt_known: whether SPGR may have its MT pulse.

    Raises:
        InputError: for an unknown name, with the nearest known one.
    """
    if name not in _DRAWS:
        raise InputError("sequence", repr(name), "a known sequence", nearest(name, _DRAWS))
    sequence = _DRAWS[name](generator)
    if isinstance(sequence, SPGR) and sequence.mt_pulse and not mt_known:
        sequence = replace(sequence, mt_pulse=False)
    return replace(sequence, field_strength=field_strength)  # type: ignore[type-var]


def preset(name: str, field_strength: float | None = None, **changes: Any) -> Sequence:
    """The clinical protocol of the named sequence, with some of its numbers changed.

    Raises:
        InputError: for an unknown sequence or a number that the sequence does not have.
    """
    if name not in PRESETS:
        raise InputError("sequence", repr(name), "a known sequence", nearest(name, PRESETS))
    known = PRESETS[name].__dataclass_fields__  # type: ignore[attr-defined]
    for change in changes:
        if change not in known:
            raise InputError(name, f"the number {change!r}", "one that this sequence has", nearest(change, known))
    if field_strength is not None:
        changes["field_strength"] = float(field_strength)
    return replace(PRESETS[name], **changes)  # type: ignore[type-var]


def _mprage(g: torch.Generator) -> MPRAGE:
    echo_spacing = uniform((5.5e-3, 11e-3), g)
    excitations = round(uniform((110, 210), g))
    half = 0.5 * excitations * echo_spacing
    inversion_time = half + log_uniform((0.03, 0.7), g)
    return MPRAGE(
        echo_time=echo_spacing * uniform((0.3, 0.6), g),
        repetition_time=inversion_time + half + log_uniform((0.05, 1.5), g),
        inversion_time=inversion_time,
        flip_angle=math.radians(uniform((5, 15), g)),
        echo_spacing=echo_spacing,
        excitations=float(excitations),
        inversion_efficiency=uniform((0.9, 1.0), g),
    )


def _mp2rage(g: torch.Generator) -> MP2RAGE:
    echo_spacing = uniform((5.5e-3, 8e-3), g)
    excitations = round(uniform((90, 180), g))
    train = excitations * echo_spacing
    first = 0.5 * train + log_uniform((0.05, 0.7), g)
    second = first + train + log_uniform((0.1, 1.5), g)
    return MP2RAGE(
        echo_time=echo_spacing * uniform((0.3, 0.6), g),
        repetition_time=second + 0.5 * train + log_uniform((0.2, 3.0), g),
        inversion_times=(first, second),
        flip_angles=(math.radians(uniform((3, 7), g)), math.radians(uniform((3, 7), g))),
        echo_spacing=echo_spacing,
        excitations=float(excitations),
        inversion_efficiency=uniform((0.9, 1.0), g),
    )


def _spgr(g: torch.Generator) -> SPGR:
    repetition_time = log_uniform((6e-3, 60e-3), g)
    # From PD weighting, well below the Ernst angle, to T1 weighting, well above it.
    flip_angle = min(ernst_angle(repetition_time, TISSUE_T1) * log_uniform((0.35, 4.0), g), math.radians(70))
    return SPGR(
        echo_time=min(log_uniform((1.8e-3, 20e-3), g), 0.6 * repetition_time),
        repetition_time=repetition_time,
        flip_angle=flip_angle,
        mt_pulse=chance(0.3, g),
    )


def _gre(g: torch.Generator) -> GRE:
    echo_time = log_uniform((5e-3, 45e-3), g)
    repetition_time = echo_time * 1.2 + log_uniform((0.01, 1.0), g)
    flip_angle = min(ernst_angle(repetition_time, TISSUE_T1) * log_uniform((0.4, 2.0), g), math.radians(80))
    return GRE(echo_time=echo_time, repetition_time=repetition_time, flip_angle=flip_angle)


def _fse(g: torch.Generator) -> FSE:
    if chance(0.2, g):  # T1-weighted: short TE, short TR
        echo_time, train = log_uniform((7e-3, 20e-3), g), uniform((0.03, 0.07), g)
        return FSE(echo_time=echo_time, repetition_time=train + uniform((0.35, 0.9), g), train_duration=train)
    echo_time = log_uniform((8e-3, 140e-3), g)  # PD- to heavily T2-weighted
    train = echo_time * uniform((1.2, 2.0), g) + 0.03
    return FSE(echo_time=echo_time, repetition_time=train + log_uniform((1.8, 9.0), g), train_duration=train)


def _flair(g: torch.Generator) -> FLAIR:
    echo_time = log_uniform((70e-3, 160e-3), g)
    train = echo_time * uniform((1.3, 2.2), g)
    repetition_time = uniform((4.8, 11.0), g)
    efficiency = uniform((0.92, 1.0), g)
    null = nulling_inversion_time(CSF_T1, repetition_time, train, efficiency)
    return FLAIR(
        echo_time=echo_time,
        repetition_time=repetition_time,
        inversion_time=min(null * (1.0 + 0.025 * normal(g)), repetition_time - train),
        train_duration=train,
        inversion_efficiency=efficiency,
    )


_DRAWS: dict[str, Callable[[torch.Generator], Sequence]] = {
    "mprage": _mprage,
    "mp2rage": _mp2rage,
    "gre": _gre,
    "spgr": _spgr,
    "fse": _fse,
    "flair": _flair,
}
