"""A function as a model: it takes a NumPy volume and its affine, and returns a label map or a vector."""

import hashlib
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from qontrast.anatomy.label_table import BUILT_IN
from qontrast.anatomy.priors import TISSUE_CLASSES
from qontrast.basics.grid import Grid
from qontrast.basics.shapes import Volume
from qontrast.sweeps.model import Model, Unusable
from qontrast.sweeps.plan import FREESURFER, ModelForm

SPACING = 2.0  # mm, where nothing else is said
Function = Callable[[np.ndarray, np.ndarray], Any]


class CallableModel(Model):
    """``function(volume, affine)``: the volume is float32 ``[x, y, z]`` as the scanner stores it, axes right, anterior,
    superior; the affine is 4 x 4, voxel index to world millimetres.

    Args:
        function: returns a label map on the same grid, or a vector.
        name: for people.
        form: spacing and classes; ``freesurfer`` collapses FreeSurfer's indices to the tissues of the truth.
    """

    def __init__(self, function: Function, name: str, form: ModelForm) -> None:
        self.function, self.name, self.digest = function, name, digest_of(function, name)
        self.spacing = SPACING if form.spacing is None else form.spacing
        self.freesurfer = form.classes == (FREESURFER,)
        self.classes = () if self.freesurfer else form.classes

    def raw(self, image: Volume, grid: Grid) -> np.ndarray:
        """See :meth:`Model.raw`; whatever the function raises becomes an :class:`Unusable` that names it."""
        try:
            found = self.function(np.ascontiguousarray(image[0, 0].numpy(), dtype=np.float32), grid.affine.copy())
        except Exception as error:  # anybody's code
            raise Unusable(self.name, f"{type(error).__name__}: {error}", "a label map or a vector") from error
        return np.asarray(found.detach().cpu() if hasattr(found, "detach") else found)

    def answer(self, image: Volume, grid: Grid) -> np.ndarray:
        """See :meth:`Model.answer`."""
        found = super().answer(image, grid)
        if not self.freesurfer or found.ndim == 1:
            return found
        values, places = np.unique(found, return_inverse=True)
        own = BUILT_IN.classes()
        return np.array([own.get(int(v), 0) for v in values])[places].reshape(found.shape)

    def named(self) -> tuple[str, ...]:
        """Names of the labels: those that were given, else the tissues of the truth."""
        return self.classes or tuple(TISSUE_CLASSES)


def digest_of(function: Function, name: str) -> str:
    """Of the function's name and source; its weights, and what it calls, are not in it."""
    try:
        source = inspect.getsource(function if inspect.isroutine(function) else type(function))
    except (OSError, TypeError):
        source = ""
    return hashlib.sha256(f"{name}\n{source}".encode()).hexdigest()


def name_of(function: Function) -> str:
    """``module:qualified name`` of a function or of an object's class."""
    of = function if inspect.isroutine(function) else type(function)
    return f"{of.__module__}:{of.__qualname__}"
