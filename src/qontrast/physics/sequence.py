"""What every pulse sequence can do: a signed (or complex) signal that may be averaged over a voxel, then an image."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import fields
from functools import cache, reduce
from typing import Any, ClassVar

import torch
from torch import Tensor

from qontrast.basics.compiled import by_loops
from qontrast.basics.shapes import AnyVolume, Volume
from qontrast.physics.feasible import Parameter
from qontrast.physics.tissue import RATES, TissueMaps

SLAB_VOXELS = 1 << 16  # per map: a slab's temporaries then stay in the second-level cache
BLOCK = 1 << 12  # voxels in a fused kernel's inner loop


class Sequence(ABC):
    """A pulse sequence with its protocol: times in seconds, flip angles in radians, field in tesla.

    A protocol's numbers are floats, or tensors ``[batch]`` with one number per subject. Final sequences are frozen
    dataclasses that refuse what no scanner could run.
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]
    """The tissue maps without which there is no signal."""
    decays_by_r2star: ClassVar[bool] = False
    """Whether R2* acts on the signal as a factor exp(-TE R2*) and in no other way."""
    components: ClassVar[int] = 1
    """How many signed images the scanner acquires before they become one."""
    field_strength: float

    @property
    def uses_b0(self) -> bool:
        """Whether the signal depends on the static field's unevenness, which is costly to have."""
        return False

    @property
    def is_magnitude(self) -> bool:
        """Whether the image is nothing but the signal's magnitude."""
        return type(self).image is Sequence.image

    @abstractmethod
    def signal(self, tissue: TissueMaps) -> Tensor:
        """The signed transverse magnetisation ``[batch, components, x, y, z]``, in units of PD; complex where its phase
        matters to the image (off-resonance in balanced or susceptibility-weighted imaging).

        It is linear in the spins: where a voxel holds several tissues, their signals are averaged, never their
        parameters. The magnitude comes after.
        """

    def is_complex(self, tissue: TissueMaps) -> bool:
        """Whether the signal has a phase that matters to the image."""
        return self.uses_b0 and tissue.b0 is not None

    def steady(self, tissue: TissueMaps) -> Tensor:
        """What of the signal does not depend on the static field, ``[batch, any, x, y, z]``; smooth in the rates."""
        return self.signal(tissue)

    def precessed(self, steady: Tensor, b0: Tensor) -> Tensor:
        """The signal of what :meth:`steady` gives and the off-resonance (Hz, ``[batch, 1, x, y, z]``)."""
        return steady

    def parts(self, tissue: TissueMaps) -> tuple[Tensor, ...]:
        """The signal's components, each ``[batch, 1, x, y, z]``: a kernel writes them without joining them first."""
        return (self.signal(tissue),)

    def image(self, signal: AnyVolume) -> Volume:
        """The image ``[batch, 1, x, y, z]`` that the scanner stores: the magnitude unless a sequence says otherwise."""
        return signal.abs()

    def image_of(self, real: AnyVolume, imaginary: AnyVolume) -> Volume:
        """The same of a complex signal's two parts."""
        return self.image(torch.complex(real, imaginary))

    @abstractmethod
    def bids(self) -> dict[str, Any]:
        """The protocol in BIDS terms (seconds, degrees, tesla), for one subject."""


Change = Callable[[TissueMaps], TissueMaps]
Kernel = Callable[[Sequence, TissueMaps, list[Tensor]], Tensor]


