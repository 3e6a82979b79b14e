"""``torchrun -m qontrast pretrain``: two processes share a run, and neither waits for one that has gone."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import safetensors


def command(data, out, steps, *more):
    views = ["--views.crop", "32", "--views.spacing", "3", "--batch", "2", "--probe.every", "0", "--workers", "1"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    task = ["-m", "qontrast", "pretrain", "--data", str(data), "--out", str(out), "--steps", str(steps)]
    return [*launcher, *task, *views, "--precision", "32", *more]


def lines(out):
    file = out / "journal.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


def steps_of(out):
    with safetensors.safe_open(out / "checkpoint.safetensors", framework="pt") as file:
        return int(file.metadata()["step"])


@pytest.fixture
def running(labels_folder, tmp_path):
    """``running(steps, ...)``: a run by two processes in the background, ended with the test."""
    processes = []

    def start(steps, *more):
        log = (tmp_path / "log").open("a")
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            command(labels_folder, tmp_path / "run", steps, *more),
            stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True,
        )  # fmt: skip
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def wait_for(condition, process, seconds=120.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "it ended too soon"
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ranks_of(process):
    """Process numbers of the two ranks."""
    found = []
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
    for child in map(int, children):
        words = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        rank = next((int(w[5:]) for w in words if w.startswith(b"RANK=")), None)
        if rank is not None:
            found.append((rank, child))
    return [child for _, child in sorted(found)]


@pytest.mark.skipif(not Path("/proc/self/environ").is_file(), reason="reads process numbers from /proc")
@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_rank_ends_both_with_a_message_and_a_checkpoint(running, tmp_path, killed):
    process = running(100000, "--optimisation.checkpoint_seconds", "1")
    out = tmp_path / "run"
    wait_for(lambda: len(lines(out)) >= 3 and (out / "checkpoint.safetensors").is_file(), process)
    seen = len(lines(out))
    os.kill(ranks_of(process)[killed], signal.SIGKILL)
    began = time.monotonic()
    assert process.wait(timeout=60) != 0
    assert time.monotonic() - began < 60
    log = (tmp_path / "log").read_text()
    if killed == 1:
        assert "of the 2 processes has gone" in log
        assert steps_of(tmp_path / "run") >= seen
    done = steps_of(tmp_path / "run")
    assert done >= 1
    again = running(done + 2, "--resume")  # the same plan is asked for: more steps are another
    assert again.wait(timeout=120) != 0
    assert "optimisation.steps" in (tmp_path / "log").read_text()


def test_two_processes_stop_when_asked_and_one_goes_on(running, labels_folder, tmp_path):
    process = running(6, "--optimisation.checkpoint_steps", "1000")
    wait_for(lambda: lines(tmp_path / "run"), process)
    for rank in ranks_of(process):  # as torchrun and SLURM do: to all of a rank's processes, its loaders too
        os.killpg(os.getpgid(rank), signal.SIGTERM)
    assert process.wait(timeout=60) != 0
    log = (tmp_path / "log").read_text()
    assert "stopped by SIGTERM" in log
    assert 1 <= steps_of(tmp_path / "run") < 6
    alone = command(labels_folder, tmp_path / "run", 6, "--optimisation.checkpoint_steps", "1000", "--resume")
    done = subprocess.run([sys.executable, *alone[6:]], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "was trained by 2 processes and goes on with 1" in done.stdout
    found = lines(tmp_path / "run")
    assert [line["step"] for line in found] == list(range(6))
    assert (tmp_path / "run" / "encoder.safetensors").is_file()
    assert (tmp_path / "log").read_text().count("2 x cpu") == 1
