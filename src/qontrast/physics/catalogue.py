"""Every sequence by its name."""

from qontrast.physics.gradient_echo import GRE, SPGR
from qontrast.physics.inversion_trains import MP2RAGE, MPRAGE
from qontrast.physics.sequence import Sequence
from qontrast.physics.spin_echo import FLAIR, FSE
from qontrast.physics.tissue import TissueMaps

SEQUENCES: dict[str, type[Sequence]] = {
    "mprage": MPRAGE,
    "mp2rage": MP2RAGE,
    "gre": GRE,
    "spgr": SPGR,
    "fse": FSE,
    "flair": FLAIR,
}


def possible(tissue: TissueMaps) -> list[str]:
    """Names of the sequences that can be simulated from the maps that are there (SPGR without its MT pulse counts)."""
    there = set(tissue.present())
    needs = {name: ("pd", "r1", "r2star") if name == "spgr" else s.needs for name, s in SEQUENCES.items()}
    return [name for name, wanted in needs.items() if there.issuperset(wanted)]
