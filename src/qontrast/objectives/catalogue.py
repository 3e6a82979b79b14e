"""Every objective by its name: the part of a plan that chooses and weighs them."""

from dataclasses import dataclass, field, fields

from qontrast.basics.errors import PlanError
from qontrast.objectives.barlow_twins import BarlowTwins
from qontrast.objectives.cross_contrast import CrossContrast
from qontrast.objectives.dense_info_nce import DenseInfoNCE
from qontrast.objectives.dense_vicreg import DenseVICReg
from qontrast.objectives.masked import Masked
from qontrast.objectives.nt_xent import NTXent
from qontrast.objectives.objective import Objective
from qontrast.objectives.quantitative import Quantitative
from qontrast.objectives.reconstruction import Reconstruction
from qontrast.objectives.vicreg import VICReg


@dataclass(frozen=True)
class Objectives:
    """What is asked of the networks, each with its weight. The defaults are the method's.

    Args:
        nt_xent: tell subjects apart by pooled features.
        barlow_twins: pooled features that agree and do not repeat each other.
        vicreg: the same, otherwise weighed.
        dense_info_nce: tell voxels apart by their features, in two contrasts.
        dense_vicreg: voxels' features that agree and do not repeat each other.
        reconstruction: the views without artefacts.
        masked: what is hidden of the views.
        cross_contrast: the other view, from this one's features and the other's protocol.
        quantitative: the tissue maps.
        points: matched points of each pair, for those that need any.
    """

    nt_xent: NTXent = field(default_factory=NTXent)
    barlow_twins: BarlowTwins = field(default_factory=BarlowTwins)
    vicreg: VICReg = field(default_factory=VICReg)
    dense_info_nce: DenseInfoNCE = field(default_factory=DenseInfoNCE)
    dense_vicreg: DenseVICReg = field(default_factory=DenseVICReg)
    reconstruction: Reconstruction = field(default_factory=Reconstruction)
    masked: Masked = field(default_factory=Masked)
    cross_contrast: CrossContrast = field(default_factory=CrossContrast)
    quantitative: Quantitative = field(default_factory=Quantitative)
    points: int = 512

    def __post_init__(self) -> None:
        if not self.chosen():
            raise PlanError("objectives", "no weight above 0", "one objective or more", "Set a weight.")
        if self.points < 2:
            raise PlanError("objectives.points", f"{self.points}", "2 or more")

    def chosen(self) -> dict[str, Objective]:
        """Those that count, by name."""
        named = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: o for name, o in named.items() if isinstance(o, Objective) and o.weight > 0}
