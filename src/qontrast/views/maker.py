"""Pairs as a loader wants them: plain tensors by name."""

from collections.abc import Sequence as Several
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from torch import Tensor

from qontrast.anatomy.subject import Head
from qontrast.basics.shapes import Device
from qontrast.views.pair import make_pair
from qontrast.views.plan import ViewPlan
from qontrast.views.targets import Wanted, targets


@runtime_checkable
class Opens(Protocol):
    """Where a head comes from: opened when it is needed, in the process that needs it."""

    def open(self) -> Head: ...


@dataclass(frozen=True)
class PairMaker:
    """Makes ``a`` and ``b`` (``[1, x, y, z]`` each), and what else is wanted.

    Args:
        subjects: where each one's head comes from.
        plan: how.
        seed: the plan's.
        wanted: beside the views; see :func:`qontrast.views.targets.targets`.
        device: where volumes are computed; a loader process gives back what it has made to the CPU.
    """

    subjects: Several[Opens]
    plan: ViewPlan
    seed: int
    wanted: Wanted = field(default_factory=Wanted)
    device: Device = "cpu"

    def __call__(self, which: int, step: int, turn: int) -> dict[str, Tensor]:
        pair = make_pair(self.subjects[which].open(), self.plan, self.seed, step, turn, self.device)
        views = {"a": pair.a.image[0], "b": pair.b.image[0]}
        return views | targets(pair, self.wanted, self.seed, step, turn)
