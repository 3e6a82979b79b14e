"""Loops over voxels, compiled when they are first called and kept beside the source (or in the user's cache)."""

import inspect
from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(loop: Callable[..., Any]) -> Callable[..., Any]:
    """``loop`` as machine code of this processor: single precision stays so, and sums may be reordered."""
    return njit(inspect.unwrap(loop), cache=True, nogil=True, fastmath=True, error_model="numpy")
