"""Protocols from the ranges of the published code (Chalcroft et al. 2025, arXiv 2501.12057), to compare ours with.

Each number is drawn on its own there, so that many protocols could not run on a scanner: TE above TR, TI above TR,
negative delays. Those are drawn again here, for they have no signal that could be computed; whether tissue shows is not
asked. That moves what is left: of 3,000 draws each, 6.7 % of MP2RAGE's remain (median TE 1.1 ms instead of 2.9, echo
spacing 2.7 ms instead of 5.8) and 45 % of FLAIR's (median TI 16 ms). Their GRE has a factor
for MT, too, which ours has not.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import torch

from qontrast.basics.errors import InputError, ProtocolError, nearest
from qontrast.basics.randomness import log_uniform, normal, uniform
from qontrast.physics.gradient_echo import GRE, SPGR
from qontrast.physics.inversion_recovery import FLAIR
from qontrast.physics.inversion_trains import MP2RAGE, MPRAGE
from qontrast.physics.sequence import Sequence
from qontrast.physics.spin_echo import FSE

MOST_TRIES = 10_000


def draw_published(name: str, field_strength: float, generator: torch.Generator, *, mt_known: bool = True) -> Sequence:
    """Draw a protocol of the named sequence from the published ranges.

    Args:
        name: one of :data:`PUBLISHED`.
        field_strength: tesla.
        generator: where the randomness comes from.
        mt_known: whether SPGR may have its MT pulse, which it always has there.

    Raises:
        InputError: for a sequence that the method does not have, with the nearest one that it has.
    """
    if name not in PUBLISHED:
        raise InputError("sequence", repr(name), "one of the method's sequences", nearest(name, PUBLISHED))
    for _ in range(MOST_TRIES):
        try:
            sequence = PUBLISHED[name](generator)
        except ProtocolError:
            continue
        if isinstance(sequence, SPGR):
            sequence = replace(sequence, mt_pulse=mt_known)
        return replace(sequence, field_strength=field_strength)  # type: ignore[type-var]
    raise AssertionError(f"no feasible {name} in {MOST_TRIES} draws")


def _mprage(g: torch.Generator) -> MPRAGE:
    echo_time = uniform((2e-3, 4e-3), g)
    return MPRAGE(
        echo_time=echo_time,
        repetition_time=uniform((1.9, 2.5), g),
        inversion_time=uniform((0.6, 1.2), g),
        flip_angle=math.radians(uniform((5, 12), g)),
        echo_spacing=2.0 * echo_time,  # what the code's simulator takes where it is told none
        excitations=float(round(uniform((100, 200), g))),
        inversion_efficiency=uniform((0.8, 1.0), g),
    )


def _mp2rage(g: torch.Generator) -> MP2RAGE:
    return MP2RAGE(
        echo_time=_about(2.9e-3, 0.5, g),
        repetition_time=2.3 * (1 + 0.1 * normal(g)),
        inversion_times=(uniform((0.6, 0.9), g), 2.2 * (1 + 0.1 * normal(g))),
        flip_angles=(math.radians(uniform((3, 6), g)), math.radians(uniform((3, 6), g))),
        echo_spacing=_about(5.8e-3, 0.5, g),
        excitations=float(round(160 * (1 + 0.1 * normal(g)))),
        inversion_efficiency=_at_most_one(0.96 * (1 + 0.1 * normal(g))),
    )


def _spgr(g: torch.Generator) -> SPGR:
    echo_time, repetition_time = log_uniform((2e-3, 80e-3), g), log_uniform((5e-3, 0.8), g)
    return SPGR(echo_time=echo_time, repetition_time=repetition_time, flip_angle=math.radians(uniform((5, 50), g)))


def _gre(g: torch.Generator) -> GRE:
    echo_time, repetition_time = log_uniform((2e-3, 80e-3), g), log_uniform((5e-3, 5.0), g)
    return GRE(echo_time=echo_time, repetition_time=repetition_time, flip_angle=math.radians(uniform((5, 50), g)))


def _fse(g: torch.Generator) -> FSE:
    echo_time = log_uniform((20e-3, 150e-3), g)
    return FSE(echo_time=echo_time, repetition_time=log_uniform((2.0, 8.0), g), **_single_echo(echo_time))


def _flair(g: torch.Generator) -> FLAIR:
    echo_time = _about(20e-3, 0.1, g)
    return FLAIR(
        echo_time=echo_time,
        repetition_time=log_uniform((1e-3, 5.0), g),
        inversion_time=log_uniform((1e-3, 3.0), g),
        inversion_efficiency=1.0,
        **_single_echo(echo_time),
    )


def _single_echo(echo_time: float) -> dict[str, float]:
    """The method's spin echoes know no train: one echo stands for it."""
    return {"echo_spacing": echo_time, "echo_train_length": 1.0}


def _about(median: float, decades: float, g: torch.Generator) -> float:
    """Log-normal, its deviation in decades."""
    return median * 10 ** (decades * normal(g))


def _at_most_one(efficiency: float) -> float:
    """What is above 1 is reflected to below it."""
    return 2.0 - efficiency if efficiency > 1.0 else efficiency


PUBLISHED: dict[str, Callable[[torch.Generator], Sequence]] = {
    "mprage": _mprage,
    "mp2rage": _mp2rage,
    "gre": _gre,
    "spgr": _spgr,
    "fse": _fse,
    "flair": _flair,
}
"""The method's sequences; times in seconds."""
