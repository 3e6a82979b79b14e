"""Where and in which precision to compute; networks that are only used need no more."""

from collections.abc import Mapping
from typing import Any

import torch

from qontrast.basics.errors import PlanError


def has_fast_bf16(device: str) -> bool:
    """Whether bfloat16 is faster than single precision there: on a CPU, with AMX, or with AVX512-BF16 from AMD.

    Intel's with AVX512-BF16 alone are not: ARCHITECTURE.md has what was measured. AMD's are told by SSE4a, which no
    other has.
    """
    if device == "cuda":
        return torch.cuda.is_bf16_supported()
    if device != "cpu":
        return False
    if getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)():
        return True
    has: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # not in every torch that we take
    return bool(has.get("avx512_bf16") and has.get("sse4a"))


def pick_device(name: str = "auto") -> str:
    """``cuda`` or ``cpu``.

    Raises:
        PlanError: if the device is not there.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise PlanError("device", repr(name), "auto, cpu or cuda")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise PlanError("device", "cuda, which is not there", "cpu or auto", "Run with --device cpu.")
    return name


def autocast_for(device: str) -> torch.autocast:
    """bf16 autocast where it is faster, else nothing."""
    return torch.autocast(device, dtype=torch.bfloat16, enabled=has_fast_bf16(device))