def acquire(
    sequence: Sequence, tissue: TissueMaps, out: Tensor | None = None, change: Change | None = None
) -> AnyVolume:
    """``sequence.signal(tissue)``, computed in slabs along the first spatial axis so that temporaries fit the cache.

    Without gradients; the values are those of ``signal`` itself.

    Args:
        sequence: what to scan with.
        tissue: the maps, ``[batch, 1, x, y, z]``.
        out: where to put the signal, ``[batch, components, x, y, z]``: memory that is used again needs no new pages,
            which cost more than the arithmetic.
        change: what to do to each slab of tissue first, such as bringing it to another field.
    """
    tissue.require(sequence.needs, sequence.name)
    batch, _, nx, ny, nz = tissue.shape
    step = max(1, SLAB_VOXELS // max(1, batch * ny * nz)) if by_loops(tissue.pd) else max(1, nx)
    with torch.no_grad():
        for start in range(0, nx, step):
            slab = tissue.apply(lambda m, s=start: m[:, :, s : s + step])  # type: ignore[misc]
            signal = sequence.signal(slab if change is None else change(slab))
            if out is None:
                out = signal.new_empty((batch, sequence.components, nx, ny, nz))
            out[:, :, start : start + step] = signal
    assert out is not None
    return out


def precess(sequence: Sequence, steady: Tensor, b0: Tensor) -> AnyVolume:
    """``sequence.precessed(steady, b0)``, in slabs as :func:`acquire`."""
    nx, ny, nz = b0.shape[2:]
    step = max(1, SLAB_VOXELS // max(1, ny * nz)) if by_loops(b0) else max(1, nx)
    out = torch.empty((1, sequence.components, nx, ny, nz), dtype=steady.dtype.to_complex(), device=b0.device)
    with torch.no_grad():
        for slab, field, into in zip(*(v.split(step, dim=2) for v in (steady, b0, out)), strict=True):
            into.copy_(sequence.precessed(slab, field))
    return out


def acquire_fused(sequence: Sequence, tissue: TissueMaps, out: Tensor | None = None) -> AnyVolume:
    """The same by one compiled kernel (torch.compile): no temporaries, bound by memory.

    The first call for a kind of sequence takes seconds and, on a CPU, a C++ compiler; protocols and shapes that follow
    share it. Single precision agrees with ``signal`` to about 1e-6 of PD. Worth it for the closed forms where many
    large volumes are made; sequences with echo trains read tables, which are not fused. Arguments: see :func:`acquire`.
    """
    tissue.require(sequence.needs, sequence.name, check_rates=False)
    kernel = _kernel(type(sequence))
    batch, _, *volume = tissue.shape
    if out is None:
        dtype = tissue.pd.dtype.to_complex() if sequence.is_complex(tissue) else tissue.pd.dtype
        out = torch.empty((batch, sequence.components, *volume), dtype=dtype, device=tissue.pd.device)
    with torch.no_grad():
        for subject in range(batch):
            protocol = _as_tensors(sequence, subject, tissue.pd)
            voxels = tissue.apply(lambda m, i=subject: m[i].reshape(1, 1, 1, 1, -1))  # type: ignore[misc]
            _acquire_blocks(kernel, protocol, voxels, [part.view(1, 1, 1, 1, -1) for part in out[subject]])
    return out


def _acquire_blocks(kernel: Kernel, sequence: Sequence, tissue: TissueMaps, out: list[Tensor]) -> None:
    """One subject's row of voxels, in blocks of a length that the kernel knows: an unknown one is divided at each step.

    What is left over is computed unfused.
    """
    whole = tissue.pd.numel() // BLOCK * BLOCK

    def blocks(row: Tensor) -> Tensor:
        shaped = row[..., :whole].view(1, 1, 1, -1, BLOCK)
        torch._dynamo.mark_dynamic(shaped, 3)
        return shaped

    if whole > BLOCK:
        lowest = kernel(sequence, tissue.apply(blocks), [blocks(part) for part in out])
        if not float(lowest) > 0:
            tissue.require(sequence.needs, sequence.name)
    else:  # a length of one would be compiled anew
        whole = 0
    rest = tissue.apply(lambda row: row[..., whole:])
    if rest.pd.numel() > 0:
        rest.require(sequence.needs, sequence.name)
        for part, values in zip(out, sequence.parts(rest), strict=True):
            part[..., whole:] = values


@cache
def _kernel(kind: type[Sequence]) -> Kernel:
    def signal(sequence: Sequence, tissue: TissueMaps, out: list[Tensor]) -> Tensor:
        """Puts the signal into ``out``; returns the lowest rate, found while the rates are at hand."""
        for component, part in zip(out, sequence.parts(tissue), strict=True):
            component.copy_(part)
        rates = [rate for name, rate in tissue.present().items() if name in RATES and name in sequence.needs]
        return reduce(torch.minimum, rates).amin()

    # Contraction lets the compiler use fused multiply-adds, which are also more exact.
    return torch.compile(signal, options={"cpp.enable_floating_point_contract_flag": "fast"})


def _as_tensors(sequence: Sequence, subject: int, like: Tensor) -> Sequence:
    """One subject's protocol with tensors for its numbers: a kernel would be compiled anew for another number.

    They were checked when the sequence was made and are not checked again.
    """

    def tensor(value: Parameter) -> Tensor:
        numbers = torch.as_tensor(value, dtype=like.dtype, device=like.device).reshape(-1)
        return numbers[subject if len(numbers) > 1 else 0].reshape(1)

    copy = object.__new__(type(sequence))
    for field in fields(sequence):  # type: ignore[arg-type]
        value = getattr(sequence, field.name)
        if isinstance(value, tuple):
            value = tuple(map(tensor, value))
        elif field.type in (Parameter, "Parameter"):
            value = tensor(value)
        object.__setattr__(copy, field.name, value)
    return copy


def degrees(flip_angle: Parameter) -> float:
    """A flip angle (rad) of the batch's first subject in degrees, for a sidecar."""
    return round(math.degrees(first(flip_angle)), 6)


def first(value: Parameter) -> float:
    """A parameter of the batch's first subject, as a plain number rounded to 9 digits for a sidecar."""
    return round(float(value.detach().flatten()[0]) if isinstance(value, Tensor) else float(value), 9)
