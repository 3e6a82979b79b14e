"""The one type that every source of anatomy yields: tissue maps in SI units."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from qontrast.basics.errors import InputError, MissingMapError
from qontrast.basics.shapes import Volume

MAP_NAMES = ("pd", "r1", "r2", "r2star", "mt")
"""The maps that describe tissue; transmit, receive and static field describe the scanner."""
RATES = ("r1", "r2", "r2star")
"""Those of them in 1/s."""

SPOKEN = {
    "pd": "PD",
    "r1": "R1",
    "r2": "R2",
    "r2star": "R2*",
    "mt": "MTsat",
    "b1_transmit": "B1+",
    "b1_receive": "B1-",
    "b0": "B0",
}


@dataclass(frozen=True)
class TissueMaps:
    """Tissue maps of a batch of subjects, all of one shape ``[batch, 1, x, y, z]``.

    Args:
        pd: proton density, fraction of water's (0 to about 1).
        r1: longitudinal relaxation rate, 1/s.
        r2: transverse relaxation rate, 1/s; None where unknown.
        r2star: effective transverse relaxation rate, 1/s; None where unknown.
        mt: magnetisation-transfer saturation by one MT pulse, fraction; None where unknown.
        b1_transmit: transmit field relative to nominal (1.0 is nominal); None means 1.0 everywhere.
        b1_receive: receive sensitivity, relative; None means 1.0 everywhere.
        b0: off-resonance at ``field_strength``, Hz; None means on resonance everywhere.
        field_strength: static field at which the rates hold, tesla.
    """

    pd: Volume
    r1: Volume
    r2: Volume | None = None
    r2star: Volume | None = None
    mt: Volume | None = None
    b1_transmit: Volume | None = None
    b1_receive: Volume | None = None
    b0: Volume | None = None
    field_strength: float = 3.0

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of every map, ``(batch, 1, x, y, z)``."""
        return tuple(self.pd.shape)

    def present(self) -> dict[str, Tensor]:
        """The maps and fields that are not None, by name."""
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "field_strength"}
        return {name: value for name, value in found.items() if value is not None}

    def require(self, names: tuple[str, ...], purpose: str, check_rates: bool = True) -> None:
        """Refuse if one of the named maps is absent or, with ``check_rates``, holds rates that no tissue has.

        Raises:
            MissingMapError: naming the absent maps and those that are there.
            InputError: for a rate that is negative, NaN, or 0 where there are protons.
        """
        there = self.present()
        absent = [name for name in names if name not in there]
        if absent:
            raise MissingMapError(
                purpose,
                f"no map of {spoken(absent)} (present: {spoken(n for n in MAP_NAMES if n in there)})",
                f"maps of {spoken(names)}",
                f"Add the missing map, or choose a sequence that does without {spoken(absent)}.",
            )
        if check_rates and not torch.compiler.is_compiling():
            for name in RATES:
                if name in names:
                    self._refuse_impossible_rate(name, there[name], purpose)

    def _refuse_impossible_rate(self, name: str, rate: Tensor, purpose: str) -> None:
        lowest = rate.detach().amin()
        if float(lowest) > 0:
            return
        wrong = (rate.detach() < 0) | ((rate.detach() <= 0) & (self.pd.detach() > 0)) | rate.detach().isnan()
        if not bool(wrong.any()):
            return
        value = float(rate.detach()[wrong][0])
        raise InputError(
            f"{purpose}, the map of {SPOKEN[name]}",
            f"{value:.6g} 1/s where PD is {float(self.pd.detach().expand_as(rate)[wrong][0]):.3g} "
            f"({int(wrong.sum())} voxels)",
            "rates above 0 wherever PD is",
            "A failed fit: set PD to 0 there, or give the rate of its surroundings; air has PD 0.",
        )

    def apply(self, function: Callable[[Tensor], Tensor]) -> "TissueMaps":
        """The same maps with ``function`` applied to each of them."""
        changed: dict[str, Any] = {name: function(value) for name, value in self.present().items()}
        return replace(self, **changed)


def spoken(names: object) -> str:
    """Map names as the field writes them: ``PD, R1, R2*``."""
    return ", ".join(SPOKEN[str(n)] for n in names)  # type: ignore[attr-defined]
