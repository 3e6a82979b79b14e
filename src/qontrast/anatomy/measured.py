"""Measured tissue: maps read box by box, and scanned only where there is tissue that a view needs."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from qontrast.anatomy.subject import Tissue
from qontrast.basics.compiled import by_loops
from qontrast.basics.shapes import AnyVolume, Box, Device, Volume
from qontrast.geometry.reach import Reach, everywhere
from qontrast.physics.field import at_field
from qontrast.physics.lookup import Lookup, tabulated
from qontrast.physics.sequence import Sequence, acquire
from qontrast.physics.tissue import TissueMaps

ALWAYS = ("pd", "r1", "b1_transmit", "b1_receive", "b0")
"""What any sequence may read beside the maps that it needs."""


class MeasuredTissue(Tissue):
    """Maps as they were measured.

    Args:
        names: of the maps that there are.
        read: gives a map ``[1, 1, x, y, z]`` in a box.
        field_strength: at which the rates hold, tesla.
    """

    def __init__(self, names: tuple[str, ...], read: Callable[[str, Box], Tensor], field_strength: float) -> None:
        self.names, self.field_strength, self._from = names, field_strength, read
        self.device: Device = "cpu"
        self._box: Box | None = None
        self._maps: dict[str, Tensor] = {}
        self._needed: Callable[[], Reach] | None = None
        self._rows: dict[str, Tensor] = {}
        self._where: Tensor | None = None
        self._lookup: Lookup | None = None

    def on(self, device: Device) -> "MeasuredTissue":
        """See :class:`Tissue`."""
        moved = MeasuredTissue(self.names, self._from, self.field_strength)
        moved.device = device
        return moved

    def block(self, box: Box, field_strength: float | None = None, *, with_b0: bool = False) -> TissueMaps:
        """The maps in ``box``; see :class:`Tissue`."""
        maps = {n: self._map(n, box).float() for n in self.names}
        tissue = TissueMaps(**maps, field_strength=self.field_strength)
        return tissue if field_strength is None else at_field(tissue, field_strength)

    def scan(
        self, sequence: Sequence, box: Box, needed: Callable[[], Reach] | None = None, *, with_b0: bool = False
    ) -> tuple[AnyVolume, Volume | None]:
        """See :class:`Tissue`. Air, and what no view reads, costs nothing; all sequences share what is prepared."""
        # R2* changes with the field by what it has beyond R2, and tables are of R1 and R2.
        wanted = {*ALWAYS, *sequence.needs, "r2"}
        names = [n for n in self.names if n in wanted]
        maps = TissueMaps(**{n: self._map(n, box) for n in names}, field_strength=self.field_strength)
        if needed != self._needed:
            self._needed, self._rows, self._where, self._lookup = needed, {}, None, None
        if tabulated(sequence, maps):
            if self._lookup is None or (sequence.decays_by_r2star and not self._lookup.decays):
                self._lookup = Lookup(maps, everywhere(box) if needed is None else needed())
            signal = self._lookup.signal(sequence)
        else:
            signal = self._voxel_by_voxel(sequence, names, box)
        b0 = None
        if with_b0 and "b0" in self.names:
            b0 = self._map("b0", box).float() * (sequence.field_strength / self.field_strength)
        return signal, b0

    def at(self, box: Box, voxels: Tensor) -> TissueMaps:
        """See :class:`Tissue`."""
        maps = {n: self._map(n, box).flatten()[voxels].reshape(1, 1, -1, 1, 1).float() for n in self.names}
        return TissueMaps(**maps, field_strength=self.field_strength)

    def _map(self, name: str, box: Box) -> Tensor:
        """Each map, as it is stored, is read once for the contrasts of a pair, which ask for one box in turn."""
        if box != self._box:
            self._box, self._maps, self._rows, self._where, self._lookup = box, {}, {}, None, None
        if name not in self._maps:
            self._maps[name] = self._from(name, box).to(self.device)
        return self._maps[name]

    def _voxel_by_voxel(self, sequence: Sequence, names: list[str], box: Box) -> AnyVolume:
        rows = TissueMaps(**{n: self._row(n, box) for n in names}, field_strength=self.field_strength)
        found = acquire(sequence, rows, change=lambda slab: at_field(slab, sequence.field_strength))
        shape = tuple(b - a for a, b in box)
        out = found.new_zeros(sequence.components, shape[0] * shape[1] * shape[2])
        out.index_copy_(1, self._voxels(box), found.reshape(sequence.components, -1))
        return out.reshape(1, sequence.components, *shape)

    def _voxels(self, box: Box) -> Tensor:
        """Indices of the voxels of the box that hold tissue and are needed."""
        if self._where is None:
            where = self._there(self._map("pd", box)[0, 0])
            # A list of one voxel of air stands for none: sequences want something to work on.
            self._where = where if len(where) else where.new_zeros(1)
        return self._where

    def _there(self, pd: Tensor) -> Tensor:
        if not by_loops(pd):
            there = pd > 0 if self._needed is None else (pd > 0) & self._needed().mask(pd.shape[2])
            return there.flatten().nonzero().flatten()
        found = pd.numpy() > 0  # a quarter of the time that PyTorch takes, as the next two
        if self._needed is not None:
            found &= self._needed().mask(found.shape[2]).numpy()
        return torch.from_numpy(np.flatnonzero(found))

    def _row(self, name: str, box: Box) -> Tensor:
        if name not in self._rows:
            row = self._map(name, box).reshape(-1).index_select(0, self._voxels(box))
            self._rows[name] = row.reshape(1, 1, -1, 1, 1).float()
        return self._rows[name]
