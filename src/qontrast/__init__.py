"""qontrast: sequence-invariant representations of 3D brain MRI.

Two scans of one brain in two contrasts are simulated from its tissue maps, and an encoder learns that they are the
same brain. Heavy imports wait until a name is used, so that ``qontrast --help`` answers at once.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qontrast.tasks.loading import load
    from qontrast.weights.encoder import load_encoder

try:
    __version__ = version("qontrast")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__", "load", "load_encoder"]

_LAZY = {"load": "qontrast.tasks.loading", "load_encoder": "qontrast.weights.encoder"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'qontrast' has no attribute {name!r}")
