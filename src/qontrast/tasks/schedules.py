"""Fine-tuning schedules: which part of a network learns when, and how fast."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import nn

from qontrast.basics.errors import PlanError
from qontrast.engine.optimisation import Optimisation
from qontrast.engine.pace import Group
from qontrast.engine.schedule import polynomial, rising

Kind = Literal["full", "frozen", "linear-probe", "knn", "warm-up", "sawtooth"]
KEEP = ("frozen", "linear-probe", "knn")
"""Schedules that keep the encoder as it is; without a pretrained one they make little sense."""
ALONE = ("frozen", "warm-up", "sawtooth")
"""Schedules in which what is new learns alone at some time."""
SLOWER = 0.1
"""Learning rate of the encoder relative to the head's, once a warm-up lets it move."""


@dataclass(frozen=True)
class Schedule:
    """Which part of the network learns when. A decoder that was pretrained is treated as the encoder is.

    Args:
        kind: ``full`` (all at once), ``frozen`` (the encoder never moves and drops nothing), ``linear-probe`` (only a
            linear layer on the encoder's features), ``knn`` (nothing is trained: the nearest labelled features tell),
            ``warm-up`` (what is new alone, then all) or ``sawtooth`` (Wald et al. 2024, arXiv:2412.17041).
        head: share of the steps in which only what is new learns, in ``warm-up`` and ``sawtooth``.
        rise: share of the steps in which the learning rate then rises again, in ``sawtooth``.
        encoder_rate: learning rate of the encoder relative to the others'; null for 0.1 in ``warm-up``, 1 elsewhere.
        readout_rate: learning rate of the last convolution relative to the others', where it learns alone at some time
            since the decoder was pretrained, too (``frozen``, ``warm-up``, ``sawtooth``): a few dozen numbers that
            begin at zero stand larger steps than a network does, and need them.
        neighbours: that are asked, in ``knn``.
        voxels: labelled voxels that are kept to be asked, in ``knn``.
    """

    kind: Kind = "full"
    head: float = 0.1
    rise: float = 0.1
    encoder_rate: float | None = None
    readout_rate: float = 20.0
    neighbours: int = 20
    voxels: int = 8192

    def __post_init__(self) -> None:
        for name in ("head", "rise"):
            if not 0 < getattr(self, name) < 1:
                raise PlanError(f"schedule.{name}", f"{getattr(self, name):g}", "a share between 0 and 1")
        if self.kind == "sawtooth" and self.head + self.rise >= 1:
            found = f"{self.head:g} of the steps for the head and {self.rise:g} to rise"
            raise PlanError("schedule.rise", found, "less than 1 together")
        if self.encoder_rate is not None and not 0 < self.encoder_rate <= 1:
            remedy = "For an encoder that stays as it is, set schedule.kind: frozen."
            raise PlanError("schedule.encoder_rate", f"{self.encoder_rate:g}", "above 0, at most 1", remedy)
        if not (math.isfinite(self.readout_rate) and self.readout_rate > 0):
            raise PlanError("schedule.readout_rate", f"{self.readout_rate:g}", "a finite number above 0")
        if self.neighbours < 1:
            raise PlanError("schedule.neighbours", f"{self.neighbours}", "1 or more")
        if self.voxels < self.neighbours:
            raise PlanError("schedule.voxels", f"{self.voxels}", f"{self.neighbours} (schedule.neighbours) or more")

    @property
    def keeps(self) -> bool:
        """Whether the encoder stays as it is."""
        return self.kind in KEEP

    def check(self, encoder: str | None, optimisation: Optimisation) -> None:
        """Refuse what cannot be done with this encoder in so many steps.

        Raises:
            PlanError: naming the field.
        """
        if self.keeps and encoder is None:
            remedy = "Set encoder, or schedule.kind: full."
            raise PlanError("schedule.kind", f"{self.kind} without an encoder", "an encoder to keep", remedy)
        if self.kind == "sawtooth" and optimisation.warmup:
            found = f"{optimisation.warmup} with the schedule sawtooth"
            raise PlanError("optimisation.warmup", found, "0", "The sawtooth's rises are schedule.head and rise.")
        least = {"warm-up": 1, "sawtooth": 2}.get(self.kind, 0)
        if (alone := self.steps_alone(optimisation)) < least:
            short = f"{self.head:g} of {optimisation.steps} steps, which is {alone}"
            raise PlanError("schedule.head", short, f"{least} or more steps", "Take more steps or a larger share.")
        if least and alone + (self.steps_rising(optimisation) if least == 2 else 0) >= optimisation.steps:
            raise PlanError("optimisation.steps", f"{optimisation.steps}", "more: none is left for the whole network")

    def steps_alone(self, optimisation: Optimisation) -> int:
        """Steps in which only what is new learns."""
        return round(self.head * optimisation.steps)

    def steps_rising(self, optimisation: Optimisation) -> int:
        """Steps of a sawtooth in which the whole network's rate rises; at least one."""
        return max(1, round(self.rise * optimisation.steps))

    def groups(
        self,
        pretrained: tuple[nn.Module, ...],
        new: tuple[nn.Module, ...],
        optimisation: Optimisation,
        *,
        fresh: bool = True,
    ) -> tuple[Group, ...]:
        """The weights and their learning rates for the engine: ``head`` (all that is new), ``encoder`` (what is not).

        Args:
            pretrained: the encoder, and the decoder that was pretrained with it.
            new: the head, and a decoder that was not.
            optimisation: how many steps there are.
            fresh: whether the head has learned nothing yet; that of a model that is gone on from learns at no faster
                rate than the rest.
        """
        rate, slower = self.shares(optimisation)
        readout = fresh and self.kind in ALONE and len(new) == 1 and isinstance(new[0], nn.Conv3d)
        faster = self.readout_rate if readout else 1.0
        return Group("head", new, lambda step: faster * rate(step)), Group("encoder", pretrained, slower)

    def shares(self, how: Optimisation) -> tuple[Callable[[int], float], Callable[[int], float]]:
        """Share of the learning rate at a step: of what is new, and of the encoder.

        ``full``, ``frozen``, ``linear-probe``, ``warm-up``: (1 - step/steps)^0.9 after a linear rise of
        ``optimisation.warmup`` steps; the encoder of a warm-up rises the same way when its turn comes. ``sawtooth``:
        what is new alone rises linearly for the first half of ``head`` and falls to nothing in the second; then all
        rise linearly for ``rise`` and fall until the end.
        """
        factor = self.encoder_rate if self.encoder_rate is not None else SLOWER if self.kind == "warm-up" else 1.0
        alone = 0 if self.kind not in ("warm-up", "sawtooth") else self.steps_alone(how)

        def new(step: int) -> float:
            return polynomial(step, how.steps) * rising(step, how.warmup)

        def old(step: int) -> float:
            if self.keeps or step < alone:
                return 0.0
            return factor * polynomial(step, how.steps) * rising(step - alone, how.warmup)

        if self.kind != "sawtooth":
            return new, old
        rise = self.steps_rising(how)

        def tooth(step: int) -> float:
            up, down = alone // 2, alone - alone // 2
            if step < up:
                return (step + 1) / up
            if step < alone:
                return polynomial(step - up, down)
            if step < alone + rise:
                return (step - alone + 1) / rise
            return polynomial(step - alone - rise, how.steps - alone - rise)

        return tooth, lambda step: 0.0 if step < alone else factor * tooth(step)
