"""What lesions do to tissue, and where each kind lies.

**Borders.** Two things happen in a lesion, and each is drawn as what it is. *Damage* (oedema, loss of myelin, gliosis)
is a gradual change of living tissue: water exchanges within micrometres, so a voxel that is half damaged has one T1
between the two, and rates change smoothly with severity, as a factor on what the host tissue has (in a stroke grey
and white matter still differ). A *cavity* is a hole with fluid in it: it has a hard border on the fine grid, as every
label has, and larger voxels average its signal, not its T1.

Ranges of change, as factors on the host's T1, T2, T2*, PD and MTsat:
Acute stroke: T2 by 30 to 60 % within a day (Siemonsen et al. 2009, doi:10.1161/STROKEAHA.108.542548), T1 by 10 to 30 %.
Multiple sclerosis: T1 by 20 to 60 % and more in black holes, T2 by 40 to 100 %, MTsat down to a half.
Small-vessel disease: T1 by 20 to 50 %, T2 by 30 to 80 %, MTsat down by 15 to 45 %. Where white-matter hyperintensities
lie, that the 4 mm next to the cortex are spared, and their mean of 4.9 ml at 60 to 64 years: Wen and Sachdev 2004
(doi:10.1016/j.neuroimage.2003.12.027); the exponential growth with age and its large spread: de Kort et al. 2024
(doi:10.1016/j.neurobiolaging.2024.11.006). Lacunes of 3 to 15 mm with fluid and a bright rim: Wardlaw et al. 2013
(doi:10.1016/S1474-4422(13)70124-8).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from qontrast.anatomy.compartments import Compartments
from qontrast.anatomy.lesion_shapes import Level, blobs, traced
from qontrast.anatomy.white_matter_burden import bands
from qontrast.basics.randomness import Range, chance, choice, log_uniform, normal, uniform

TIMES = ("t1", "t2", "t2star")
CHANGES: dict[str, dict[str, Range]] = {
    "acute-stroke": {"t1": (1.10, 1.30), "t2": (1.30, 1.60), "pd": (1.02, 1.08), "mt": (0.75, 0.95)},
    "chronic-stroke": {"t1": (1.40, 2.00), "t2": (1.70, 2.80), "pd": (1.08, 1.20), "mt": (0.35, 0.60)},
    "ms": {"t1": (1.20, 1.60), "t2": (1.40, 2.00), "pd": (1.05, 1.15), "mt": (0.45, 0.80)},
    "svd": {"t1": (1.20, 1.50), "t2": (1.30, 1.80), "pd": (1.04, 1.12), "mt": (0.55, 0.85)},
}
"""Factors at full severity, as published for white matter and cortex; T2* follows T2, a little less."""
PLAQUES = ("periventricular", "juxtacortical", "deep", "infratentorial")
PLAQUE_SHARES = (0.5, 0.2, 0.2, 0.1)
"""Where plaques of multiple sclerosis lie, and which share of them: the diagnostic criteria name the places (Thompson
et al. 2018, doi:10.1016/S1474-4422(17)30470-2), the shares are a guess."""
MOST_DOTS = 80  # of small-vessel disease in one head, its bands among them
KINDS = tuple(CHANGES)
CODES = {kind: code for code, kind in enumerate(KINDS, start=1)}
"""What :meth:`LabelTissue.lesion` calls each kind; 0 is no lesion."""


@dataclass(frozen=True)
class Lesion:
    """One disease in one head.

    Args:
        kind: one of ``KINDS``.
        levels: where.
        change: factor on each map (``pd``, ``r1``, ``r2``, ``r2star``, ``mt``) at full severity.
        soft: width of the border in levels: severity rises from 0 to 1 about level 0.5.
        cavity: level above which there is fluid; None for no cavity.
        white_only: whether it spares grey matter.
    """

    kind: str
    levels: tuple[Level, ...]
    change: dict[str, float]
    soft: float
    cavity: float | None = None
    white_only: bool = False


def draw_lesions(
    kind: str, head: Compartments, masks: tuple[Path, ...], burden: float | None, generator: torch.Generator
) -> tuple[Lesion, ...]:
    """Draw a disease; nothing where the head has no brain to have it in.

    Args:
        kind: one of ``KINDS``.
        head: whose.
        masks: of lesions in MNI space, for strokes; none for drawn shapes.
        burden: ml of white-matter hyperintensities, for small-vessel disease; None draws it.
        generator: where the randomness comes from.
    """
    if not len(head.sites["brain"]):
        return ()
    drawers: dict[str, Callable[[], tuple[Lesion, ...]]] = {
        "acute-stroke": partial(_stroke, "acute-stroke", head, masks, generator),
        "chronic-stroke": partial(_stroke, "chronic-stroke", head, masks, generator),
        "ms": partial(_multiple_sclerosis, head, generator),
        "svd": partial(_small_vessels, head, burden, generator),
    }
    return drawers[kind]()


def draw_change(kind: str, generator: torch.Generator) -> dict[str, float]:
    """Factors on the maps: how severe the lesion is moves all of them together, and each a little by itself."""
    severity = uniform((0.0, 1.0), generator)
    drawn = {}
    for name, (low, high) in CHANGES[kind].items():
        share = 0.7 * severity + 0.3 * uniform((0.0, 1.0), generator)
        # MTsat falls as the others rise.
        drawn[name] = low + (high - low) * (1 - share if high < 1 else share)
    return {
        "pd": drawn["pd"],
        "r1": 1 / drawn["t1"],
        "r2": 1 / drawn["t2"],
        "r2star": drawn["t2"] ** -0.85,
        "mt": drawn["mt"],
    }


def _stroke(kind: str, head: Compartments, masks: tuple[Path, ...], generator: torch.Generator) -> tuple[Lesion, ...]:
    chronic = kind == "chronic-stroke"
    if masks:
        path = choice(masks, generator)
        mirror = chance(0.5, generator)
        to_head = np.linalg.inv(head.to_mni @ head.grid.affine)
        level = traced(Path(path), to_head, head.grid.shape, mirror=mirror, smoothing=4.5 if chronic else 1.5)
    else:
        level = _infarct(head, generator)
    change = draw_change(kind, generator)
    if not chronic:
        return (Lesion(kind, (level,), change, soft=uniform((0.5, 0.9), generator)),)
    cavity = uniform((0.72, 0.95), generator)
    return (Lesion(kind, (level,), change, soft=0.35, cavity=cavity),)


def _infarct(head: Compartments, generator: torch.Generator) -> Level:
    """An irregular infarct in one hemisphere; 0.5 to 200 ml, a median of 10 ml."""
    millilitres = min(200.0, max(0.5, 10.0 * math.exp(1.4 * normal(generator))))
    radius = (3 * 1000 * millilitres / (4 * math.pi)) ** (1 / 3)
    where = _some(head.sites["brain"], 1, generator)
    stretch = np.exp(0.25 * _normals(generator, 1, 3))
    axes = _turned(generator, radius * stretch / np.prod(stretch) ** (1 / 3))
    # An even border ends at 1.4 radii (half of the ramp beyond one); where it is two deviations out, at twice that.
    (infarct,) = _blobs(head, where, axes, [1.0], generator, ragged=0.35, ramp=0.8, reach=2.8)
    return infarct


def _multiple_sclerosis(head: Compartments, generator: torch.Generator) -> tuple[Lesion, ...]:
    """5 to 60 ovoid plaques: half stand on the ventricles, others lie under cortex, deep, or below the tentorium."""
    count = round(log_uniform((5.0, 60.0), generator))
    shares = torch.multinomial(torch.tensor(PLAQUE_SHARES), count, replacement=True, generator=generator)
    levels: list[Level] = []
    for place, many in enumerate(torch.bincount(shares, minlength=len(PLAQUES)).tolist()):
        if not many or not len(head.sites[PLAQUES[place]]):
            continue
        where = _some(head.sites[PLAQUES[place]], many, generator)
        minor = np.clip(2.4 * np.exp(0.4 * _normals(generator, many)), 1.3, 6.0)
        length = minor * _evenly((1.4, 2.6) if place == 0 else (1.0, 1.6), many, generator)
        first = head.away_from_ventricles(where) if place == 0 else None
        axes = _turned(generator, np.stack((length, minor, minor), axis=1), first)
        levels += _blobs(head, where, axes, _evenly((0.6, 1.0), many, generator), generator, ragged=0.12)
    return (Lesion("ms", tuple(levels), draw_change("ms", generator), soft=0.7, white_only=chance(0.5, generator)),)


def _small_vessels(head: Compartments, burden: float | None, generator: torch.Generator) -> tuple[Lesion, ...]:
    """Caps and bands around the ventricles, dots in deep white matter, and lacunes with a rim of gliosis."""
    total = log_uniform((2.0, 60.0), generator) if burden is None else burden
    change = draw_change("svd", generator)
    levels = bands(head, 0.75 * total, generator)
    deep = head.sites["deep, off the ventricles"]
    if len(deep):
        most = MOST_DOTS - len(levels)
        radius = np.clip(1.9 * np.exp(0.4 * _normals(generator, most)), 1.0, 5.0)
        sides = radius[:, None] * np.exp(0.2 * _normals(generator, most, 3))
        volumes = 4 / 3 * math.pi * sides.prod(axis=1)
        count = int(np.count_nonzero(np.cumsum(volumes) - volumes < 250.0 * total))  # mm3: begun while some is left
        axes, strengths = _turned(generator, sides[:count]), _evenly((0.5, 1.0), count, generator)
        levels += _blobs(head, _some(deep, count, generator), axes, strengths, generator)
    hyperintense = Lesion("svd", tuple(levels), change, soft=0.9, white_only=True)
    nuclei = head.sites["perforators"]
    count = round(abs(normal(generator)) * 0.5 * math.sqrt(total))
    if not count or not len(nuclei):
        return (hyperintense,)
    # Of the rim, log-uniform; the hole is half to two thirds of it.
    radius = np.exp(_evenly((math.log(2.2), math.log(5.5)), count, generator))
    axes = _turned(generator, radius[:, None] * np.exp(0.2 * _normals(generator, count, 3)))
    where = _some(nuclei, count, generator)
    lacunes = _blobs(head, where, axes, [1.0] * count, generator, ragged=0.1, ramp=1.2)
    holes = Lesion("svd", tuple(lacunes), draw_change("chronic-stroke", generator), soft=0.4, cavity=0.74)
    return hyperintense, holes


def _blobs(
    head: Compartments,
    voxels: np.ndarray,
    axes: np.ndarray,
    strengths: Sequence[float] | np.ndarray,
    generator: torch.Generator,
    **shape: float,
) -> list[Level]:
    """Ellipsoids about voxels of the sketch, ``[blob, 3]``; see :func:`blobs`."""
    centres = voxels @ head.affine[:3, :3].T + head.affine[:3, 3]
    return blobs(centres, axes, strengths, head.grid.affine, head.grid.shape, generator, **shape)


def _some(sites: np.ndarray, count: int, generator: torch.Generator) -> np.ndarray:
    return sites[torch.randint(len(sites), (count,), generator=generator).numpy()]


def _normals(generator: torch.Generator, *shape: int) -> np.ndarray:
    return torch.randn(shape, generator=generator, dtype=torch.float64).numpy()


def _evenly(bounds: Range, count: int, generator: torch.Generator) -> np.ndarray:
    low, high = bounds
    return low + (high - low) * torch.rand(count, generator=generator, dtype=torch.float64).numpy()


def _turned(generator: torch.Generator, sides: np.ndarray, first: np.ndarray | None = None) -> np.ndarray:
    """Semi-axes of these lengths ``[blob, 3]`` as columns, each blob turned at random, ``[blob, 3, 3]``.

    The first axis lies along ``first`` ``[blob, 3]`` where that has a direction.
    """
    random = _normals(generator, len(sides), 3, 3)
    if first is not None:
        known = np.linalg.norm(first, axis=1) > 1e-6
        random[known, :, 0] = first[known]
    q, r = np.linalg.qr(random)
    return np.asarray(q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None] * sides[:, None])
