"""Label maps to tissue maps: every structure has its own parameters, and every person differs a little.

Labels are hard at the fine grid; contrasts are simulated there and the *signals* are averaged when the view's voxels
are larger, as in a scanner. Averaged parameters would make rims at borders that no scan has.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from qontrast.anatomy.label_table import LabelTable
from qontrast.anatomy.priors import Prior
from qontrast.anatomy.subject import Subject, Tissue
from qontrast.basics.errors import InputError
from qontrast.basics.grid import Grid
from qontrast.basics.shapes import Labels
from qontrast.basics.spline import basis
from qontrast.geometry.sample import Box, box_slices, occupied
from qontrast.physics.field import at_field
from qontrast.physics.tissue import MAP_NAMES, TissueMaps

PRIOR_FIELD = 3.0  # tesla: the field of the priors
SHARED = 0.6  # correlation of a person's deviations between R1, R2, R2* and MTsat: myelin and iron drive them together
TEXTURE = {"pd": -0.012, "r1": 0.035, "r2": 0.025, "r2star": 0.05, "mt": 0.045}
"""Standard deviation of each map's smooth relative variation within structures, and its sign against the others."""
FLUID_T1 = 2.5  # s: labels of a longer T1 are fluid
TEXTURE_KNOT_MM = 18.0
TRANSMIT_SPREAD = {0.5: 0.02, 2.0: 0.05, 4.0: 0.10, 99.0: 0.20}
"""Standard deviation of the B1+ field's control values up to so many tesla (larger where the wavelength is short)."""


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
        self.name, self.grid, self.table = name, grid, table
        values, dense, counts = _dense(labels, origin)
        unknown = [(int(v), int(c)) for v, c in zip(values, counts, strict=True) if int(v) not in table.priors]
        if unknown:
            listed = ", ".join(f"{v} ({c} voxels)" for v, c in unknown[:8])
            raise InputError(
                origin,
                f"labels without a prior: {listed}",
                f"labels of {table.origin}",
                "Give a TSV with --labels: columns index and tissue (or t1, t2, t2star, pd, mt).",
            )
        self._dense = torch.from_numpy(dense)
        self._values = torch.from_numpy(values)
        self.region = self._region(origin)

    def _region(self, origin: str) -> Box:
        by_label = self.table.classes()
        grey_or_white = torch.tensor([by_label.get(int(v), 0) in (1, 2) for v in self._values])
        tissue = torch.tensor([self.table.priors[int(v)].pd > 0 for v in self._values])
        box = occupied(grey_or_white[self._dense.long()]) or occupied(tissue[self._dense.long()])
        if box is None:
            raise InputError(origin, "no tissue at all (only air)", "a head or a brain", "Is this the right file?")
        return box

    def labels(self, box: Box) -> Labels:
        """The label map in ``box``."""
        return self._values[self._dense[box_slices(box)].long()]

    def classes(self, box: Box) -> Labels:
        """The segmentation classes (see ``TISSUE_CLASSES``) in ``box``."""
        by_label = self.table.classes()
        lookup = torch.tensor([by_label.get(int(v), 0) for v in self._values])
        return lookup[self._dense[box_slices(box)].long()]

    def draw(self, generator: torch.Generator | None) -> Tissue:
        """Draw this person's parameters, their smooth variation and the transmit field; None: the priors' means."""
        means = [self.table.priors[int(v)] for v in self._values]
        rates = _draw_rates(means, generator)
        knots = [4 + int(n * s / TEXTURE_KNOT_MM) for n, s in zip(self.grid.shape, self.grid.spacing, strict=True)]
        solid = torch.tensor([float(p.t1 < FLUID_T1) for p in means])
        if generator is None:
            return LabelTissue(self._dense, rates, solid, torch.zeros(*knots), torch.zeros(5, 5, 5), None)
        # A cubic B-spline of independent control values has a standard deviation of about 0.33 in three dimensions.
        texture = torch.randn(*knots, generator=generator) / 0.33
        return LabelTissue(self._dense, rates, solid, texture, torch.randn(5, 5, 5, generator=generator), 1.0)


