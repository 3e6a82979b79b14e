"""Which contrast each view of a pair has: the only thing in which the three arms differ."""

import torch

from qontrast.anatomy.subject import Subject
from qontrast.basics.errors import MissingMapError
from qontrast.basics.randomness import choice
from qontrast.physics.presets import BASE, PRESETS
from qontrast.physics.published import PUBLISHED, draw_published
from qontrast.physics.sequence import Sequence
from qontrast.physics.usefulness import draw_useful_protocol
from qontrast.views.plan import ViewPlan


def draw_contrasts(plan: ViewPlan, subject: Subject, generator: torch.Generator) -> tuple[Sequence, Sequence]:
    """The two contrasts of a pair: one preset twice (*base*), one draw twice (*seqaug*), two draws (*seqinv*).

    Args:
        plan: its arm, sequences and fields.
        subject: whose maps have to suffice.
        generator: where the randomness comes from.

    Raises:
        MissingMapError: if none of the plan's sequences is possible.
    """
    names = check_contrasts(plan, subject)
    if plan.arm == "base":
        return PRESETS[BASE], PRESETS[BASE]

    fields, mt_known = plan.fields, "mt" in subject.maps
    if not fields:
        fields = (subject.draw(None).block(((0, 2), (0, 2), (0, 2))).field_strength,)

    def draw() -> Sequence:
        name, field = choice(names, generator), choice(fields, generator)
        if plan.ranges == "published":
            return draw_published(name, field, generator, mt_known=mt_known)
        return draw_useful_protocol(name, field, generator, mt_known=mt_known)[0]

    one = draw()
    return (one, one) if plan.arm == "seqaug" else (one, draw())


def check_contrasts(plan: ViewPlan, subject: Subject) -> list[str]:
    """The plan's sequences that the subject's maps suffice for.

    Raises:
        MissingMapError: if there is none.
    """
    wanted = [BASE] if plan.arm == "base" else list(plan.sequences)
    if plan.arm != "base" and plan.ranges == "published":
        wanted = [s for s in wanted if s in PUBLISHED]
    possible = subject.sequences
    names = [s for s in wanted if s in possible]
    if not names:
        raise MissingMapError(
            subject.name,
            f"maps that suffice for {', '.join(possible) or 'no sequence'}",
            f"maps for {' or '.join(wanted)}",
            "Add the missing maps, or choose others with --views.sequences (and --views.arm).",
        )
    return names


def describe(sequence: Sequence) -> str:
    """A protocol in a caption's few words: ``FLAIR 3 T, TR 9000, TE 90, TI 2385 ms, refocusing 150°``."""
    facts = sequence.bids()
    words = [f"{facts['PulseSequenceType']} {facts['MagneticFieldStrength']:g} T"]
    for key, name in (("RepetitionTime", "TR"), ("EchoTime", "TE"), ("InversionTime", "TI")):
        if key in facts:
            values = facts[key] if isinstance(facts[key], list) else [facts[key]]
            words.append(f"{name} {'/'.join(f'{1000 * v:.3g}' if v < 0.1 else f'{1000 * v:.0f}' for v in values)}")
    key, name = ("RefocusingFlipAngle", "refocusing") if "RefocusingFlipAngle" in facts else ("FlipAngle", "flip")
    angles = facts[key] if isinstance(facts[key], list) else [facts[key]]
    return ", ".join(words) + f" ms, {name} {'/'.join(f'{angle:.0f}' for angle in angles)}°"


def caption(*parts: str) -> str:
    """What was drawn for an image, as one caption: semicolons between the parts, those that say nothing left out."""
    return "; ".join(part for part in parts if part)
