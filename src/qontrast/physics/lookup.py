"""One protocol's signal as a table over R1, R2 and the transmit field: for the many voxels of measured maps.

A spin echo's signal per PD depends on those three alone. A table of it is made in a few milliseconds and read faster
than the echo train's own tables. It errs by less than 0.3 % of PD, even where the transmit field is 60 % off; a test
holds that.
"""

import torch
from torch import Tensor

from qontrast.geometry.cells import Cells, even_nodes
from qontrast.physics.field import at_field
from qontrast.physics.sequence import Sequence, acquire
from qontrast.physics.tissue import TissueMaps

R1_STEP, R2_STEP = 0.03, 0.12  # of the natural logarithm; where fluid ends and tissue begins, R1 decides on much
B1_STEP = 0.02
LOWEST, HIGHEST = 0.02, 500.0  # 1/s: rates beyond these are read as these
WORTH_IT = 1 << 16  # voxels: for fewer the table costs more than the signal


def tabulated(sequence: Sequence, tissue: TissueMaps) -> bool:
    """Whether a table serves: a signal that needs PD, R1 and R2 alone, real, of one component, in many voxels."""
    plain = set(sequence.needs) <= {"pd", "r1", "r2"} and not sequence.uses_b0 and sequence.components == 1
    return plain and "r2" in sequence.needs and tissue.b1_receive is None and tissue.pd.numel() >= WORTH_IT


class Lookup:
    """Voxels of one subject, ready to be read from the tables of any number of protocols.

    Args:
        tissue: the maps, ``[1, 1, x, y, z]``; R1, R2 and the transmit field are looked at.
    """

    def __init__(self, tissue: TissueMaps) -> None:
        assert tissue.r2 is not None
        self.field_strength = tissue.field_strength
        rates = ((tissue.r1, R1_STEP), (tissue.r2, R2_STEP))
        axes = [even_nodes(v.flatten().clamp(LOWEST, HIGHEST).log_(), step) for v, step in rates]
        self.nodes = [nodes.exp() for nodes, _ in axes]
        if tissue.b1_transmit is not None:
            axes.append(even_nodes(tissue.b1_transmit.flatten(), B1_STEP))
            self.nodes.append(axes[-1][0])
        self.cells = Cells([places for _, places in axes], [len(n) for n in self.nodes])

    def signal(self, sequence: Sequence, pd: Tensor) -> Tensor:
        """The signed signal of every voxel, ``[voxel]``; ``pd`` likewise."""
        return self.cells.read(self._table(sequence)).mul_(pd)

    def _table(self, sequence: Sequence) -> Tensor:
        shape = tuple(len(n) for n in self.nodes)
        grids = [g.reshape(1, 1, -1, 1, 1).contiguous() for g in torch.meshgrid(*self.nodes, indexing="ij")]
        fields = {"b1_transmit": grids[2]} if len(shape) > 2 else {}
        nodes = TissueMaps(
            pd=torch.ones_like(grids[0]), r1=grids[0], r2=grids[1], **fields, field_strength=self.field_strength
        )
        return acquire(sequence, at_field(nodes, sequence.field_strength)).flatten()
