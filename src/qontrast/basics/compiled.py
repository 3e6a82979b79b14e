"""Loops over voxels, compiled when they are first called and kept beside the source (or in the user's cache)."""

import inspect
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache
from torch import Tensor

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

Loop = Callable[..., Any]


def compiled(loop: Loop) -> Loop:
    """``loop`` as machine code of this processor; a product and a sum may be rounded once, and a zero have either sign.

    What a loop takes from another file (a compiled loop, a constant, an intrinsic) is not noticed when it changes: keep
    loops that call each other in one file.
    """
    function = inspect.unwrap(loop)
    made = njit(nogil=True, error_model="numpy", fastmath={"contract", "nsz"})(function)
    with suppress(RuntimeError):  # nowhere to keep it: it is compiled in each process
        made._cache = _Kept(function)  # type: ignore[attr-defined]
    return made


def by_loops(values: Tensor) -> bool:
    """Whether loops can read a tensor; where they cannot, the same is done by operations on whole tensors."""
    return values.device.type == "cpu"


class _Kept(FunctionCache):
    """numba's own; but one process at a time adds to it, and neither a damaged file nor a full disk is fatal."""

    def load_overload(self, *args: Any) -> Any:
        try:
            return super().load_overload(*args)
        except Exception:
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, *args: Any) -> None:
        with suppress(OSError):
            Path(self.cache_path).mkdir(parents=True, exist_ok=True)
            # Two that add to one index at once would give two signatures one file of code.
            with (Path(self.cache_path) / "loops.lock").open("a") as lock:
                if fcntl is not None:
                    fcntl.lockf(lock, fcntl.LOCK_EX)
                super().save_overload(*args)
