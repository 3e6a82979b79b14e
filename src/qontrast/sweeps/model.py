"""What a sweep asks of a network, whatever it is: an image on a grid to a label map or an embedding."""

from abc import ABC, abstractmethod

import numpy as np

from qontrast.basics.errors import InputError
from qontrast.basics.grid import Grid
from qontrast.basics.shapes import Volume


class Unusable(InputError):
    """An answer that cannot be scored: another shape, NaN, an unknown label."""


class Model(ABC):
    """A network under test."""

    name: str
    digest: str
    """Of its weights or code: results of one digest are taken for those of one model."""
    spacing: float
    """Isotropic voxel size of the images that it is given, mm."""
    classes: tuple[str, ...]
    """Names of its labels, background first; empty for an encoder, or where they are not known."""

    @abstractmethod
    def raw(self, image: Volume, grid: Grid) -> np.ndarray:
        """What the network gives of an image ``[1, 1, x, y, z]``, axes RAS."""

    def answer(self, image: Volume, grid: Grid) -> np.ndarray:
        """A label map ``[x, y, z]`` of whole numbers, or an embedding ``[feature]``.

        Raises:
            Unusable: if it is neither, or not finite.
        """
        found = np.asarray(self.raw(image, grid))
        if found.dtype.kind not in "biuf":
            raise Unusable(self.name, f"{found.dtype} values", "a label map or a vector of numbers")
        if found.ndim != 1 and found.shape != grid.shape:
            wanted = f"a label map of {grid.shape}, or a vector"
            raise Unusable(self.name, f"an answer of shape {found.shape}", wanted, "Return it on the image's own grid.")
        if found.size == 0:
            raise Unusable(self.name, "an empty answer", f"a label map of {grid.shape}, or a vector")
        bad = int(found.size - np.count_nonzero(np.isfinite(found)))
        if bad:
            raise Unusable(self.name, f"{bad} of {found.size} values that are NaN or infinite", "finite values")
        return found.astype(np.float64) if found.ndim == 1 else self._labels(found)

    def _labels(self, found: np.ndarray) -> np.ndarray:
        whole = np.rint(found)
        if not np.array_equal(whole, found):
            wrong = float(found[whole != found].flat[0])
            raise Unusable(self.name, f"the label {wrong:g}", "whole numbers", "Return labels, not probabilities.")
        low, high = int(whole.min()), int(whole.max())
        if low < 0 or (self.classes and high >= len(self.classes)):
            wanted = f"0 to {len(self.classes) - 1} ({', '.join(self.classes)})" if self.classes else "0 or more"
            remedy = "Name them all with --form.classes."
            raise Unusable(self.name, f"labels from {low} to {high}", wanted, remedy)
        return whole.astype(np.int64)
