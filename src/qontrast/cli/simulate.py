"""The commands that simulate a scan and list the protocols that can be simulated by name."""

from pathlib import Path
from typing import Any

from qontrast.cli.lists import Numbers


def simulate(
    source: str,
    /,
    *,
    out: Path,
    sequence: str | None = None,
    like: Path | None = None,
    field: float | None = None,
    echo_time: float | None = None,
    repetition_time: float | None = None,
    inversion_time: Numbers | None = None,
    flip_angle: Numbers | None = None,
    snr: float | None = None,
    coils: int | None = None,
    realistic: bool = False,
    seed: int = 0,
    labels: Path | None = None,
    lesion: str | None = None,
    age: float | None = None,
    lesions: Path | None = None,
    quiet: bool = False,
) -> None:
    """Simulate the image that a sequence would give of a subject's maps, with its protocol as a BIDS sidecar.

    Parameters
    ----------
    source
        Subject's folder of maps, a label map, or "embedded".
    out
        Image to write (.nii or .nii.gz), on the maps' own grid.
    sequence
        mprage, mp2rage, gre, spgr, fse, flair, bssfp, ir, stir, dir, mt, t2star; or a named protocol (see `qontrast
        protocols`).
    like
        A scan or its BIDS sidecar: simulate that scanner's protocol.
    field
        Static field in tesla; without it that of the maps.
    echo_time
        Seconds; without it the sequence's clinical protocol, as for the next three.
    repetition_time
        Seconds.
    inversion_time
        Seconds; two for mp2rage and dir.
    flip_angle
        Degrees; two for mp2rage.
    snr
        Signal-to-noise ratio; without it no noise.
    coils
        How many the scanner combines by the sum of squares.
    realistic
        Draw what scans of this sequence suffer from (noise, slices, motion, ...) and write it into the sidecar.
    seed
        Of noise and artefacts, and of the tissue of a label map.
    labels
        TSV with the tissue of each label, for label maps that are not FreeSurfer's.
    lesion
        acute-stroke, chronic-stroke, ms or svd, put into a label map; its mask is written beside the image.
    age
        Years, for a label map: tissue values, atrophy and white-matter changes of that age.
    lesions
        Folder of lesion masks in MNI space that strokes are taken from; without it shapes are drawn.
    quiet
        Print nothing.
    """
    from qontrast.tasks.simulate import simulate as task

    protocol = {
        "echo_time": (echo_time,) if echo_time is not None else None,
        "repetition_time": (repetition_time,) if repetition_time is not None else None,
        "inversion_time": inversion_time,
        "flip_angle": flip_angle,
    }
    given = {name: values for name, values in protocol.items() if values is not None}
    options: dict[str, Any] = {"lesion": lesion, "age": age, "lesions": lesions, **given}
    scanner: dict[str, Any] = {"field": field, "snr": snr, "coils": coils, "realistic": realistic}
    task(source, sequence, out, like=like, seed=seed, labels=labels, quiet=quiet, **scanner, **options)


def protocols() -> None:
    """List the named protocols of cohorts and clinics, with their sources."""
    from qontrast.physics.clinical import CLINICAL
    from qontrast.views.contrast import describe

    for name, protocol in CLINICAL.items():
        print(f"{name}: {describe(protocol.sequence)}\n    {protocol.source}. {protocol.assumed}".rstrip())
