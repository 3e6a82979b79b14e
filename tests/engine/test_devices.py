"""Where and in which precision to compute."""

import pytest
import torch

from qontrast.basics.errors import PlanError
from qontrast.engine import device, fabric
from qontrast.engine.device import autocast_for, has_fast_bf16, pick_device
from qontrast.engine.fabric import make_fabric


@pytest.mark.parametrize(("there", "expected"), [(True, "cuda"), (False, "cpu")])
def test_auto_takes_the_gpu_where_there_is_one(monkeypatch, there, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert pick_device("auto") == expected
    assert pick_device("cpu") == "cpu"


def test_a_gpu_that_is_not_there_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for ask in (pick_device, make_fabric):
        with pytest.raises(PlanError, match=r"not there.*--device cpu"):
            ask("cuda")


def test_an_unknown_device_is_refused():
    with pytest.raises(PlanError, match="device: found 'tpu'; wanted auto, cpu or cuda"):
        pick_device("tpu")


@pytest.mark.parametrize("fast", [True, False])
def test_half_precision_is_chosen_where_it_is_fast_or_asked_for(monkeypatch, fast):
    for module in (device, fabric):
        monkeypatch.setattr(module, "has_fast_bf16", lambda _: fast)
    found = {asked: make_fabric("cpu", asked)._precision.precision for asked in ("auto", "32", "bf16")}
    assert found == {"auto": "bf16-mixed" if fast else "32-true", "32": "32-true", "bf16": "bf16-mixed"}
    with autocast_for("cpu"):
        assert torch.is_autocast_enabled("cpu") == fast


@pytest.mark.parametrize(
    ("amx", "has", "fast"),
    [
        (True, {}, True),
        (False, {"avx512_bf16": True, "sse4a": True}, True),  # AMD's
        (False, {"avx512_bf16": True, "sse4a": False}, False),
        (False, {"avx512_bf16": False, "sse4a": True}, False),
        (False, None, False),  # a torch that does not tell
    ],
)
def test_half_precision_is_fast_with_amx_and_on_amds_processors_that_have_it(monkeypatch, amx, has, fast):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    if has is not None:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has, raising=False)
    assert has_fast_bf16("cpu") == fast


def test_other_processors_are_not_taken_for_fast():
    assert not has_fast_bf16("mps")
