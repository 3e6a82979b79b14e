"""Label maps to tissue maps: every structure has its own parameters, and every person differs a little.

Labels are hard at the fine grid; contrasts are simulated there and the *signals* are averaged when the view's voxels
are larger, as in a scanner. Averaged parameters would make rims at borders that no scan has.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from qontrast.anatomy.ageing import aged
from qontrast.anatomy.atrophy import Atrophy
from qontrast.anatomy.classes import Scheme
from qontrast.anatomy.compartments import BRAIN, WHITE, Compartments
from qontrast.anatomy.label_rates import (
    dense_labels,
    draw_rates,
    fluid_of_cavities,
    transmit_spread,
    vary,
)
from qontrast.anatomy.label_signals import PRIOR_FIELD, LabelBox
from qontrast.anatomy.label_table import LabelTable
from qontrast.anatomy.observed import Voxels
from qontrast.anatomy.pathology import Pathology, PathologyRanges, draw_pathology
from qontrast.anatomy.static_field import StaticField
from qontrast.anatomy.structures import OnDisk, Structures, structures_in
from qontrast.anatomy.subject import Subject, Tissue
from qontrast.basics.errors import InputError
from qontrast.basics.grid import Grid
from qontrast.basics.randomness import derive
from qontrast.basics.shapes import AnyVolume, Box, Device, Labels, Volume
from qontrast.basics.spline import upsample_spline
from qontrast.geometry.reach import Reach
from qontrast.geometry.sample import box_slices, occupied
from qontrast.physics.field import at_field
from qontrast.physics.sequence import Sequence
from qontrast.physics.tissue import MAP_NAMES, TissueMaps

FLUID_T1 = 2.5  # s: labels of a longer T1 are fluid, which has no texture
TEXTURE_KNOT_MM = 18.0
FLUID_CLASS = 3  # of a cavity, in every scheme


class LabelSubject(Subject):
    """A head given as a label map.

    Args:
        name: of the subject.
        labels: ``[x, y, z]`` whole numbers.
        grid: on which they lie.
        table: the priors.
        origin: the file, for messages.

    Raises:
        InputError: if a label has no prior, or there is nothing but air.
    """

    def __init__(self, name: str, labels: np.ndarray, grid: Grid, table: LabelTable, origin: str) -> None:
        values, dense, counts = dense_labels(labels, origin)
        unknown = [(int(v), int(c)) for v, c in zip(values, counts, strict=True) if int(v) not in table.priors]
        if unknown:
            listed = ", ".join(f"{v} ({c} voxels)" for v, c in unknown[:8])
            raise InputError(
                origin,
                f"labels without a prior: {listed}",
                f"labels of {table.origin}",
                "Give a TSV with --labels: columns index and tissue (or t1, t2, t2star, pd, mt).",
            )
        self._set(name, torch.from_numpy(dense), torch.from_numpy(values), grid, table)
        self.region = self._region(origin)

    @classmethod
    def stored(
        cls, name: str, dense: Voxels, values: Tensor, grid: Grid, table: LabelTable, region: Box
    ) -> "LabelSubject":
        """A head whose labels lie on disk as indices ``dense`` into ``values``: crops alone are read."""
        head = cls.__new__(cls)
        head._set(name, OnDisk(dense), values, grid, table)
        head.region = region
        return head

    def _set(self, name: str, dense: Tensor | OnDisk, values: Tensor, grid: Grid, table: LabelTable) -> None:
        self.name, self.dense, self.values, self.grid, self.table = name, dense, values, grid, table

    def _region(self, origin: str) -> Box:
        assert isinstance(self.dense, Tensor)
        grey_or_white = torch.isin(self.class_of_each("tissues"), torch.tensor([1, 2]))
        tissue = torch.tensor([self.table.priors[v].pd > 0 for v in self.values.tolist()])
        box = occupied(grey_or_white[self.dense.long()]) or occupied(tissue[self.dense.long()])
        if box is None:
            raise InputError(origin, "no tissue at all (only air)", "a head or a brain", "Is this the right file?")
        return box

    def labels(self, box: Box) -> Labels:
        """The label map in ``box``."""
        return self.values[self.dense[box_slices(box)].long()]

    def class_of_each(self, scheme: Scheme) -> Int[Tensor, " label"]:
        """The segmentation class of each label that occurs, ``[label]``."""
        by_label = self.table.classes(scheme)
        return torch.tensor([by_label.get(v, 0) for v in self.values.tolist()])

    def classes(self, box: Box, scheme: Scheme = "tissues") -> Labels:
        """The segmentation classes in ``box``."""
        return self.class_of_each(scheme)[self.dense[box_slices(box)].long()]

    @cached_property
    def compartments(self) -> Compartments:
        """The coarse sketch that lesions are placed by."""
        assert isinstance(self.dense, Tensor), "a head on disk has its sketches there"
        return Compartments(self.dense, self.values, self.grid, self.table)

    def hosts(self, white: bool) -> Tensor:
        """Which labels a lesion of white matter alone (or of any brain tissue) can lie in, booleans ``[label]``."""
        return self.compartments.has(*(WHITE if white else BRAIN))

    @cached_property
    def atrophy(self) -> Atrophy:
        """How the head would shrink."""
        return Atrophy(self.compartments)

    @cached_property
    def static_field(self) -> StaticField:
        """What the head does to the static field, shimmed."""
        return StaticField(self.compartments)

    def draw(self, generator: torch.Generator | None, pathology: PathologyRanges | None = None) -> "LabelTissue":
        """Draw this person's parameters, their smooth variation, the transmit field, and what ``pathology`` allows.

        Args:
            generator: None gives the priors' means, in health.
            pathology: None for health. It takes a single number from the generator, so that all else at one seed is
                the same whatever is drawn for it.

        Raises:
            InputError: if the folder of lesion masks has none.
        """
        means = [self.table.priors[v] for v in self.values.tolist()]
        knots = [4 + int(n * s / TEXTURE_KNOT_MM) for n, s in zip(self.grid.shape, self.grid.spacing, strict=True)]
        rates = draw_rates(means, generator)
        if generator is None:
            return LabelTissue(self, rates, torch.zeros(*knots), torch.zeros(5, 5, 5), None)
        # A cubic B-spline of independent control values has a standard deviation of about 0.33 in three dimensions.
        texture = torch.randn(*knots, generator=generator) / 0.33
        transmit = torch.randn(5, 5, 5, generator=generator)
        if pathology is None or pathology.none:
            return LabelTissue(self, rates, texture, transmit, 1.0)
        own = derive(int(torch.randint(2**62, (), generator=generator)), "pathology")
        drawn = draw_pathology(pathology, self.compartments, self.atrophy, own)
        if drawn.age is not None:
            rates = aged(rates, [self.table.tissues.get(v, "") for v in self.values.tolist()], drawn.age)
        cavity = draw_rates([fluid_of_cavities(float(torch.rand((), generator=own)))], None)
        rates = {name: torch.cat((values, cavity[name])) for name, values in rates.items()}
        return LabelTissue(self, rates, texture, transmit, 1.0, drawn)


@dataclass(frozen=True)
class LabelTissue(Tissue):
    """One person's draw.

    Args:
        subject: the label map.
        rates: maps by label, ``[label]`` each, at 3 T; with a pathology one more, the fluid of cavities.
        texture: control values of the smooth variation over the whole grid.
        transmit: control values of the transmit field over the whole grid, in standard deviations.
        fields: None for a uniform transmit field.
        pathology: lesions and age; None for the healthy adult.
        device: where volumes of it are made; what is drawn stays on the CPU.
    """

    subject: LabelSubject
    rates: dict[str, Tensor]
    texture: Tensor
    transmit: Tensor
    fields: float | None
    pathology: Pathology | None = None
    device: Device = "cpu"
    _last: dict[Box, Structures] = field(default_factory=dict, compare=False, repr=False)
    _boxes: dict[Box, LabelBox] = field(default_factory=dict, compare=False, repr=False)
    _fields: dict[Box, tuple[Tensor, Tensor]] = field(default_factory=dict, compare=False, repr=False)

    def on(self, device: Device) -> "LabelTissue":
        """See :class:`Tissue`."""
        return replace(self, device=device, _last={}, _boxes={}, _fields={})

    def block(self, box: Box, field_strength: float | None = None, *, with_b0: bool = False) -> TissueMaps:
        """The maps in ``box``; see :class:`Tissue`."""
        strength = PRIOR_FIELD if field_strength is None else field_strength
        shape = (1, 1, *(b - a for a, b in box))
        maps = self._in(box, None, strength).apply(lambda m: m.reshape(shape))
        return replace(maps, b0=self._off_resonance(box, strength)) if with_b0 else maps

    def at(self, box: Box, voxels: Tensor) -> TissueMaps:
        """See :class:`Tissue`; at the field of the priors."""
        return self._in(box, voxels, PRIOR_FIELD)

    def _in(self, box: Box, voxels: Tensor | None, strength: float) -> TissueMaps:
        """The maps in voxels of ``box`` (flat indices; None for all), ``[1, 1, voxel, 1, 1]``."""
        column = {name: rate.reshape(1, 1, -1, 1, 1) for name, rate in self.rates.items()}
        table = at_field(TissueMaps(**column, field_strength=PRIOR_FIELD), strength)
        anatomy = self.anatomy(box)

        def chosen(values: Tensor) -> Tensor:
            return (values.flatten() if voxels is None else torch.take(values, voxels)).reshape(1, 1, -1, 1, 1)

        index = chosen(anatomy.index).long()
        maps = {n: torch.take(getattr(table, n).flatten().to(index.device), index) for n in MAP_NAMES}
        if self.fields is None:
            return TissueMaps(**maps, field_strength=strength)
        texture, transmit = (chosen(field) for field in self.variation(box))
        varied = vary(maps, texture * torch.take(self.solid.to(texture), index))
        for where, severity, change in anatomy.damage:
            if voxels is not None:
                everywhere = severity.new_zeros(anatomy.index.numel())
                everywhere[where] = severity
                severity, where = torch.take(everywhere, voxels), torch.arange(len(voxels), device=voxels.device)
            for name, factor in change.items():
                flat = varied[name].view(-1)
                flat[where] = flat[where] * factor**severity
        # Where the field is low R2* comes close to R2, and their variations must not turn them round.
        varied["r2star"] = torch.maximum(varied["r2star"], varied["r2"])
        transmit = (1.0 + transmit_spread(strength) * transmit).clamp(min=0.3)
        return TissueMaps(**varied, b1_transmit=transmit, field_strength=strength)

    @property
    def solid(self) -> Tensor:
        """Which labels have a texture, booleans ``[label]``: fluid has none."""
        return self.rates["r1"] > 1.0 / FLUID_T1

    def variation(self, box: Box) -> tuple[Tensor, Tensor]:
        """Texture and transmit field in ``box``, ``[1, 1, x, y, z]`` each, both in standard deviations."""
        if box not in self._fields:
            _make_room(self._fields)
            grid = self.subject.grid.shape
            controls = (c.to(self.device) for c in (self.texture, self.transmit / 0.33))
            texture, transmit = (upsample_spline(c[None], grid, box)[None] for c in controls)
            self._fields[box] = (texture, transmit)
        return self._fields[box]

    def scan(
        self, sequence: Sequence, box: Box, needed: Callable[[], Reach] | None = None, *, with_b0: bool = False
    ) -> tuple[AnyVolume, Volume | None]:
        """See :class:`Tissue`; from a table of the signal for each label, but for what depends on the static field."""
        if self.fields is None:
            return super().scan(sequence, box, needed, with_b0=with_b0)
        part = self._boxes.get(box)
        if part is None or part.needed != needed:
            self._boxes.clear()
            part = self._boxes[box] = LabelBox(self, box, needed)
        b0 = None
        if with_b0 or sequence.uses_b0:
            b0 = self._off_resonance(box, sequence.field_strength)
        return part.scan(sequence, b0 if sequence.uses_b0 else None), b0

    def _off_resonance(self, box: Box, field_strength: float) -> Volume:
        return self.subject.static_field.hertz(box, field_strength, self.device)

    def classes(self, box: Box, scheme: Scheme = "tissues") -> Labels:
        """The segmentation classes in ``box`` of the head as drawn; cavities are fluid."""
        lookup = torch.cat((self.subject.class_of_each(scheme), torch.tensor([FLUID_CLASS])))
        return lookup.to(self.device)[self.anatomy(box).index.long()]

    def lesion(self, box: Box) -> Labels:
        """The code (see ``CODES``) of the lesion in each voxel of ``box``, ``[x, y, z]``; 0 where there is none."""
        return self.anatomy(box).kinds.long()

    def describe(self) -> str:
        """Age and lesions; see :class:`Tissue`."""
        return "" if self.pathology is None else self.pathology.describe()

    def anatomy(self, box: Box) -> Structures:
        """What is where in ``box``."""
        if box not in self._last:
            _make_room(self._last)
            head = self.subject
            self._last[box] = structures_in(head.dense, len(head.values), self.pathology, head.hosts, box, self.device)
        return self._last[box]


def _make_room(kept: dict[Box, Any]) -> None:
    """Leave at most one box: the two views of a pair have one each, and their targets ask for the first again."""
    while len(kept) > 1:
        del kept[next(iter(kept))]
