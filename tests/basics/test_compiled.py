"""Compiled loops: kept where they can be, compiled anew where not."""

import importlib.util

import numpy as np
import pytest

from qontrast.basics import compiled as module

SOURCE = """
from qontrast.basics.compiled import compiled

@compiled
def double(values, out):
    for i in range(len(values)):
        out[i] = values[i] + values[i]
"""


def loop_in(folder):
    folder.mkdir(exist_ok=True)
    file = folder / "loops.py"
    if not file.exists():
        file.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("loops", file)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made.double


def doubled(loop, dtype=np.float32):
    out = np.empty(3, dtype)
    loop(np.arange(3, dtype=dtype), out)
    return out.tolist()


def test_a_loop_is_compiled_once_and_found_again(tmp_path):
    first, second = loop_in(tmp_path / "a"), loop_in(tmp_path / "a")
    assert doubled(first) == [0, 2, 4]
    assert doubled(first, np.int32) == [0, 2, 4]
    assert doubled(second) == [0, 2, 4]
    assert sum(first.stats.cache_misses.values()) == 2
    assert sum(second.stats.cache_hits.values()) == 1
    assert not second.stats.cache_misses


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", [b"", b"not a pickle"])
def test_damaged_files_are_made_anew(tmp_path, ending, damage):
    assert doubled(loop_in(tmp_path / "a")) == [0, 2, 4]
    kept = list((tmp_path / "a").rglob(f"*.{ending}"))
    assert kept
    for file in kept:
        file.write_bytes(damage)
    again = loop_in(tmp_path / "a")
    assert doubled(again) == [0, 2, 4]
    assert again.stats.cache_misses
    found = loop_in(tmp_path / "a")
    assert doubled(found) == [0, 2, 4]
    assert not found.stats.cache_misses


def test_a_full_disk_and_no_place_at_all_cost_a_compilation(tmp_path, monkeypatch):
    def full(self, *args):
        raise OSError(28, "No space left on device")

    def nowhere(self, function):
        raise RuntimeError("cannot cache function: no locator available")

    with monkeypatch.context() as patch:
        patch.setattr(module.FunctionCache, "save_overload", full)
        assert doubled(loop_in(tmp_path / "a")) == [0, 2, 4]
    monkeypatch.setattr(module._Kept, "__init__", nowhere)
    assert doubled(loop_in(tmp_path / "b")) == [0, 2, 4]
    assert not list((tmp_path / "b").rglob("*.nb?"))