@dataclass(frozen=True)
class LabelTissue(Tissue):
    """One person's draw.

    Args:
        dense: index into the rates for each voxel.
        rates: maps by label, ``[label]`` each, at 3 T.
        solid: 1 for tissue, which has a texture, and 0 for fluid, which has none; ``[label]``.
        texture: control values of the smooth variation over the whole grid.
        transmit: control values of the transmit field over the whole grid, in standard deviations.
        fields: None for a uniform transmit field.
    """

    dense: Tensor
    rates: dict[str, Tensor]
    solid: Tensor
    texture: Tensor
    transmit: Tensor
    fields: float | None

    def block(self, box: Box, field_strength: float | None = None) -> TissueMaps:
        """The maps in ``box``; see :class:`Tissue`."""
        field = PRIOR_FIELD if field_strength is None else field_strength
        column = {name: rate.reshape(1, 1, -1, 1, 1) for name, rate in self.rates.items()}
        table = at_field(TissueMaps(**column, field_strength=PRIOR_FIELD), field)
        index = self.dense[box_slices(box)].long().flatten()
        shape = (1, 1, *(b - a for a, b in box))
        if self.fields is None:
            maps = {n: getattr(table, n).flatten()[index].reshape(shape) for n in MAP_NAMES}
            return TissueMaps(**maps, field_strength=field)
        texture = _spline_block(self.texture, tuple(self.dense.shape), box)[None, None]
        texture.mul_(torch.take(self.solid, index).reshape(shape))
        maps = {}
        for name in MAP_NAMES:
            values = torch.take(getattr(table, name).flatten(), index).reshape(shape)
            maps[name] = values.mul_(torch.add(1.0, texture, alpha=TEXTURE[name]).clamp_(min=0.5))
        # Where the field is low R2* comes close to R2, and their variations must not turn them round.
        torch.maximum(maps["r2star"], maps["r2"], out=maps["r2star"])
        spread = next(s for limit, s in TRANSMIT_SPREAD.items() if field <= limit)
        transmit = 1.0 + spread * _spline_block(self.transmit, tuple(self.dense.shape), box)[None, None] / 0.33
        return TissueMaps(**maps, b1_transmit=transmit.clamp(min=0.3), field_strength=field)


def _dense(labels: np.ndarray, origin: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The labels that occur, the map as indices into them, and how many voxels each has."""
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high > 1_000_000:
        raise InputError(origin, f"labels from {low} to {high}", "labels from 0 to 1000000", "Is this a label map?")
    counts = np.bincount(labels.ravel())
    values = np.flatnonzero(counts)
    lookup = np.zeros(high + 1, dtype=np.uint8 if len(values) < 256 else np.int32)
    lookup[values] = np.arange(len(values))
    return values.astype(np.int64), lookup[labels], counts[values]


def _draw_rates(means: list[Prior], generator: torch.Generator | None) -> dict[str, Tensor]:
    """Rates by label: shared and own deviations, log-normal, so that no rate can turn negative."""
    spread = torch.tensor([p.spread for p in means])
    base = {
        "pd": torch.tensor([p.pd for p in means]),
        "r1": torch.tensor([1.0 / p.t1 for p in means]),
        "r2": torch.tensor([1000.0 / p.t2 for p in means]),
        "r2star": torch.tensor([1000.0 / min(p.t2star, p.t2) for p in means]),
        "mt": torch.tensor([p.mt / 100.0 for p in means]),
    }
    if generator is None:
        return base
    person = torch.randn((), generator=generator)
    structure = torch.randn(len(means), generator=generator)
    common = SHARED**0.5 * person + (1 - SHARED) ** 0.5 * structure
    drawn = {}
    for name in MAP_NAMES:
        own = torch.randn(len(means), generator=generator)
        deviation = SHARED**0.5 * common + (1 - SHARED) ** 0.5 * own
        share = spread / 3 if name == "pd" else spread
        sign = -1.0 if name == "pd" else 1.0
        drawn[name] = base[name] * torch.exp(sign * share * deviation)
    drawn["r2star"] = torch.maximum(drawn["r2star"], drawn["r2"])
    drawn["pd"] = drawn["pd"].clamp(max=1.05)
    return drawn


def _spline_block(control: Tensor, shape: tuple[int, ...], box: Box) -> Tensor:
    """The part ``box`` of a cubic B-spline over a whole grid of ``shape``, without computing the rest."""
    weights = [basis(n, k)[a:b].to(torch.float32) for n, k, (a, b) in zip(shape, control.shape, box, strict=True)]
    out = torch.einsum("abc,xa->xbc", control, weights[0])
    out = torch.einsum("xbc,yb->xyc", out, weights[1])
    return torch.einsum("xyc,zc->xyz", out, weights[2])
