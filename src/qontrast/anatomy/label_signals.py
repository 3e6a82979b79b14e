"""A label map scanned by a table: the signal of each label, over the texture and the transmit field that vary in it.

Within a label tissue varies along one smooth field (the texture), the scanner along another (the transmit field). So
one protocol's signal is a function of the label and two numbers: a small table, whose cells are crossed linearly.
Every sequence then costs the same few nanoseconds a voxel, echo trains included. The table's steps are so small that
it errs by less than 0.2 % of PD; a test holds that. Lesions change tissue otherwise: they are computed by the voxel.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from qontrast.anatomy.label_rates import transmit_spread, vary
from qontrast.basics.shapes import AnyVolume
from qontrast.geometry.sample import Box
from qontrast.physics.field import at_field
from qontrast.physics.sequence import Sequence, acquire
from qontrast.physics.tissue import MAP_NAMES, TissueMaps

if TYPE_CHECKING:
    from qontrast.anatomy.labelled import LabelTissue

TEXTURE_STEP = 0.5  # standard deviations
TRANSMIT_STEP = 0.015  # of the nominal transmit field
LEAST_TRANSMIT = 0.3
PRIOR_FIELD = 3.0  # tesla: the field of the priors
SLAB = 1 << 15  # voxels at a time: temporaries stay in the second-level cache


def scan_labels(tissue: "LabelTissue", sequence: Sequence, box: Box) -> AnyVolume:
    """The signed signals ``[1, components, x, y, z]`` of ``box``; the static field plays no part.

    Args:
        tissue: one person's draw.
        sequence: the protocol.
        box: of the label map's grid.
    """
    anatomy = tissue.anatomy(box)
    texture, transmit = (values.flatten() for values in tissue.variation(box))
    spread = transmit_spread(sequence.field_strength)
    textures = _nodes(texture, TEXTURE_STEP)
    transmits = _nodes(transmit, TRANSMIT_STEP / spread)
    table = _table(tissue, sequence, textures, 1.0 + spread * transmits)
    index = anatomy.index.flatten()
    out = table.new_empty(len(table), len(index))
    for start in range(0, len(index), SLAB):
        where = slice(start, start + SLAB)
        along, row = _cell(texture[where], textures)
        across, column = _cell(transmit[where], transmits)
        corner = index[where].to(torch.int32).mul_(len(textures)).add_(row).mul_(len(transmits)).add_(column)
        neighbours = (corner, corner + 1, corner + len(transmits), corner + (len(transmits) + 1))
        for line, signal in zip(out, table, strict=True):
            a, b, c, d = (signal.index_select(0, n) for n in neighbours)
            torch.lerp(a.lerp_(b, across), c.lerp_(d, across), along, out=line[where])
    for voxels, signal in _damaged(tissue, sequence, box, texture, 1.0 + spread * transmit):
        out[:, voxels] = signal
    return out.reshape(1, len(table), *anatomy.index.shape)


def _nodes(values: Tensor, step: float) -> Tensor:
    """Evenly spaced nodes that enclose the values, at most ``step`` apart."""
    low, high = (float(v) for v in torch.aminmax(values))
    count = 2 + int((high - low) / step)
    return torch.linspace(low, max(high, low + 1e-3), count)


def _cell(values: Tensor, nodes: Tensor) -> tuple[Tensor, Tensor]:
    """How far each value lies between two nodes, 0 to 1, and the number of the lower one."""
    place = (values - nodes[0]) * (1.0 / (nodes[1] - nodes[0]))
    lower = place.floor().clamp_(0, len(nodes) - 2)
    return place.sub_(lower), lower.to(torch.int32)


def _table(tissue: "LabelTissue", sequence: Sequence, textures: Tensor, transmits: Tensor) -> Tensor:
    """The signal of each label at each node, ``[component, label * texture * transmit]``."""
    own = at_field(_column(tissue), sequence.field_strength)
    varied = textures.reshape(1, 1, 1, -1, 1) * tissue.solid.reshape(1, 1, -1, 1, 1)
    maps = vary({name: getattr(own, name) for name in MAP_NAMES}, varied)
    maps["r2star"] = torch.maximum(maps["r2star"], maps["r2"])
    shape = (1, 1, len(tissue.rates["pd"]), len(textures), len(transmits))
    full = {name: values.expand(shape).contiguous() for name, values in maps.items()}
    b1 = transmits.clamp(min=LEAST_TRANSMIT).expand(shape).contiguous()
    signal = acquire(sequence, TissueMaps(**full, b1_transmit=b1, field_strength=sequence.field_strength))
    return signal[0].flatten(1)


def _column(tissue: "LabelTissue") -> TissueMaps:
    column = {name: rate.reshape(1, 1, -1, 1, 1) for name, rate in tissue.rates.items()}
    return TissueMaps(**column, field_strength=PRIOR_FIELD)


def _damaged(
    tissue: "LabelTissue", sequence: Sequence, box: Box, texture: Tensor, transmit: Tensor
) -> list[tuple[Tensor, Tensor]]:
    """Voxels whose tissue lesions have changed, and their signals ``[component, voxel]``."""
    anatomy = tissue.anatomy(box)
    if not anatomy.damage:
        return []
    marked = torch.zeros(anatomy.index.numel(), dtype=torch.bool)
    for where, _, _ in anatomy.damage:
        marked[where] = True
    voxels = marked.nonzero().flatten()
    if len(voxels) == 0:
        return []
    labels = anatomy.index.flatten()[voxels].long()
    own = at_field(_column(tissue), sequence.field_strength)
    maps = {name: getattr(own, name).flatten()[labels] for name in MAP_NAMES}
    varied = vary(maps, texture[voxels] * tissue.solid[labels])
    place = torch.zeros(len(marked), dtype=torch.int64)
    place[voxels] = torch.arange(len(voxels))
    for where, severity, change in anatomy.damage:
        rows = place[where]
        for name, factor in change.items():
            varied[name][rows] = varied[name][rows] * factor**severity
    varied["r2star"] = torch.maximum(varied["r2star"], varied["r2"])
    maps = {name: values.reshape(1, 1, -1, 1, 1) for name, values in varied.items()}
    b1 = transmit[voxels].clamp(min=LEAST_TRANSMIT).reshape(1, 1, -1, 1, 1)
    signal = acquire(sequence, TissueMaps(**maps, b1_transmit=b1, field_strength=sequence.field_strength))
    return [(voxels, signal.reshape(sequence.components, -1))]
