"""One protocol's signal as a table over R1, R2 and the transmit field: for the many voxels of measured maps.

A spin echo's signal per PD depends on those three alone, a gradient echo's on R1, the transmit field and, by a mere
factor, on R2*. A table of it is made in a few milliseconds and read faster than the equations are computed. It errs by
less than 0.3 % of PD, even where the transmit field is 60 % off; a test holds that.
"""

import math
from dataclasses import replace

import torch
from torch import Tensor

from qontrast.basics.compiled import by_loops
from qontrast.basics.shapes import Volume
from qontrast.geometry.reach import Reach
from qontrast.physics import lookup_tensors
from qontrast.physics.field import at_field, transverse_at_field
from qontrast.physics.lookup_loops import R1_STEP, R2_STEP, decay, limits, scan
from qontrast.physics.sequence import Sequence, acquire, first
from qontrast.physics.tissue import TissueMaps

B1_STEP = 0.02
LOWEST, HIGHEST = 0.02, 500.0  # 1/s: rates beyond these are read as these
WORTH_IT = 1 << 16  # voxels: for fewer the table costs more than the signal
NO_DECAY = 1e-6  # 1/s
Decay = tuple[Tensor, int, float, float]
"""By which factor R2 grows at each node of R1, the bits of the first of them, that of R2* beyond R2, TE (s)."""


def tabulated(sequence: Sequence, tissue: TissueMaps) -> bool:
    """Whether a table serves: a signal per PD of R1, R2 and the transmit field alone but for the decay by R2*."""
    plain = set(sequence.needs) <= {"pd", "r1", "r2", *(["r2star"] if sequence.decays_by_r2star else [])}
    known = tissue.r2 is not None and not (sequence.decays_by_r2star and tissue.r2star is None)
    on_resonance = not sequence.uses_b0 or tissue.b0 is None
    return plain and known and on_resonance and tissue.b1_receive is None and tissue.pd.numel() >= WORTH_IT


