"""Protocols of cohorts and clinics by name, each with its source and with what the source leaves open."""

import math
from dataclasses import dataclass

from qontrast.basics.errors import InputError, nearest
from qontrast.physics.balanced import BSSFP
from qontrast.physics.gradient_echo import GRE, MT, SPGR, T2Star
from qontrast.physics.inversion_recovery import DIR, FLAIR, IR, STIR
from qontrast.physics.inversion_trains import MP2RAGE, MPRAGE
from qontrast.physics.presets import PRESETS
from qontrast.physics.sequence import Sequence
from qontrast.physics.spin_echo import FSE


@dataclass(frozen=True)
class Clinical:
    """A named protocol.

    Args:
        sequence: what to simulate.
        source: where its numbers stand.
        assumed: which numbers the source does not give, and what was taken for them; empty where it gives all.
    """

    sequence: Sequence
    source: str
    assumed: str = ""


def _rad(degrees: float) -> float:
    return math.radians(degrees)


IXI = "IXI, brain-development.org/ixi-dataset"
ARC = "sidecars of OpenNeuro ds004884; Gibson et al. 2024, doi:10.1038/s41597-024-03819-7"
UKB = "UK Biobank brain imaging protocol; Alfaro-Almagro et al. 2018, doi:10.1016/j.neuroimage.2017.10.034"
USUAL = "usual clinical values, no single source"
VARIABLE = (
    "A variable-flip train: TE is the one of equal contrast with constant flips (about a third of the nominal TE; "
    "Mugler 2014, doi:10.1002/jmri.24542), echo spacing and length are chosen so that it lies in the train's middle"
)
_IXI_T1_OPEN = (
    "The page gives TR, TE and flip. A gradient echo without inversion would show hardly any contrast between grey and "
    "white matter at these, and IXI does: TI 950 ms, 150 excitations a shot and 2.1 s between inversions are assumed, "
    "as in the same scanner's T1-TFE with a stated TI (OpenNeuro ds001378)"
)


def _philips_t1(field: float, spacing: float) -> MPRAGE:
    train = {"echo_spacing": spacing, "excitations": 150.0}
    return MPRAGE(4.603e-3, 2.1, 0.95, _rad(8), field_strength=field, **train)


def _dual_echo(field: float, tr: float, te: float) -> FSE:
    spacing = te if te < 0.02 else te / 10
    return FSE(te, tr, echo_spacing=spacing, echo_train_length=16.0, refocusing_flip=_rad(160), field_strength=field)


_DUAL_OPEN = "Refocusing flips of 160 degrees are assumed"

