"""What the views need to know of a subject, whatever its maps were made from."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from qontrast.anatomy.pathology import PathologyRanges
from qontrast.basics.grid import Grid
from qontrast.basics.shapes import AnyVolume, Box, Device, Labels, Volume
from qontrast.geometry.reach import Reach
from qontrast.physics.catalogue import possible
from qontrast.physics.sequence import Sequence, acquire
from qontrast.physics.tissue import TissueMaps


class Tissue(ABC):
    """One draw of a subject's tissue; the same for every contrast that is made of it."""

    @abstractmethod
    def on(self, device: Device) -> "Tissue":
        """The same, with its volumes made on a device; what was drawn, and tables, stay on the CPU."""

    @abstractmethod
    def block(self, box: Box, field_strength: float | None = None, *, with_b0: bool = False) -> TissueMaps:
        """The maps ``[1, 1, x, y, z]`` in ``box`` of the subject's grid, in a field of so many tesla.

        None keeps the field at which the maps hold. ``with_b0`` adds the off-resonance (Hz) where it can be told from
        the anatomy; only gradient echoes and balanced sequences need it.
        """

    def scan(
        self, sequence: Sequence, box: Box, needed: Callable[[], Reach] | None = None, *, with_b0: bool = False
    ) -> tuple[AnyVolume, Volume | None]:
        """What a sequence gives of ``box``: its signed signals ``[1, components, x, y, z]``, and the off-resonance.

        Args:
            sequence: the protocol, with its field.
            box: of the subject's grid.
            needed: gives the voxels that will be read; signals elsewhere may be left zero.
            with_b0: whether the off-resonance (Hz) is wanted, where it can be told.
        """
        maps = self.block(box, sequence.field_strength, with_b0=with_b0 or sequence.uses_b0)
        return acquire(sequence, maps), maps.b0

    def at(self, box: Box, voxels: Tensor) -> TissueMaps:
        """The maps ``[1, 1, voxel, 1, 1]`` in some voxels of ``box`` (flat indices), where the subject's maps hold."""
        return self.block(box).apply(lambda m: m.flatten()[voxels].reshape(1, 1, -1, 1, 1))

    def lesion(self, box: Box) -> Labels | None:
        """The code of the lesion in each voxel of ``box``, ``[x, y, z]``, 0 for none; None where none are known."""
        return None

    def describe(self) -> str:
        """For a caption: age and lesions that were drawn; empty where there are none."""
        return ""


class Head:
    """One head on its own grid, axes right, anterior, superior."""

    name: str
    grid: Grid
    region: Box
    """The box that crops are taken from: the brain where it is known, else all that is not air."""

    def open(self) -> "Head":
        """Itself: an open head can stand where one is asked for that has yet to be opened."""
        return self


class Subject(Head, ABC):
    """A head whose tissue is known, so that any contrast of it can be simulated."""

    @abstractmethod
    def draw(self, generator: torch.Generator | None, pathology: PathologyRanges | None = None) -> Tissue:
        """Draw the subject's tissue, with lesions and age by ``pathology`` (None: in health).

        Measured maps have nothing to draw. Without a generator it is the mean tissue, in health.
        """

    def labels(self, box: Box) -> Labels | None:
        """The label map in ``box``, integers ``[x, y, z]``; None where the subject has none."""
        return None

    @cached_property
    def maps(self) -> tuple[str, ...]:
        """Names of the maps and fields that the subject has."""
        return tuple(self.draw(None).block(((0, 2), (0, 2), (0, 2))).present())

    @cached_property
    def sequences(self) -> list[str]:
        """Names of the sequences that the subject's maps suffice for."""
        return possible(self.draw(None).block(((0, 2), (0, 2), (0, 2))))
