"""A label map scanned by a table: the signal of each label, over the texture and the transmit field that vary in it.

Within a label tissue varies along one smooth field (the texture), the scanner along another (the transmit field). So
one protocol's signal is a function of the label and two numbers: a small table, whose cells are crossed linearly.
Every sequence then costs the same few nanoseconds a voxel, echo trains included. The table's steps are so small that
it errs by about 0.2 % of PD at most, in fluid at the end of long echo trains; a test holds that. Where the static field
matters, the table holds what does not depend on it, and the phase follows by the voxel. Lesions change tissue
otherwise: they are computed by the voxel.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from qontrast.anatomy import label_tensors
from qontrast.anatomy.label_loops import scan_labels
from qontrast.anatomy.label_rates import transmit_spread, vary
from qontrast.anatomy.structures import Structures
from qontrast.basics.compiled import by_loops
from qontrast.basics.shapes import AnyVolume, Box, Volume
from qontrast.geometry.reach import Reach, everywhere
from qontrast.physics.field import at_field
from qontrast.physics.lookup import even_nodes
from qontrast.physics.sequence import Sequence, acquire, precess
from qontrast.physics.tissue import MAP_NAMES, TissueMaps

TEXTURE_STEP = 1.0  # standard deviations
TRANSMIT_STEP = 0.012  # of the nominal transmit field
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


class LabelBox:
    """A box of a label map, ready to be scanned with any number of sequences.

    Args:
        tissue: one person's draw.
        box: of the label map's grid.
        needed: gives the voxels that will be read; None for all.
    """

    def __init__(self, tissue: Drawn, box: Box, needed: Callable[[], Reach] | None) -> None:
        # Not the tissue, which keeps this box: volumes in such a circle stay until all garbage is collected.
        self.rates, self.solid, self.needed = tissue.rates, tissue.solid, needed
        self.reach = everywhere(box) if needed is None else needed()
        anatomy = tissue.anatomy(box)
        self.index = anatomy.index.contiguous()
        self.texture, self.transmit = (v[0, 0].contiguous() for v in tissue.variation(box))
        self.textures = even_nodes(self.texture, TEXTURE_STEP)
        self.transmit_ends = torch.stack(torch.aminmax(self.transmit))
        self.changed = torch.zeros(0, dtype=torch.int64, device=self.index.device)
        self.changes: list[tuple[Tensor, Tensor, dict[str, float]]] = []
        if anatomy.damage:
            self._damage(anatomy.damage)

    def _damage(self, damage: tuple[tuple[Tensor, Tensor, dict[str, float]], ...]) -> None:
        """Which voxels lesions have changed, in order, and how."""
        tissue, index = self._tissue(), self.index.flatten()
        seen = [tissue[index[voxels].long()] for voxels, *_ in damage]
        if self.needed is not None:
            within = self.reach.mask(self.index.shape[2]).flatten()
            seen = [s & within[voxels] for s, (voxels, *_) in zip(seen, damage, strict=True)]
        found = torch.cat([voxels[s] for (voxels, *_), s in zip(damage, seen, strict=True)])
        self.changed, among = found.unique(return_inverse=True)
        parts = among.split([int(s.sum()) for s in seen])
        self.changes = [
            (a, severity[s], change) for a, s, (_, severity, change) in zip(parts, seen, damage, strict=True)
        ]

    def _tissue(self) -> Tensor:
        """Which labels hold protons, where the labels are."""
        return (self.rates["pd"] > 0).to(self.index.device)

    def scan(self, sequence: Sequence, b0: Tensor | None = None) -> AnyVolume:
        """The signed signals ``[1, components, x, y, z]`` of the box; zero in voxels that are out of reach.

        Args:
            sequence: the protocol.
            b0: off-resonance, ``[1, 1, x, y, z]`` in Hz, for a sequence that depends on it.
        """
        transmits = even_nodes(self.transmit_ends, TRANSMIT_STEP / transmit_spread(sequence.field_strength))
        signal = self._between_nodes(self._table(sequence, transmits), transmits)
        if b0 is not None:
            signal = precess(sequence, signal, b0)
        if len(self.changed):
            signal[0].flatten(1)[:, self.changed] = self._exactly(sequence, b0)
        return signal

    def _between_nodes(self, table: Tensor, transmits: Tensor) -> Volume:
        """The table's values in the box, ``[1, component, x, y, z]``."""
        first = float(self.textures[0]), float(transmits[0])
        per_texture, per_transmit = (float(1 / (n[1] - n[0])) for n in (self.textures, transmits))
        per_step = per_texture, per_transmit
        fields = (self.index, self.texture, self.transmit)
        if not by_loops(self.index):
            return label_tensors.scan_labels(*fields, table.to(self.index.device), first, per_step)[None]
        out = torch.empty(1, len(table), *self.index.shape)
        arrays = [values.numpy() for values in (*fields, *self.reach)]
        scan_labels(*arrays, table.contiguous().numpy(), first, per_step, out[0].numpy())
        return out

    def _table(self, sequence: Sequence, transmits: Tensor) -> Tensor:
        """What of the signal does not depend on the static field, ``[component, label, texture, transmit]``."""
        own = self._by_label(sequence.field_strength)
        varied = self.textures.reshape(1, 1, 1, -1, 1) * self.solid.reshape(1, 1, -1, 1, 1)
        maps = vary({name: getattr(own, name) for name in MAP_NAMES}, varied)
        maps["r2star"] = torch.maximum(maps["r2star"], maps["r2"])
        shape = (1, 1, len(self.rates["pd"]), len(self.textures), len(transmits))
        full = {name: values.expand(shape).contiguous() for name, values in maps.items()}
        b1 = self._b1(transmits, sequence).expand(shape).contiguous()
        return sequence.steady(TissueMaps(**full, b1_transmit=b1, field_strength=sequence.field_strength))[0]

    def _exactly(self, sequence: Sequence, b0: Tensor | None) -> Tensor:
        """The signals ``[component, voxel]`` of the voxels that lesions have changed, each from its own tissue."""
        labels = self.index.flatten()[self.changed].long()
        own = self._by_label(sequence.field_strength)
        maps = {name: getattr(own, name).flatten().to(labels.device)[labels] for name in MAP_NAMES}
        varied = vary(maps, self.texture.flatten()[self.changed] * self.solid.to(labels.device)[labels])
        for among, severity, change in self.changes:
            for name, factor in change.items():
                varied[name][among] = varied[name][among] * factor**severity
        varied["r2star"] = torch.maximum(varied["r2star"], varied["r2"])
        fields = {"b1_transmit": self._b1(self.transmit.flatten()[self.changed], sequence)}
        if b0 is not None:
            fields["b0"] = b0.flatten()[self.changed]
        column = {name: values.reshape(1, 1, -1, 1, 1) for name, values in (varied | fields).items()}
        signal = acquire(sequence, TissueMaps(**column, field_strength=sequence.field_strength))
        return signal.reshape(sequence.components, -1)

    def _b1(self, transmit: Tensor, sequence: Sequence) -> Tensor:
        return (1.0 + transmit_spread(sequence.field_strength) * transmit).clamp(min=LEAST_TRANSMIT)

    def _by_label(self, field_strength: float) -> TissueMaps:
        column = {name: rate.reshape(1, 1, -1, 1, 1) for name, rate in self.rates.items()}
        return at_field(TissueMaps(**column, field_strength=PRIOR_FIELD), field_strength)
