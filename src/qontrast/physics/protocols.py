"""Protocols drawn jointly, so that a scanner could run each of them: never a draw that has to be repaired.

Times are built from parts that add up (a readout train, the wait before it, the wait after it), so the inequalities of
the sequences hold by construction. The ranges enclose the clinical protocols of :mod:`qontrast.physics.clinical` with a
tail to both sides. Inversion times follow the null of what they have to suppress, at the field they are for.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from qontrast.basics.errors import InputError, nearest
from qontrast.basics.randomness import chance, log_uniform, normal, uniform
from qontrast.physics.balanced import BSSFP
from qontrast.physics.field import log_change, r2_factor
from qontrast.physics.gradient_echo import GRE, MT, SPGR, T2Star, ernst_angle
from qontrast.physics.inversion_recovery import (
    DIR,
    FLAIR,
    IR,
    STIR,
    nulling_inversion_time,
    nulling_inversion_times,
)
from qontrast.physics.inversion_trains import MP2RAGE, MPRAGE
from qontrast.physics.presets import CSF_T1, FAT_T1, PRESETS, WHITE_T1
from qontrast.physics.sequence import Sequence
from qontrast.physics.spin_echo import FSE

TISSUE_T1 = 1.1  # s: between white and grey matter at 3 T; sets the neighbourhood of the Ernst angle


class Scale(NamedTuple):
    """Relaxation times of tissue at a field over those at 3 T.

    Args:
        longer: of T1.
        shorter: of T2.
    """

    longer: float
    shorter: float


def draw_protocol(name: str, field_strength: float, generator: torch.Generator, *, mt_known: bool = True) -> Sequence:
    """Draw a feasible protocol of the named sequence.

    Args:
        name: one of :data:`qontrast.physics.catalogue.SEQUENCES`.
        field_strength: tesla; recorded with the protocol, which follows the T1 of tissue there.
        generator: where the randomness comes from.
        mt_known: whether SPGR may have its MT pulse.

    Raises:
        InputError: for an unknown name, with the nearest known one.
    """
    if name not in _DRAWS:
        raise InputError("sequence", repr(name), "a known sequence", nearest(name, _DRAWS))
    scale = Scale(math.exp(log_change(field_strength, "grey")), 1.0 / r2_factor(field_strength))
    sequence = _DRAWS[name](generator, scale)
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


def _mprage(g: torch.Generator, at: Scale) -> MPRAGE:
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


def _mp2rage(g: torch.Generator, at: Scale) -> MP2RAGE:
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


def _spgr(g: torch.Generator, at: Scale) -> SPGR:
    repetition_time = log_uniform((6e-3, 60e-3), g)
    # From PD weighting, well below the Ernst angle, to T1 weighting, well above it.
    flip_angle = min(
        ernst_angle(repetition_time, TISSUE_T1 * at.longer) * log_uniform((0.35, 4.0), g), math.radians(70)
    )
    return SPGR(
        echo_time=min(log_uniform((1.8e-3, 20e-3), g), 0.6 * repetition_time),
        repetition_time=repetition_time,
        flip_angle=flip_angle,
        mt_pulse=chance(0.3, g),
    )


def _gre(g: torch.Generator, at: Scale) -> GRE:
    echo_time = log_uniform((5e-3, 45e-3), g)
    repetition_time = echo_time * 1.2 + log_uniform((0.01, 1.0), g)
    flip_angle = min(ernst_angle(repetition_time, TISSUE_T1 * at.longer) * log_uniform((0.4, 2.0), g), math.radians(80))
    return GRE(echo_time=echo_time, repetition_time=repetition_time, flip_angle=flip_angle)


def _mt(g: torch.Generator, at: Scale) -> MT:
    repetition_time = log_uniform((20e-3, 60e-3), g)
    return MT(
        echo_time=log_uniform((1.8e-3, 8e-3), g),
        repetition_time=repetition_time,
        flip_angle=ernst_angle(repetition_time, TISSUE_T1 * at.longer) * log_uniform((0.35, 1.5), g),
        pulse_power=uniform((0.7, 1.3), g),
    )


def _t2star(g: torch.Generator, at: Scale) -> T2Star:
    echo_time = log_uniform((12e-3, 40e-3), g)
    repetition_time = echo_time * 1.2 + log_uniform((3e-3, 30e-3), g)
    flip_angle = ernst_angle(repetition_time, TISSUE_T1 * at.longer) * log_uniform((0.5, 1.5), g)
    return T2Star(echo_time=echo_time, repetition_time=repetition_time, flip_angle=flip_angle)


def _bssfp(g: torch.Generator, at: Scale) -> BSSFP:
    repetition_time = log_uniform((3.5e-3, 9e-3), g)
    return BSSFP(
        echo_time=0.5 * repetition_time,
        repetition_time=repetition_time,
        flip_angle=math.radians(uniform((25, 70), g)),
    )


def _train(g: torch.Generator, echo_time: float, longest: float, spare: float = 1.2) -> dict[str, float]:
    """An echo train with an echo at TE: its spacing, length, and refocusing flip.

    The spacing divides TE; the train goes on behind it, ``spare`` to twice TE altogether.
    """
    before = max(1, round(echo_time / uniform((7e-3, 15e-3), g)), math.ceil(echo_time / longest))
    spacing = echo_time / before
    echoes = math.ceil(echo_time * uniform((spare, 2.0), g) / spacing)
    return {
        "echo_spacing": spacing,
        "echo_train_length": float(max(echoes, before)),
        "refocusing_flip": math.radians(uniform((110, 180), g)),
    }


def _fse(g: torch.Generator, at: Scale) -> FSE:
    if chance(0.2, g):  # T1-weighted: short TE, short TR
        echo_time = log_uniform((7e-3, 20e-3), g)
        train = _train(g, echo_time, 0.012)
        repetition_time = train["echo_train_length"] * train["echo_spacing"] + at.longer * uniform((0.35, 0.9), g)
        return FSE(echo_time=echo_time, repetition_time=repetition_time, **train)
    echo_time = log_uniform((8e-3, 140e-3), g)  # PD- to heavily T2-weighted
    train = _train(g, echo_time, 0.020)
    rest = log_uniform((1.8, 9.0), g)
    return FSE(echo_time=echo_time, repetition_time=train["echo_train_length"] * train["echo_spacing"] + rest, **train)


def _flair(g: torch.Generator, at: Scale) -> FLAIR:
    # Where T2 is short, so is TE: else what is left of fluid outshines tissue.
    echo_time = log_uniform((70e-3, 140e-3), g) * min(1.0, at.shorter)
    train = _train(g, echo_time, 0.020)
    duration = train["echo_train_length"] * train["echo_spacing"]
    repetition_time = uniform((4.8, 11.0), g)
    inverted = uniform((0.92, 1.0), g)
    null = nulling_inversion_time(CSF_T1, repetition_time, duration, inverted)
    return FLAIR(
        echo_time=echo_time,
        repetition_time=repetition_time,
        inversion_time=min(null * (1.0 + 0.005 * normal(g)), repetition_time - duration),
        inversion_efficiency=inverted,
        **train,
    )


def _ir(g: torch.Generator, at: Scale) -> IR:
    echo_time = log_uniform((8e-3, 40e-3), g)
    train = _train(g, echo_time, 0.012)
    # From just before the null of white matter to well beyond that of grey matter.
    inversion_time = at.longer * log_uniform((0.25, 1.4), g)
    duration = train["echo_train_length"] * train["echo_spacing"]
    return IR(
        echo_time=echo_time,
        repetition_time=inversion_time + duration + log_uniform((1.0, 6.0), g),
        inversion_time=inversion_time,
        inversion_efficiency=uniform((0.92, 1.0), g),
        phase_sensitive=chance(0.5, g),
        **train,
    )


def _stir(g: torch.Generator, at: Scale) -> STIR:
    echo_time = log_uniform((15e-3, 90e-3), g)
    train = _train(g, echo_time, 0.015)
    duration = train["echo_train_length"] * train["echo_spacing"]
    repetition_time, inverted = uniform((2.5, 7.0), g), uniform((0.92, 1.0), g)
    null = nulling_inversion_time(FAT_T1 * at.longer, repetition_time, duration, inverted)
    return STIR(
        echo_time=echo_time,
        repetition_time=repetition_time,
        inversion_time=null * (1.0 + 0.05 * normal(g)),
        inversion_efficiency=inverted,
        **train,
    )


def _dir(g: torch.Generator, at: Scale) -> DIR:
    echo_time = log_uniform((15e-3, 120e-3), g)
    train = _train(g, echo_time, 0.015)
    duration = train["echo_train_length"] * train["echo_spacing"]
    repetition_time, inverted = uniform((6.0, 11.0), g), uniform((0.92, 1.0), g)
    nulled = (CSF_T1, WHITE_T1 * at.longer)
    long, short = nulling_inversion_times(nulled, repetition_time, duration, inverted)
    return DIR(
        echo_time=echo_time,
        repetition_time=repetition_time,
        inversion_times=(long * (1.0 + 0.01 * normal(g)), short * (1.0 + 0.03 * normal(g))),
        inversion_efficiency=inverted,
        **train,
    )


_DRAWS: dict[str, Callable[[torch.Generator, Scale], Sequence]] = {
    "mprage": _mprage,
    "mp2rage": _mp2rage,
    "gre": _gre,
    "spgr": _spgr,
    "fse": _fse,
    "flair": _flair,
    "bssfp": _bssfp,
    "ir": _ir,
    "stir": _stir,
    "dir": _dir,
    "mt": _mt,
    "t2star": _t2star,
}