CLINICAL: dict[str, Clinical] = {
    "ixi-guys-t1": Clinical(_philips_t1(1.5, 9.813e-3), IXI, _IXI_T1_OPEN),
    "ixi-guys-t2": Clinical(_dual_echo(1.5, 8.178, 0.100), IXI, _DUAL_OPEN),
    "ixi-guys-pd": Clinical(_dual_echo(1.5, 8.178, 0.008), IXI, _DUAL_OPEN),
    "ixi-hh-t1": Clinical(_philips_t1(3.0, 9.6e-3), IXI, _IXI_T1_OPEN),
    "ixi-hh-t2": Clinical(_dual_echo(3.0, 5.726, 0.100), IXI, _DUAL_OPEN),
    "ixi-hh-pd": Clinical(_dual_echo(3.0, 5.726, 0.008), IXI, _DUAL_OPEN),
    "ixi-iop-t1": Clinical(
        MPRAGE(4.2e-3, 2.0, 0.8, _rad(20), 10.5e-3, 124.0, field_strength=1.5),
        USUAL,
        "IXI does not publish the protocol of this site: an inversion-prepared gradient echo is assumed",
    ),
    "ixi-iop-t2": Clinical(
        FSE(0.095, 5.0, echo_spacing=0.095 / 8, echo_train_length=12.0, refocusing_flip=_rad(150), field_strength=1.5),
        USUAL,
        "IXI does not publish the protocol of this site",
    ),
    "ixi-iop-pd": Clinical(
        FSE(0.0119, 5.0, echo_spacing=0.0119, echo_train_length=12.0, refocusing_flip=_rad(150), field_strength=1.5),
        USUAL,
        "IXI does not publish the protocol of this site",
    ),
    "adni3-mprage": Clinical(
        MPRAGE(2.98e-3, 2.3, 0.9, _rad(9), echo_spacing=7.1e-3, excitations=176.0),
        "ADNI-3 protocol for 3 T Siemens, adni.loni.usc.edu; Jack et al. 2008, doi:10.1002/jmri.21049",
        "The echo spacing is assumed",
    ),
    "ukb-t1": Clinical(
        MPRAGE(2.01e-3, 2.0, 0.88, _rad(8), echo_spacing=6.1e-3, excitations=208.0),
        UKB,
        "The echo spacing is assumed",
    ),
    "ukb-flair": Clinical(
        FLAIR(0.125, 5.0, 1.8, echo_spacing=3.4e-3, echo_train_length=74.0, refocusing_flip=_rad(120)), UKB, VARIABLE
    ),
    "ukb-swi": Clinical(
        T2Star(0.020, 0.027, _rad(15), phase_mask=0), UKB, "Of its two echoes the second; no phase mask"
    ),
    "arc-t1": Clinical(
        MPRAGE(4.11e-3, 2.25, 0.925, _rad(9), echo_spacing=9.4e-3, excitations=176.0), ARC, "The train is assumed"
    ),
    "arc-t2": Clinical(
        FSE(0.106, 3.2, echo_spacing=4.0e-3, echo_train_length=53.0, refocusing_flip=_rad(120)), ARC, VARIABLE
    ),
    "arc-flair": Clinical(
        FLAIR(0.125, 5.0, 1.8, echo_spacing=3.5e-3, echo_train_length=72.0, refocusing_flip=_rad(120)), ARC, VARIABLE
    ),
    "mp2rage-3t": Clinical(
        MP2RAGE(2.92e-3, 5.0, (0.7, 2.5), (_rad(4), _rad(5)), echo_spacing=6.9e-3, excitations=176.0),
        "MPI-LEMON, sidecars of OpenNeuro ds000221; Marques and Gruetter 2013, doi:10.1371/journal.pone.0069294",
        "Echo spacing and train length are assumed",
    ),
    "mp2rage-7t": Clinical(
        MP2RAGE(
            2.5e-3, 5.0, (0.9, 2.75), (_rad(5), _rad(3)), echo_spacing=6.8e-3, excitations=160.0, field_strength=7.0
        ),
        "Marques and Gruetter 2013, doi:10.1371/journal.pone.0069294",
        "Train length is assumed",
    ),
    "mpm-t1w": Clinical(PRESETS["spgr"], "Weiskopf et al. 2013, doi:10.3389/fnins.2013.00095"),
    "mpm-pdw": Clinical(SPGR(2.3e-3, 0.025, _rad(6)), "Weiskopf et al. 2013, doi:10.3389/fnins.2013.00095"),
    "mpm-mtw": Clinical(MT(2.3e-3, 0.025, _rad(6)), "Weiskopf et al. 2013, doi:10.3389/fnins.2013.00095"),
    "lowfield-t1": Clinical(
        IR(6e-3, 1.5, 0.3, echo_spacing=6e-3, echo_train_length=24.0, refocusing_flip=_rad(140), field_strength=0.064),
        "Arnold et al. 2022, doi:10.1016/j.nicl.2022.103101",
        "The maker does not publish echo train and flips; TR, TE and TI differ between its software versions",
    ),
    "lowfield-t2": Clinical(
        FSE(0.2, 2.0, echo_spacing=6.25e-3, echo_train_length=64.0, refocusing_flip=_rad(140), field_strength=0.064),
        "Arnold et al. 2022, doi:10.1016/j.nicl.2022.103101",
        "The maker does not publish echo train and flips; TR and TE differ between its software versions",
    ),
    "lowfield-flair": Clinical(
        FLAIR(
            0.18, 4.0, 1.4, echo_spacing=6e-3, echo_train_length=60.0, refocusing_flip=_rad(140), field_strength=0.064
        ),
        "Arnold et al. 2022, doi:10.1016/j.nicl.2022.103101",
        "The maker does not publish echo train and flips; TR, TE and TI differ between its software versions",
    ),
    "stir-1.5t": Clinical(
        STIR(
            0.045, 4.0, 0.165, echo_spacing=9e-3, echo_train_length=12.0, refocusing_flip=_rad(150), field_strength=1.5
        ),
        USUAL,
    ),
    "dir-3t": Clinical(
        DIR(0.03, 7.5, (3.0, 0.45), echo_spacing=5e-3, echo_train_length=60.0, refocusing_flip=_rad(120)),
        USUAL,
        VARIABLE,
    ),
    "mrbrains-ir": Clinical(
        IR(0.015, 4.416, 0.4, echo_spacing=7.5e-3, echo_train_length=8.0, phase_sensitive=True),
        "Mendrik et al. 2015, doi:10.1155/2015/813696",
        "The echo train is assumed; the challenge's images are signed",
    ),
    "fiesta": Clinical(BSSFP(2.5e-3, 5e-3, _rad(60), field_strength=1.5), USUAL),
    "t2star-stroke": Clinical(GRE(0.020, 0.65, _rad(20)), "Wintermark et al. 2008, doi:10.1161/STROKEAHA.107.513994"),
    "swi-3t": Clinical(
        T2Star(0.020, 0.028, _rad(15), phase_mask=4), "Haacke et al. 2009, doi:10.3174/ajnr.A1400", "Needs a map of B0"
    ),
}


def clinical(name: str) -> Clinical:
    """The named protocol.

    Raises:
        InputError: for an unknown name, with the nearest known one.
    """
    if name not in CLINICAL:
        raise InputError("protocol", repr(name), "a known one", nearest(name, (*CLINICAL, *PRESETS)))
    return CLINICAL[name]


def is_protocol(name: str) -> bool:
    """Whether a clinical protocol or a sequence is called so."""
    return name in PRESETS or name in CLINICAL


def protocol_of(name: str) -> Sequence:
    """The clinical protocol of that name, or the one that a sequence has where none is named.

    Raises:
        InputError: for an unknown name, with the nearest known one.
    """
    return PRESETS[name] if name in PRESETS else clinical(name).sequence
