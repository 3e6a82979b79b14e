"""Simulation: one subject's maps to the image that a sequence would give, on the maps' own grid."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from qontrast.anatomy.cohort import find_subjects
from qontrast.anatomy.lesions import CODES, KINDS
from qontrast.anatomy.pathology import AGES, PathologyRanges
from qontrast.anatomy.qmri import QuantitativeSubject
from qontrast.anatomy.source import EMBEDDED
from qontrast.anatomy.subject import Subject, Tissue
from qontrast.artefacts.noise import draw_noise
from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import InputError, MissingMapError, nearest
from qontrast.basics.randomness import derive
from qontrast.geometry.sample import whole
from qontrast.physics.clinical import clinical
from qontrast.physics.presets import PRESETS
from qontrast.physics.protocols import preset
from qontrast.physics.sequence import Sequence, acquire
from qontrast.physics.tissue import spoken
from qontrast.scans.names import sidecar, stem
from qontrast.scans.nifti import check_writable_name, write_image
from qontrast.tasks.scan_protocol import read_protocol
from qontrast.tasks.speaking import say
from qontrast.views.contrast import describe
from qontrast.views.plan import ArtefactRanges
from qontrast.views.spoiling import Spoiling, draw_spoiling, noise_alone, scanned

PAIRS = {"inversion_time": "inversion_times", "flip_angle": "flip_angles"}
"""Numbers of which MP2RAGE has two, and DIR two of the first."""


def simulate(
    source: str,
    sequence: str | None,
    out: Path,
    *,
    like: Path | None = None,
    field: float | None = None,
    snr: float | None = None,
    coils: int | None = None,
    realistic: bool = False,
    seed: int = 0,
    labels: Path | None = None,
    lesion: str | None = None,
    age: float | None = None,
    lesions: Path | None = None,
    quiet: bool = False,
    **protocol: tuple[float, ...],
) -> Path:
    """Write the image of one subject in one contrast, and its protocol as a BIDS sidecar beside it.

    Args:
        source: a subject's folder of maps, a label map, or ``embedded``.
        sequence: one of :data:`qontrast.physics.catalogue.SEQUENCES`, or a named protocol of
            :data:`qontrast.physics.clinical.CLINICAL`; None with ``like``.
        like: a scan or its BIDS sidecar, whose protocol is taken.
        out: ends in ``.nii`` or ``.nii.gz``; shape and affine are those of the maps.
        field: tesla; None for the field of the maps (3 T for label maps).
        snr: signal-to-noise ratio; None for no noise, or with ``realistic`` for that of the sequence.
        coils: how many are combined by the sum of squares; None for one, or with ``realistic`` for a drawn number.
        realistic: draw what scans of this sequence suffer from, and write it into the sidecar.
        seed: of noise and artefacts, and of the tissue of a label map.
        labels: TSV with the labels' tissues.
        lesion: kind of lesion to put into a label map; its mask is written beside the image, see :func:`write_lesion`.
        age: years, for a label map; None for the adult of the priors.
        lesions: folder of lesion masks in MNI space that strokes are taken from.
        quiet: print nothing.
        protocol: ``echo_time``, ``repetition_time``, ``inversion_time`` (seconds) and ``flip_angle`` (degrees), where
            they differ from the sequence's clinical protocol; MP2RAGE takes two of the last two, DIR two of the third.

    Raises:
        InputError: for data that cannot be used, or a protocol that no scanner could run.
        MissingMapError: if the subject lacks a map that the sequence needs, saying what can still be simulated.
        WriteError: if the image cannot be written.
    """
    check_writable_name(out)
    chosen = choose_protocol(sequence, like, field, protocol, quiet=quiet)
    found = find_subjects(source, embedded=1, labels=labels)
    if len(found) != 1:
        names = ", ".join(s.name for s in found[:6])
        raise InputError(source, f"{len(found)} subjects ({names})", "one subject", "Name the folder of one of them.")
    subject = found[0].open_tissue(canonical=False)
    if isinstance(subject, QuantitativeSubject):
        for note in subject.notes:
            say(note, quiet=quiet)
        if field is None and like is None and sequence in PRESETS:
            chosen = replace(chosen, field_strength=subject.tissue.field_strength)  # type: ignore[type-var]
    require_maps(subject, chosen)
    generator = derive(seed, subject.name, "person")
    tissue = subject.draw(generator, pathology_of(subject, lesion, age, lesions))
    # Dropout needs the static field too, of every gradient echo.
    with_b0 = chosen.uses_b0 or (realistic and "r2star" in chosen.needs)
    maps = tissue.block(whole(subject.grid.shape), chosen.field_strength, with_b0=with_b0)
    spoiling = _spoiling(chosen, subject, snr, coils, realistic, seed, field_known=maps.b0 is not None)
    signal = acquire(chosen, maps)
    formed = chosen.image(signal) if spoiling is None else scanned(chosen, signal, spoiling, maps.b0)
    image = formed[0, 0].numpy().astype(np.float32)
    like = None if source == EMBEDDED else found[0].files[0].path
    write_image(out, image, subject.grid, like=like)
    if lesion is not None:
        say(f"{write_lesion(out, tissue, subject, lesion, like)}: the lesion's mask", quiet=quiet)
    about: dict[str, Any] = {
        **chosen.bids(),
        "Units": "arbitrary",
        "GeneratedBy": [{"Name": "qontrast"}],
        "SimulatedFrom": subject.name,
        "SignalToNoiseRatio": None if spoiling is None else spoiling.noise.snr,
        "CombinedCoils": None if spoiling is None else spoiling.noise.coils,
        "Artefacts": spoiling.facts() if spoiling is not None and realistic else None,
        "Seed": seed,
        "Lesion": lesion,
        "Age": age,
    }
    write_atomic(sidecar(out), json.dumps({k: v for k, v in about.items() if v is not None}, indent=2) + "\n")
    drawn = f"; {spoiling.describe()}" if spoiling is not None and realistic else ""
    say(f"{out}: {describe(chosen)}, {subject.grid}{drawn}", quiet=quiet)
    return out


def choose_protocol(
    sequence: str | None,
    like: Path | None,
    field: float | None,
    protocol: dict[str, tuple[float, ...]],
    *,
    quiet: bool = False,
) -> Sequence:
    """The protocol that was asked for: of a sequence, of a name, or of another scan; see :func:`simulate`.

    Raises:
        InputError: for none or two of them, an unknown name (with the nearest one), or a sidecar without a number.
        ProtocolError: for a protocol that no scanner could run.
    """
    if (sequence is None) == (like is None):
        found = "neither --sequence nor --like" if sequence is None else "both --sequence and --like"
        raise InputError("protocol", found, "one of them", "--like takes the protocol of a scan's JSON sidecar.")
    if like is not None:
        if protocol:
            raise InputError(
                "protocol", f"--like and {', '.join(protocol)}", "one of them", "Mend a copy of the sidecar."
            )
        chosen, assumed = read_protocol(like)
        for note in assumed:
            say(f"{like.name}: {note}", quiet=quiet)
    elif sequence in PRESETS:
        chosen = preset(sequence, **protocol_numbers(sequence, protocol))
    else:
        named = clinical(str(sequence))
        chosen = replace(named.sequence, **protocol_numbers(named.sequence.name, protocol))  # type: ignore[type-var]
        say(f"{sequence}: {named.source}. {named.assumed}".strip(), quiet=quiet)
    return chosen if field is None else replace(chosen, field_strength=float(field))  # type: ignore[type-var]


def pathology_of(
    subject: Subject, lesion: str | None, age: float | None, folder: Path | None
) -> PathologyRanges | None:
    """The flags as ranges that leave no choice; None for health.

    Raises:
        InputError: for a kind or age that is not known, or a subject whose maps were measured.
    """
    if folder is not None and lesion not in ("acute-stroke", "chronic-stroke"):
        raise InputError("--lesions", str(folder), "--lesion acute-stroke or chronic-stroke beside it")
    if lesion is None and age is None:
        return None
    if isinstance(subject, QuantitativeSubject):
        flag = "--lesion" if lesion is not None else "--age"
        raise InputError(flag, f"measured maps of {subject.name}", "a label map", "Measured maps have what they have.")
    if age is not None and not AGES[0] <= age <= AGES[1]:
        raise InputError("--age", f"{age:g} years", f"{AGES[0]:g} to {AGES[1]:g} years", "Ages are in years.")
    if lesion is not None and lesion not in KINDS:
        raise InputError("--lesion", repr(lesion), "a known kind of lesion", nearest(lesion, KINDS))
    return PathologyRanges(
        lesions=float(lesion is not None),
        kinds=KINDS if lesion is None else (lesion,),
        ageing=float(age is not None),
        ages=AGES if age is None else (age, age),
        folder=None if folder is None else str(folder),
        masks="all",
    )


def write_lesion(out: Path, tissue: Tissue, subject: Subject, kind: str, like: Path | None) -> Path:
    """Write ``<stem>_label-lesion_mask.nii.gz`` beside ``out``: 1 in lesions of ``kind`` (not in those of age)."""
    codes = tissue.lesion(whole(subject.grid.shape))
    assert codes is not None, "only label maps are given lesions"
    path = out.with_name(f"{stem(out)}_label-lesion_mask.nii.gz")
    write_image(path, (codes == CODES[kind]).numpy().astype(np.uint8), subject.grid, like=like)
    return path


def _spoiling(
    sequence: Sequence,
    subject: Subject,
    snr: float | None,
    coils: int | None,
    realistic: bool,
    seed: int,
    *,
    field_known: bool,
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
    grid = subject.grid
    drawn = draw_spoiling(ranges, sequence, grid.shape, grid.spacing, generator, field_known=field_known)
    noise = replace(drawn.noise, snr=snr or drawn.noise.snr, coils=coils or drawn.noise.coils)
    return replace(drawn, noise=noise)


def protocol_numbers(sequence: str, given: dict[str, tuple[float, ...]]) -> dict[str, Any]:
    """Flags as the sequences' fields: flip angles in radians, pairs where the sequence has pairs.

    Raises:
        InputError: for a number that the sequence has not, or if there are more or fewer than it takes.
    """
    numbers: dict[str, Any] = {}
    for name, values in given.items():
        known = PRESETS[sequence].__dataclass_fields__  # type: ignore[attr-defined]
        if not {name, PAIRS.get(name)} & known.keys():
            raise InputError(_flag(name), f"a number that {sequence} has not", "its own numbers", "Leave it out.")
        count = 2 if PAIRS.get(name) in known else 1
        if len(values) != count:
            raise InputError(
                _flag(name),
                f"{len(values)} numbers",
                f"{count} for {sequence}",
                "Separate by spaces.",
            )
        if name == "flip_angle" and not all(0 < v <= 180 for v in values):
            raise InputError("--flip-angle", f"{' '.join(f'{v:g}' for v in values)} degrees", "above 0, at most 180")
        inside = tuple(math.radians(v) for v in values) if name == "flip_angle" else tuple(values)
        numbers[PAIRS[name] if count == 2 else name] = inside if count == 2 else inside[0]
    return numbers


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


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
