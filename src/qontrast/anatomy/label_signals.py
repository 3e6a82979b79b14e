"""A label map scanned by a table: the signal of each label, over the texture and the transmit field that vary in it.

Within a label tissue varies along one smooth field (the texture), the scanner along another (the transmit field). So
one protocol's signal is a function of the label and two numbers: a small table, whose cells are crossed linearly.
Every sequence then costs the same few nanoseconds a voxel, echo trains included. The table's steps are so small that
it errs by less than 0.2 % of PD; a test holds that. Lesions change tissue otherwise: they are computed by the voxel.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from qontrast.anatomy.label_rates import transmit_spread, vary
from qontrast.anatomy.structures import Structures
from qontrast.basics.shapes import AnyVolume
from qontrast.geometry.cells import Cells, even_nodes
from qontrast.geometry.reach import Reach
from qontrast.geometry.sample import Box
from qontrast.physics.field import at_field
from qontrast.physics.sequence import Sequence, acquire
from qontrast.physics.tissue import MAP_NAMES, TissueMaps

TEXTURE_STEP = 0.5  # standard deviations, as the next
TRANSMIT_STEP = 0.1  # at 7 T 2 % of the nominal transmit field, below it less
LEAST_TRANSMIT = 0.3
PRIOR_FIELD = 3.0  # tesla: the field of the priors


@runtime_checkable
class Drawn(Protocol):
    """One person's draw of a label map; see :class:`qontrast.anatomy.labelled.LabelTissue`."""

    @property
    def rates(self) -> dict[str, Tensor]: ...

    @property
    def solid(self) -> Tensor: ...

    def anatomy(self, box: Box) -> Structures: ...

    def variation(self, box: Box) -> tuple[Tensor, Tensor]: ...


class LabelRow:
    """The voxels of a box that hold tissue and are needed, in a row, ready to be scanned with any number of sequences.

    Args:
        tissue: one person's draw.
        box: of the label map's grid.
        needed: gives the voxels that will be read; None for all.
    """

    def __init__(self, tissue: Drawn, box: Box, needed: Callable[[], Reach] | None) -> None:
        self.tissue, self.needed = tissue, needed
        self.shape = tuple(b - a for a, b in box)
        anatomy = tissue.anatomy(box)
        labels = anatomy.index.flatten().to(torch.int32)
        there = (tissue.rates["pd"] > 0).index_select(0, labels)
        if needed is not None:
            there &= needed().mask(self.shape[2]).flatten()
        where = there.nonzero().flatten()
        # A row of one voxel of air stands for an empty one: sequences want something to work on.
        self.where = where if len(where) else torch.zeros(1, dtype=torch.int64)
        self.labels = labels.index_select(0, self.where)
        texture, transmit = (v.flatten().index_select(0, self.where) for v in tissue.variation(box))
        self.texture, self.transmit = texture, transmit
        self.textures, along = even_nodes(texture, TEXTURE_STEP)
        self.transmits, across = even_nodes(transmit, TRANSMIT_STEP)
        self.cells = Cells([along, across], [len(self.textures), len(self.transmits)], plane=self.labels)
        self._damage(anatomy.damage, there)

    def _damage(self, damage: tuple[tuple[Tensor, Tensor, dict[str, float]], ...], there: Tensor) -> None:
        """Which places of the row lesions have changed, and how."""
        self.changed: Tensor | None = None
        self.changes: list[tuple[Tensor, Tensor, dict[str, float]]] = []
        if not damage:
            return
        place = torch.full((there.numel(),), -1, dtype=torch.int32)
        place[self.where] = torch.arange(len(self.where), dtype=torch.int32)
        marked = torch.zeros(len(self.where), dtype=torch.bool)
        found = []
        for voxels, severity, change in damage:
            rows = place.index_select(0, voxels)
            seen = rows >= 0
            marked[rows[seen].long()] = True
            found.append((rows[seen], severity[seen], change))
        self.changed = marked.nonzero().flatten()
        among = torch.zeros(len(marked), dtype=torch.int64)
        among[self.changed] = torch.arange(len(self.changed))
        self.changes = [(among[rows.long()], severity, change) for rows, severity, change in found]

    def scan(self, sequence: Sequence, b0: Tensor | None = None) -> AnyVolume:
        """The signed signals ``[1, components, x, y, z]`` of the box; zero in voxels that are not in the row.

        Args:
            sequence: the protocol.
            b0: off-resonance, ``[1, 1, x, y, z]`` in Hz, for a sequence that depends on it.
        """
        if b0 is not None:
            everywhere = torch.arange(len(self.where))
            signal = self._exactly(sequence, everywhere, b0.flatten().index_select(0, self.where))
        else:
            signal = torch.stack([self.cells.read(component) for component in self._table(sequence)])
            if self.changed is not None and len(self.changed):
                signal[:, self.changed] = self._exactly(sequence, self.changed)
        out = signal.new_zeros(len(signal), self.shape[0] * self.shape[1] * self.shape[2])
        out.index_copy_(1, self.where, signal)
        return out.reshape(1, len(signal), *self.shape)

    def _table(self, sequence: Sequence) -> Tensor:
        """The signal of each label at each node, ``[component, label * texture * transmit]``."""
        own = self._by_label(sequence.field_strength)
        varied = self.textures.reshape(1, 1, 1, -1, 1) * self.tissue.solid.reshape(1, 1, -1, 1, 1)
        maps = vary({name: getattr(own, name) for name in MAP_NAMES}, varied)
        maps["r2star"] = torch.maximum(maps["r2star"], maps["r2"])
        shape = (1, 1, len(self.tissue.rates["pd"]), len(self.textures), len(self.transmits))
        full = {name: values.expand(shape).contiguous() for name, values in maps.items()}
        b1 = self._b1(self.transmits, sequence).expand(shape).contiguous()
        signal = acquire(sequence, TissueMaps(**full, b1_transmit=b1, field_strength=sequence.field_strength))
        return signal[0].flatten(1)

    def _exactly(self, sequence: Sequence, rows: Tensor, b0: Tensor | None = None) -> Tensor:
        """The signals ``[component, row]`` of some of the voxels, each from its own tissue, lesions and all."""
        labels = self.labels[rows].long()
        own = self._by_label(sequence.field_strength)
        maps = {name: getattr(own, name).flatten()[labels] for name in MAP_NAMES}
        varied = vary(maps, self.texture[rows] * self.tissue.solid[labels])
        if self.changed is not None:
            for among, severity, change in self.changes:
                which = among if len(rows) == len(self.changed) else self.changed[among]
                for name, factor in change.items():
                    varied[name][which] = varied[name][which] * factor**severity
        varied["r2star"] = torch.maximum(varied["r2star"], varied["r2"])
        fields = {"b1_transmit": self._b1(self.transmit[rows], sequence)} | ({} if b0 is None else {"b0": b0})
        column = {name: values.reshape(1, 1, -1, 1, 1) for name, values in (varied | fields).items()}
        signal = acquire(sequence, TissueMaps(**column, field_strength=sequence.field_strength))
        return signal.reshape(sequence.components, -1)

    def _b1(self, transmit: Tensor, sequence: Sequence) -> Tensor:
        return (1.0 + transmit_spread(sequence.field_strength) * transmit).clamp(min=LEAST_TRANSMIT)

    def _by_label(self, field_strength: float) -> TissueMaps:
        column = {name: rate.reshape(1, 1, -1, 1, 1) for name, rate in self.tissue.rates.items()}
        return at_field(TissueMaps(**column, field_strength=PRIOR_FIELD), field_strength)
