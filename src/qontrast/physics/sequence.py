"""What every pulse sequence can do: a signed (or complex) signal that may be averaged over a voxel, then an image."""

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor

from qontrast.basics.shapes import AnyVolume, Volume
from qontrast.physics.feasible import Parameter
from qontrast.physics.tissue import TissueMaps

SLAB_VOXELS = 1 << 16  # per map: a slab's temporaries then stay in the second-level cache


class Sequence(ABC):
    """A pulse sequence with its protocol: times in seconds, flip angles in radians, field in tesla.

    A protocol's numbers are floats, or tensors ``[batch]`` with one number per subject. Final sequences are frozen
    dataclasses that refuse what no scanner could run.
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]
    """The tissue maps without which there is no signal."""
    components: ClassVar[int] = 1
    """How many signed images the scanner acquires before they become one."""
    field_strength: float

    @property
    def uses_b0(self) -> bool:
        """Whether the signal depends on the static field's unevenness, which is costly to have."""
        return False

    @abstractmethod
    def signal(self, tissue: TissueMaps) -> Tensor:
        """The signed transverse magnetisation ``[batch, components, x, y, z]``, in units of PD; complex where its phase
        matters to the image (off-resonance in balanced or susceptibility-weighted imaging).

        It is linear in the spins: where a voxel holds several tissues, their signals are averaged, never their
        parameters. The magnitude comes after.
        """

    def image(self, signal: AnyVolume) -> Volume:
        """The image ``[batch, 1, x, y, z]`` that the scanner stores: the magnitude unless a sequence says otherwise."""
        return signal.abs()

    @abstractmethod
    def bids(self) -> dict[str, Any]:
        """The protocol in BIDS terms (seconds, degrees, tesla), for one subject."""


def acquire(sequence: Sequence, tissue: TissueMaps) -> AnyVolume:
    """``sequence.signal(tissue)``, computed in slabs along the first spatial axis so that temporaries fit the cache.

    Without gradients; the values are those of ``signal`` itself.
    """
    tissue.require(sequence.needs, sequence.name)
    batch, _, nx, ny, nz = tissue.shape
    step = max(1, SLAB_VOXELS // max(1, batch * ny * nz))
    out: Tensor | None = None
    with torch.no_grad():
        for start in range(0, nx, step):
            slab = tissue.apply(lambda m, s=start: m[:, :, s : s + step])  # type: ignore[misc]
            signal = sequence.signal(slab)
            if out is None:
                out = signal.new_empty((batch, sequence.components, nx, ny, nz))
            out[:, :, start : start + step] = signal
    assert out is not None
    return out


def degrees(flip_angle: Parameter) -> float:
    """A flip angle (rad) of the batch's first subject in degrees, for a sidecar."""
    return round(math.degrees(first(flip_angle)), 6)


def first(value: Parameter) -> float:
    """A parameter of the batch's first subject, as a plain number rounded to 9 digits for a sidecar."""
    return round(float(value.detach().flatten()[0]) if isinstance(value, Tensor) else float(value), 9)
