"""Two processes that share a batch, and one that takes it in parts, equal one process with the whole batch."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from objectives import two_ranks
from objectives.two_ranks import NAMES, STEPS

SCRIPT = Path(two_ranks.__file__)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(folder, ranks, micro):
    folder.mkdir()
    port, processes = free_port(), []
    for rank in range(ranks):
        said = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": ranks, "LOCAL_WORLD_SIZE": ranks, "GROUP_RANK": 0}
        said |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "TORCHELASTIC_RUN_ID": "test", "OMP_NUM_THREADS": 1}
        command = [sys.executable, str(SCRIPT), str(folder), str(micro)]
        environment = os.environ | ({k: str(v) for k, v in said.items()} if ranks > 1 else {})
        processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    return processes


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Folders of what one process made (in this one), one in two passes, two, and two in two passes."""
    top = tmp_path_factory.mktemp("ranks")
    two = start(top / "two", 2, 0)
    (top / "one").mkdir()
    threads = torch.get_num_threads()
    two_ranks.main(top / "one", 0)
    (top / "cached").mkdir()
    two_ranks.main(top / "cached", 3)
    torch.set_num_threads(threads)
    running = [two]
    for name in ("two", "two cached"):
        for process in running.pop():
            _, errors = process.communicate(timeout=300)
            assert process.returncode == 0, errors
        if name == "two":
            running.append(start(top / "two cached", 2, 1))
    return top


def relative(a, b):
    return float((a - b).norm() / b.norm().clamp(min=1e-12))


@pytest.mark.parametrize("way", ["two", "cached", "two cached"])
@pytest.mark.parametrize("name", [*NAMES, "all"])
def test_losses_and_every_gradient_are_those_of_one_process(found, way, name):
    one = safetensors.torch.load_file(found / "one" / f"{name}.safetensors")
    other = safetensors.torch.load_file(found / way / f"{name}.safetensors")
    assert float(one["loss"]) > 0
    assert relative(other["loss"], one["loss"]) < 1e-5
    names = [n for n in one if n.startswith("gradient")]
    assert sum(float(one[n].norm()) > 0 for n in names) > 3
    whole = float(torch.cat([one[n].flatten() for n in names]).norm())
    for n in names:
        apart = float((other.get(n, torch.zeros_like(one[n])) - one[n]).norm())
        # The gradient of a bias before a norm is nothing but rounding.
        assert apart < 1e-5 * max(float(one[n].norm()), 1e-6 * whole), n


@pytest.mark.parametrize("way", ["two", "cached", "two cached"])
def test_training_is_that_of_one_process(found, way):
    curves = [
        [json.loads(line) for line in (found / which / "run" / "journal.jsonl").read_text().splitlines()]
        for which in ("one", way)
    ]
    assert [len(c) for c in curves] == [STEPS, STEPS]
    for one, other in zip(*curves, strict=True):
        for name in [n for n in one if n.startswith("loss") or n == "gradient_norm"]:
            assert other[name] == pytest.approx(one[name], rel=1e-5), name
    assert len({line["loss"] for line in curves[0]}) == STEPS


def test_the_wrong_gather_would_be_noticed(monkeypatch):
    """A gather whose gradients do not come back gives NT-Xent another gradient: the test above can fail."""
    monkeypatch.setattr(two_ranks, "gather_rows", lambda rows: rows.detach().requires_grad_())
    assert not any(n.startswith("gradient encoder") for n in two_ranks.gradients("nt_xent", 0))