class Lookup:
    """A box of one subject's maps, ready to be scanned with the tables of any number of protocols.

    Args:
        tissue: the maps, ``[1, 1, x, y, z]``, read in half precision.
        reach: the voxels that are wanted.
    """

    def __init__(self, tissue: TissueMaps, reach: Reach) -> None:
        assert tissue.r2 is not None
        self.field_strength = tissue.field_strength
        self._reach = reach
        self._bits = {n: _bits(m[0, 0]) for n, m in tissue.present().items() if n in ("pd", "r1", "r2", "r2star")}
        pd = self._bits["pd"]
        self._rates = [_nodes(pd, self._bits[name], step) for name, step in (("r1", R1_STEP), ("r2", R2_STEP))]
        self._lowest = int(_bits(self._rates[0])[0]), int(_bits(self._rates[1])[0])
        self._transmits, self._transmit = torch.ones(1), torch.empty(0, 0, 0)
        if tissue.b1_transmit is not None:
            field = tissue.b1_transmit[0, 0].float()
            there = field[tissue.pd[0, 0] > 0]
            self._transmits = even_nodes(there if len(there) else field.flatten(), B1_STEP)
            step = self._transmits[1] - self._transmits[0]
            self._transmit = (field - self._transmits[0].to(field)).div_(step.to(field)).contiguous()

    def signal(self, sequence: Sequence) -> Volume:
        """The signed signals ``[1, component, x, y, z]``; 0 in voxels that are out of reach."""
        table, lost = self._table(sequence), None
        if sequence.decays_by_r2star:
            ratio = sequence.field_strength / self.field_strength
            echo_time = first(sequence.echo_time)  # type: ignore[attr-defined]
            lost = self._faster(sequence.field_strength), self._lowest[0], ratio, echo_time
        return self._by_loops(table, lost) if by_loops(self._bits["pd"]) else self._by_tensors(table, lost)

    def _by_loops(self, tables: Tensor, lost: Decay | None) -> Volume:
        bits = {name: values.numpy() for name, values in self._bits.items()}
        span = [edge.numpy() for edge in self._reach]
        out = torch.empty(1, len(tables), *bits["pd"].shape)
        for component, table in zip(out[0].numpy(), tables.numpy(), strict=True):
            r1, r2 = bits["r1"], bits["r2"]
            scan(bits["pd"], r1, r2, self._transmit.numpy(), *span, table, self._lowest, component)
            if lost is not None:
                faster, lowest, ratio, echo_time = lost
                decay(r1, r2, bits["r2star"], *span, faster.numpy(), lowest, ratio, echo_time, component)
        return out

    def _by_tensors(self, tables: Tensor, lost: Decay | None) -> Volume:
        pd, r1, r2 = (self._bits[name] for name in ("pd", "r1", "r2"))
        found = [lookup_tensors.scan(pd, (r1, r2), self._transmit, t.to(pd.device), self._lowest) for t in tables]
        out = torch.stack(found)[None]
        if lost is not None:
            faster, lowest, ratio, echo_time = lost
            rates = r1, r2, self._bits["r2star"]
            out *= lookup_tensors.decay(rates, faster.to(pd.device), lowest, ratio, echo_time)
        return out

    @property
    def decays(self) -> bool:
        """Whether R2* was among the maps."""
        return "r2star" in self._bits

    def _faster(self, field_strength: float) -> Tensor:
        """By which factor R2 grows in another field, at each node of R1."""
        r1 = self._rates[0].reshape(1, 1, -1, 1, 1)
        one = TissueMaps(pd=r1, r1=r1, r2=torch.ones_like(r1), field_strength=self.field_strength)
        r2, _ = transverse_at_field(one, field_strength)
        assert r2 is not None
        return r2.flatten()

    def _table(self, sequence: Sequence) -> Tensor:
        """``[component, transmit node, R1 node, R2 node]``, real."""
        # Where R2* is but a factor R2 plays no part: one of its nodes stands for all.
        r1, r2 = self._rates
        nodes = [self._transmits, r1, r2[:1] if sequence.decays_by_r2star else r2]
        b1, *rates = (g.reshape(1, 1, -1, 1, 1).contiguous() for g in torch.meshgrid(*nodes, indexing="ij"))
        tissue = TissueMaps(
            pd=torch.ones_like(b1),
            r1=rates[0],
            r2=rates[1],
            b1_transmit=b1 if len(self._transmits) > 1 else None,
            field_strength=self.field_strength,
        )
        tissue = at_field(tissue, sequence.field_strength)
        if sequence.decays_by_r2star:
            tissue = replace(tissue, r2star=torch.full_like(b1, NO_DECAY))
        signal = acquire(sequence, tissue).reshape(sequence.components, *(len(n) for n in nodes))
        return signal.expand(-1, -1, -1, len(r2)).contiguous()


def even_nodes(values: Tensor, step: float) -> Tensor:
    """Evenly spaced nodes that enclose the values, at most ``step`` apart, two or more."""
    low, high = torch.stack(torch.aminmax(values)).tolist()
    count = 2 + math.ceil((high - low) / step)
    return low + max(high - low, 1e-3) / (count - 1) * torch.arange(count, dtype=torch.float32)


def _bits(values: Tensor) -> Tensor:
    """The bits of the values in half precision."""
    return values.half().contiguous().view(torch.int16)


def _nodes(pd: Tensor, rate: Tensor, step: int) -> Tensor:
    """Rates (1/s) whose bits are multiples of ``step``, from below the least to above the largest where there is PD."""
    lowest, highest = (int(b) for b in _bits(torch.tensor([LOWEST, HIGHEST])))
    ends = limits(pd.numpy(), rate.numpy()) if by_loops(pd) else lookup_tensors.limits(pd, rate)
    least, most = (min(max(int(b), lowest), highest) for b in ends)
    first_bits = least // step * step
    count = (max(most, least) - first_bits) // step + 2
    bits = first_bits + step * torch.arange(count, dtype=torch.int32)
    return bits.to(torch.int16).view(torch.float16).float()
