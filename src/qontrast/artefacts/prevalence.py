"""How often and how strongly the scans of each sequence suffer from what: one row for each sequence.

Where the figures come from. What is not named here is our guess, from protocols and not from counts.

* Motion: significant in 7.5 % of outpatient and 29.4 % of inpatient examinations (Andre et al. 2015,
  doi:10.1016/j.jacr.2015.03.007); the mean displacement is above 0.5 mm in 17 of 77 children (Afacan et al. 2016,
  doi:10.1007/s00247-016-3677-9). Mild motion is commoner than what radiologists report, so the rates lie between the
  two, higher for long scans (three-dimensional ones, inversions) than for short ones.
* Slices: consensus protocols ask for 3 to 4 mm and no gap in two dimensions or 1 to 1.5 mm in three (Ellingson et al.
  2015, doi:10.1093/neuonc/nov095; Wattjes et al. 2021, doi:10.1016/S1474-4422(21)00095-8). Routine is 4 to 6 mm with
  gaps of 0 to 30 %; those ranges and the shares of two-dimensional scans are guesses.
* Dropout follows from the echo time by itself; only how often a crop lies near air is a guess.
* SNR: guesses at 3 T, in the acquired voxel. It grows with field (Edelstein et al. 1986, doi:10.1002/mrm.1910030413);
  protocols spend half of that on resolution and time, so the square root is taken.
* Coils: what vendors sell; at 0.064 T eight (Sheth et al. 2021, doi:10.1001/jamaneurol.2020.3263, for the scanner).
* Partial Fourier and k-space left out: options that most protocols offer; how often they are chosen is a guess.
"""

from dataclasses import dataclass

from qontrast.artefacts.motion import Order
from qontrast.basics.randomness import Range


@dataclass(frozen=True)
class Prevalence:
    """One sequence's row.

    Args:
        order: in which k-space is acquired: *linear* (each partition once) or *interleaved* (shots).
        snr: lowest and highest at 3 T.
        slices: share of scans in two dimensions.
        thickness: of their slices, mm.
        gap: between them, as a share of the thickness.
        motion: share of scans with visible motion.
        gibbs: share of scans with voxels acquired larger than the grid's.
        partial_fourier: share of scans with part of k-space left out.
        gradient_echo: whether the static field's inhomogeneity dephases it.
    """

    order: Order
    snr: Range
    slices: float
    thickness: Range = (2.0, 6.0)
    gap: Range = (0.0, 0.3)
    motion: float = 0.12
    gibbs: float = 0.4
    partial_fourier: float = 0.25
    gradient_echo: bool = False


PREVALENCE: dict[str, Prevalence] = {
    # Three-dimensional, five minutes and more, with partial Fourier along the partitions as a rule.
    "mprage": Prevalence("linear", (12.0, 60.0), 0.03, motion=0.18, partial_fourier=0.4, gradient_echo=True),
    "mp2rage": Prevalence("linear", (10.0, 50.0), 0.0, motion=0.2, partial_fourier=0.4, gradient_echo=True),
    "spgr": Prevalence("linear", (10.0, 60.0), 0.15, motion=0.15, partial_fourier=0.3, gradient_echo=True),
    "mt": Prevalence("linear", (10.0, 50.0), 0.2, motion=0.18, partial_fourier=0.3, gradient_echo=True),
    # Haemorrhage: thick slices in the emergency room, or the magnitude of a susceptibility-weighted volume.
    "gre": Prevalence("linear", (10.0, 60.0), 0.6, (3.0, 6.0), motion=0.12, gradient_echo=True),
    "t2star": Prevalence("linear", (8.0, 50.0), 0.6, (3.0, 6.0), motion=0.15, gradient_echo=True),
    # Refocused in the middle of the repetition: the field makes bands, which are the sequence's own, and no dropout.
    "bssfp": Prevalence("linear", (20.0, 90.0), 0.2, motion=0.06, partial_fourier=0.15),
    # Echo trains, slice by slice.
    "fse": Prevalence("interleaved", (12.0, 80.0), 0.7, (3.0, 6.0), motion=0.12),
    "flair": Prevalence("interleaved", (10.0, 50.0), 0.6, (3.0, 6.0), motion=0.18),
    "ir": Prevalence("interleaved", (10.0, 50.0), 0.8, (2.0, 5.0), motion=0.18),
    "stir": Prevalence("interleaved", (8.0, 40.0), 0.85, (3.0, 5.0), motion=0.18),
    "dir": Prevalence("interleaved", (6.0, 30.0), 0.25, (3.0, 5.0), motion=0.2),
}

DEFAULT = Prevalence("linear", (10.0, 60.0), 0.3)
"""For a sequence without a row."""


def prevalence(sequence: str) -> Prevalence:
    """The row of the named sequence, or the default one."""
    return PREVALENCE.get(sequence, DEFAULT)


COILS: tuple[tuple[float, tuple[int, ...]], ...] = (
    (0.1, (1, 8)),
    (1.0, (4, 8)),
    (2.0, (8, 8, 20, 20)),
    (4.0, (8, 20, 20, 32, 32, 64)),
    (20.0, (8, 32, 32, 64)),
)
"""Up to which field (tesla) there are arrays of so many coils, each entry equally likely."""

LOW_FIELD = 0.3
"""Below this field (tesla) voxels are as large as the next two say."""
LOW_FIELD_VOXEL = 1.6
"""Smallest acquired voxel in the plane at low field, mm."""
LOW_FIELD_SLICE = 5.0
"""Thinnest slice at low field, mm (1.6 x 1.6 x 5 mm: Sheth et al. 2021, as above)."""


def coil_counts(field_strength: float) -> tuple[int, ...]:
    """The coil counts of arrays at so many tesla."""
    return next((counts for limit, counts in COILS if field_strength <= limit), COILS[-1][1])


def snr_at(field_strength: float) -> float:
    """What the SNR at 3 T is multiplied by at another field: the square root of the ratio."""
    return (field_strength / 3.0) ** 0.5


EFFECTIVE: Range = (0.4, 1.0)
"""How many coils those of an array count for: they share noise (Aja-Fernandez et al., see ``noise.py``)."""
SUM_OF_SQUARES = 0.3
"""Share of scans whose coils are combined without their phases (a guess: most are combined adaptively)."""
NEAR_AIR = 0.4
"""Share of crops that lie near a sinus or an ear."""
SHADED = 0.4
"""Share of scans that keep part of the shading of their coil array; others are corrected by the scanner."""
FILTERED = 0.4
"""Share of scans whose k-space is filtered against ringing."""
PLANES: tuple[float, float, float] = (0.15, 0.15, 0.7)
"""How likely slices are sagittal, coronal, axial."""
COARSER: Range = (1.05, 1.7)
"""Acquired voxels as a multiple of the grid's: a view's grid is a choice, so no millimetres can be stated."""
COARSE_AXIS = 0.6
"""How likely they are coarse along each further axis, where they are along one."""
FRACTIONS = (5 / 8, 6 / 8, 7 / 8)
"""Partial Fourier as scanners offer it."""
MOTION_MM: Range = (0.3, 2.5)
MOTION_DEGREES: Range = (0.3, 2.5)
"""Standard deviations of shifts and turns of scans with visible motion."""
SHOTS: Range = (6.0, 24.0)
"""Shots of an echo train sequence."""
BANDWIDTH: Range = (100.0, 500.0)
"""Of gradient echoes, Hz per voxel."""
PHASE = 0.25
"""Standard deviation (rad) of the phase behind an image."""
