"""One compiled kernel gives the signal itself, for any protocol and shape."""

import shutil
import subprocess
import sys

import pytest
import torch
from oracles.tissues import random_tissues

from qontrast.physics.presets import PRESETS
from qontrast.physics.sequence import acquire

# Checked shapes, as tests have them, cannot be compiled: a process of its own has none.
SCRIPT = """
from dataclasses import replace
import torch
from oracles.tissues import random_tissues
from qontrast.basics.errors import InputError
from qontrast.physics.presets import PRESETS
from qontrast.physics.sequence import BLOCK, acquire_fused

def volume(blocks):
    # Whole blocks go through the kernel; the row that is left over does not.
    return random_tissues(blocks * BLOCK + 30, 1).maps.apply(lambda m: m.reshape(1, 1, 2, -1, 3))

def check(protocol, blocks):
    tissue = volume(blocks)
    fused = acquire_fused(protocol, tissue.apply(torch.Tensor.float))
    torch.testing.assert_close(fused.double(), protocol.signal(tissue), rtol=2e-6, atol=2e-7)

spgr = PRESETS["spgr"]
for protocol, blocks in ((spgr, 3), (replace(spgr, repetition_time=0.05, flip_angle=0.8), 6), (spgr, 0)):
    check(protocol, blocks)
for name in ("mprage", "mp2rage", "mt", "t2star"):
    check(PRESETS[name], 3)
check(replace(PRESETS["mprage"], flip_angle=1.5), 3)  # with B1+ beyond the flip that a train can have

turned = replace(PRESETS["bssfp"], phase_increment=2.0)  # complex, though nothing is off resonance
fused = acquire_fused(turned, volume(0).apply(torch.Tensor.float))
torch.testing.assert_close(fused, turned.signal(volume(0)).to(torch.complex64), rtol=1e-5, atol=1e-6)

tissue = volume(3).apply(lambda m: torch.cat((m, m.flip(2))).float())
protocol = replace(spgr, flip_angle=torch.tensor([0.1, 0.6]))
out = torch.empty_like(tissue.pd)
assert acquire_fused(protocol, tissue, out) is out
torch.testing.assert_close(out, protocol.signal(tissue), rtol=1e-5, atol=1e-6)

tissue.r1[0, 0, 0, 0, 0] = -0.1
try:
    acquire_fused(protocol, tissue)
except InputError as error:
    assert "-0.1 1/s" in str(error)
else:
    raise AssertionError("a negative rate went unnoticed")
"""


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler (g++)")
def test_a_fused_signal_is_the_signal_for_every_shape_protocol_and_subject(pytestconfig):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=pytestconfig.rootpath / "tests", capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr


def test_memory_that_is_given_is_used():
    tissue = random_tissues(60, 1).maps.apply(lambda m: m.reshape(1, 1, 2, -1, 3))
    out = torch.full((1, 1, 2, 10, 3), -1.0, dtype=torch.float64)
    assert acquire(PRESETS["spgr"], tissue, out) is out
    torch.testing.assert_close(out, PRESETS["spgr"].signal(tissue))
