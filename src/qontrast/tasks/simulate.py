"""Simulation: one subject's maps to the image that a sequence would give, on the maps' own grid."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from qontrast.anatomy.cohort import EMBEDDED, find_subjects
from qontrast.anatomy.qmri import QuantitativeSubject
from qontrast.anatomy.subject import Subject
from qontrast.artefacts.noise import draw_noise
from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import InputError, MissingMapError
from qontrast.basics.randomness import derive
from qontrast.geometry.sample import whole
from qontrast.physics.protocols import preset
from qontrast.physics.sequence import Sequence, acquire
from qontrast.physics.tissue import spoken
from qontrast.scans.names import sidecar
from qontrast.scans.nifti import check_writable_name, write_image
from qontrast.tasks.speaking import say
from qontrast.views.contrast import describe
from qontrast.views.plan import ArtefactRanges
from qontrast.views.spoiling import Spoiling, draw_spoiling, noise_alone, scanned

PAIRS = {"inversion_time": "inversion_times", "flip_angle": "flip_angles"}
"""Numbers of which MP2RAGE has two."""


def simulate(
    source: str,
    sequence: str,
    out: Path,
    *,
    field: float | None = None,
    snr: float | None = None,
    coils: int | None = None,
    realistic: bool = False,
    seed: int = 0,
    labels: Path | None = None,
    quiet: bool = False,
    **protocol: tuple[float, ...],
) -> Path:
    """Write the image of one subject in one contrast, and its protocol as a BIDS sidecar beside it.

    Args:
        source: a subject's folder of maps, a label map, or ``embedded``.
        sequence: ``mprage``, ``mp2rage``, ``gre``, ``spgr``, ``fse`` or ``flair``.
        out: ends in ``.nii`` or ``.nii.gz``; shape and affine are those of the maps.
        field: tesla; None for the field of the maps (3 T for label maps).
        snr: signal-to-noise ratio; None for no noise, or with ``realistic`` for that of the sequence.
        coils: how many are combined by the sum of squares; None for one, or with ``realistic`` for a drawn number.
        realistic: draw what scans of this sequence suffer from, and write it into the sidecar.
        seed: of noise and artefacts, and of the tissue of a label map.
        labels: TSV with the labels' tissues.
        quiet: print nothing.
        protocol: ``echo_time``, ``repetition_time``, ``inversion_time`` (seconds) and ``flip_angle`` (degrees), where
            they differ from the sequence's clinical protocol; MP2RAGE takes two of the last two.

    Raises:
        InputError: for data that cannot be used, or a protocol that no scanner could run.
        MissingMapError: if the subject lacks a map that the sequence needs, saying what can still be simulated.
        WriteError: if the image cannot be written.
    """
    check_writable_name(out)
    chosen = preset(sequence, field, **protocol_numbers(sequence, protocol))
    found = find_subjects(source, embedded=1, labels=labels)
    if len(found) != 1:
        names = ", ".join(s.name for s in found[:6])
        raise InputError(source, f"{len(found)} subjects ({names})", "one subject", "Name the folder of one of them.")
    subject = found[0].open(canonical=False)
    if isinstance(subject, QuantitativeSubject):
        for note in subject.notes:
            say(note, quiet=quiet)
        if field is None:
            chosen = preset(sequence, subject.tissue.field_strength, **protocol_numbers(sequence, protocol))
    require_maps(subject, chosen)
    generator = derive(seed, subject.name, "person")
    strength = chosen.bids()["MagneticFieldStrength"]
    tissue = subject.draw(generator).block(whole(subject.grid.shape), strength)
    spoiling = _spoiling(chosen, subject, snr, coils, realistic, seed)
    signal = acquire(chosen, tissue)
    formed = chosen.image(signal) if spoiling is None else scanned(chosen, signal, spoiling, tissue.b0)
    image = formed[0, 0].numpy().astype(np.float32)
    like = None if source == EMBEDDED else found[0].files[0].path
    write_image(out, image, subject.grid, like=like)
    about: dict[str, Any] = {
        **chosen.bids(),
        "Units": "arbitrary",
        "GeneratedBy": [{"Name": "qontrast"}],
        "SimulatedFrom": subject.name,
        "SignalToNoiseRatio": None if spoiling is None else spoiling.noise.snr,
        "CombinedCoils": None if spoiling is None else spoiling.noise.coils,
        "Artefacts": spoiling.facts() if spoiling is not None and realistic else None,
        "Seed": seed,
    }
    write_atomic(sidecar(out), json.dumps({k: v for k, v in about.items() if v is not None}, indent=2) + "\n")
    drawn = f"; {spoiling.describe()}" if spoiling is not None and realistic else ""
    say(f"{out}: {describe(chosen)}, {subject.grid}{drawn}", quiet=quiet)
    return out


def _spoiling(
    sequence: Sequence, subject: Subject, snr: float | None, coils: int | None, realistic: bool, seed: int
) -> Spoiling | None:
    """What the scan suffers from: what was drawn for it, or noise alone, or nothing."""
    if coils is not None and coils > 1 and sequence.components > 1:
        raise InputError("--coils", f"{coils} for {sequence.name}", "1", "Its images are combined with their phases.")
    if not realistic:
        if coils is not None and snr is None:
            raise InputError(
                "--coils", f"{coils} coils and no noise", "noise for the coils", "Add --snr or --realistic."
            )
        return None if snr is None else noise_alone(draw_noise(snr, derive(seed, subject.name, "noise"), coils or 1))
    generator = derive(seed, subject.name, "artefacts", sequence.name)
    ranges = ArtefactRanges(erasure=0.0)
    grid, known = subject.grid, "b0" in subject.maps
    drawn = draw_spoiling(ranges, sequence, grid.shape, grid.spacing, generator, field_known=known)
    noise = replace(drawn.noise, snr=snr or drawn.noise.snr, coils=coils or drawn.noise.coils)
    return replace(drawn, noise=noise)


def protocol_numbers(sequence: str, given: dict[str, tuple[float, ...]]) -> dict[str, Any]:
    """Flags as the sequences' fields: flip angles in radians, pairs where the sequence has pairs.

    Raises:
        InputError: if there are more or fewer numbers than the sequence takes.
    """
    numbers: dict[str, Any] = {}
    for name, values in given.items():
        count = 2 if sequence == "mp2rage" and name in PAIRS else 1
        if len(values) != count:
            raise InputError(
                f"--{name.replace('_', '-')}",
                f"{len(values)} numbers",
                f"{count} for {sequence}",
                "Separate by spaces.",
            )
        if name == "flip_angle" and not all(0 < v <= 180 for v in values):
            raise InputError("--flip-angle", f"{' '.join(f'{v:g}' for v in values)} degrees", "above 0, at most 180")
        inside = tuple(math.radians(v) for v in values) if name == "flip_angle" else tuple(values)
        numbers[PAIRS[name] if count == 2 else name] = inside if count == 2 else inside[0]
    return numbers


def require_maps(subject: Subject, sequence: Sequence) -> None:
    """Refuse a sequence that the subject's maps do not suffice for.

    Raises:
        MissingMapError: naming the absent maps, and what can be simulated without them.
    """
    absent = [name for name in sequence.needs if name not in subject.maps]
    if absent:
        raise MissingMapError(
            f"{subject.name}, {sequence.name}",
            f"no map of {spoken(absent)}",
            f"maps of {spoken(sequence.needs)}",
            f"What the maps suffice for: {', '.join(subject.sequences) or 'nothing'}.",
        )
