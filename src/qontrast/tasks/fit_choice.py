"""Which method a series allows, and what it needs at least."""

import math

import numpy as np

from qontrast.basics.errors import InputError
from qontrast.fits.dual_flip import Excitation
from qontrast.fits.methods import Method, MultiParameter, SingleDecay, VariableFlip
from qontrast.fits.spoiling import IDEAL, Spoiling, published_spoiling
from qontrast.tasks.fit_series import Series, Weighted

SPOILING = ("auto", "published", "ideal")
EQUATIONS = {
    "MPM": (
        "ESTATICS, then exact dual-flip expressions; maximum likelihood under Rician noise",
        ("doi:10.3389/fnins.2014.00278", "doi:10.1002/mrm.21542", "doi:10.1002/mrm.21732"),
    ),
    "VFA": (
        "Variable flip angles; maximum likelihood under Rician noise, started by DESPOT1",
        ("doi:10.1016/0730-725X(87)90021-X", "doi:10.1002/mrm.10407"),
    ),
    "MESE": ("Mono-exponential decay; maximum likelihood under Rician noise", ("doi:10.1002/mrm.1910340618",)),
    "MEGRE": ("Mono-exponential decay; maximum likelihood under Rician noise", ("doi:10.1002/mrm.1910340618",)),
    "MP2RAGE": ("Lookup table of UNI", ("doi:10.1016/j.neuroimage.2009.10.002",)),
    "UNIT1": ("Lookup table of UNI", ("doi:10.1016/j.neuroimage.2009.10.002",)),
}


def choose(series: Series, spoiling: str, notes: list[str]) -> tuple[Method, tuple[Weighted, ...]]:
    """The method for a series of echoes or flip angles, and the images in the order in which it takes them.

    Args:
        series: of suffix MPM, VFA, MESE or MEGRE.
        spoiling: ``auto``, ``published`` or ``ideal``.
        notes: what was chosen is added.

    Raises:
        InputError: for too few echoes or flip angles.
    """
    if series.suffix == "MPM":
        return _multi_parameter(series, spoiling, notes)
    times = np.array([w.echo_time for w in series.images])
    if series.suffix == "VFA":
        return _variable_flip(series), series.images
    if len(times) < 3:
        raise _too_few(series, f"{len(times)} echoes", "at least 3, for a rate, an amplitude and the noise")
    return SingleDecay(times, "T2map" if series.suffix == "MESE" else "T2starmap"), series.images


def contrasts(series: Series) -> list[tuple[Weighted, ...]]:
    """The echoes of a multi-parameter series by contrast: PD-weighted, T1-weighted, and with MT pulse if there is one.

    Raises:
        InputError: unless there are two flip angles without MT pulse, and at most one contrast with it.
    """
    groups: dict[tuple[bool, float, float], list[Weighted]] = {}
    for w in series.images:
        groups.setdefault((w.mt, round(w.flip_angle, 6), round(w.repetition_time, 9)), []).append(w)
    plain = sorted((k for k in groups if not k[0]), key=lambda k: k[1] / math.sqrt(k[2]))
    with_mt = [k for k in groups if k[0]]
    if len(plain) != 2 or plain[0][1] == plain[1][1]:
        found = ", ".join(f"{math.degrees(k[1]):.4g}" for k in plain) or "none"
        raise _too_few(series, f"flip angles without MT pulse of {found} degrees", "two different ones")
    if len(with_mt) > 1:
        raise _too_few(series, f"{len(with_mt)} contrasts with MT pulse", "at most one")
    return [tuple(groups[k]) for k in (*plain, *with_mt)]


def _multi_parameter(series: Series, spoiling: str, notes: list[str]) -> tuple[MultiParameter, tuple[Weighted, ...]]:
    groups = contrasts(series)
    echoes = tuple(w for group in groups for w in group)
    if max(len(g) for g in groups) < 2 or len(echoes) < len(groups) + 2:
        raise _too_few(series, f"{len(echoes)} echoes of {len(groups)} contrasts", "several echoes of each contrast")
    scans = tuple(Excitation(g[0].flip_angle, g[0].repetition_time) for g in groups)
    if len(scans) == 2:
        notes.append("no images with MT pulse: no MTsat")
    kind = np.repeat(np.arange(len(groups)), [len(g) for g in groups])
    chosen = _spoiling(series, scans, spoiling, notes)
    return MultiParameter(np.array([w.echo_time for w in echoes]), kind, scans, chosen), echoes


def _spoiling(series: Series, scans: tuple[Excitation, ...], asked: str, notes: list[str]) -> Spoiling:
    if asked not in SPOILING:
        raise InputError("--spoiling", repr(asked), f"one of {', '.join(SPOILING)}")
    pdw, t1w = scans[:2]
    times, angles = (pdw.repetition_time, t1w.repetition_time), (pdw.flip_angle, t1w.flip_angle)
    known = published_spoiling(times, angles)
    spoken = f"TR {times[0] * 1e3:g} and {times[1] * 1e3:g} ms at {math.degrees(angles[0]):.4g} and "
    spoken += f"{math.degrees(angles[1]):.4g} degrees"
    if asked == "published" and known is None:
        raise InputError(series.images[0].image.path.parent, spoken, "a protocol with a published correction")
    if asked == "ideal" or known is None:
        why = "" if asked == "ideal" else f": no correction was published for {spoken}"
        notes.append(f"spoiling is taken to be ideal{why}")
        return IDEAL
    if asked == "auto" and any("SimulatedFrom" in w.meta for w in series.images):
        notes.append("spoiling is taken to be ideal: the images were simulated so")
        return IDEAL
    notes.append(
        f"R1 is corrected for imperfect spoiling by the published coefficients for {spoken}; --spoiling ideal leaves it"
    )
    return known


def _variable_flip(series: Series) -> VariableFlip:
    angles = np.array([w.flip_angle for w in series.images])
    if len(set(angles.round(6))) < 2:
        raise _too_few(series, f"{len(set(angles.round(6)))} flip angle", "at least two different ones")
    if len({round(w.echo_time, 9) for w in series.images}) > 1:
        raise _too_few(series, "images with different echo times", "one echo time", "Fit multi-echo series as _MPM.")
    return VariableFlip(angles, np.array([w.repetition_time for w in series.images]))


def _too_few(
    series: Series, found: str, wanted: str, remedy: str = "Add the missing images or their sidecars."
) -> InputError:
    folder = series.images[0].image.path.parent
    return InputError(folder, f"{series.suffix} images with {found}", wanted, remedy)
