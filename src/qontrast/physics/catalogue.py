"""Every sequence by its name."""

from qontrast.physics.balanced import BSSFP
from qontrast.physics.gradient_echo import GRE, MT, SPGR, SpoiledGradientEcho, T2Star
from qontrast.physics.inversion_recovery import DIR, FLAIR, IR, STIR
from qontrast.physics.inversion_trains import MP2RAGE, MPRAGE
from qontrast.physics.sequence import Sequence
from qontrast.physics.spin_echo import FSE
from qontrast.physics.tissue import TissueMaps

SEQUENCES: dict[str, type[Sequence]] = {
    "mprage": MPRAGE,
    "mp2rage": MP2RAGE,
    "gre": GRE,
    "spgr": SPGR,
    "fse": FSE,
    "flair": FLAIR,
    "bssfp": BSSFP,
    "ir": IR,
    "stir": STIR,
    "dir": DIR,
    "mt": MT,
    "t2star": T2Star,
}


def possible(tissue: TissueMaps) -> list[str]:
    """Names of the sequences that can be simulated from the maps that are there, in their plainest form.

    SPGR without its MT pulse counts, and T2*-weighting without its phase mask.
    """
    there = set(tissue.present())
    plain = SpoiledGradientEcho.needs
    needs = {name: s.needs if isinstance(s.needs, tuple) else plain for name, s in SEQUENCES.items()}
    return [name for name, wanted in needs.items() if there.issuperset(wanted)]
