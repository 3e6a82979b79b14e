"""Precession in one pass over the voxels is what the equations give on whole tensors."""

import pytest
import torch

from qontrast.physics import balanced, gradient_echo
from qontrast.physics.clinical import protocol_of
from qontrast.physics.presets import PRESETS
from qontrast.physics.sequence import precess
from qontrast.physics.tissue import TissueMaps

SHAPE = (2, 1, 3, 5, 7)


@pytest.fixture
def tissue():
    generator = torch.Generator().manual_seed(0)

    def between(low, high):
        return low + (high - low) * torch.rand(SHAPE, generator=generator)

    r2 = between(2.0, 40.0)
    maps = {"pd": between(0.0, 1.0), "r1": between(0.2, 3.0), "r2": r2, "r2star": r2 + between(0.0, 40.0)}
    return TissueMaps(**maps, mt=between(0.0, 0.02), field_strength=3.0)


@pytest.fixture(params=[0.0, 30.0, 2000.0])
def b0(request):
    return request.param * torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", ["bssfp", "swi-3t"])
def test_loops_and_tensors_agree(tissue, b0, name, monkeypatch):
    sequence = protocol_of(name) if name == "swi-3t" else PRESETS[name]
    steady = sequence.steady(tissue)
    fast = sequence.precessed(steady, b0)
    for module in (balanced, gradient_echo):
        monkeypatch.setattr(module, "in_one_pass", lambda *_: False)
    expected = sequence.precessed(steady.double(), b0.double())
    assert fast.dtype == torch.complex64
    phase = 2 * torch.pi * 0.05 * float(b0.abs().max()) * torch.finfo(torch.float32).eps  # how well 32 bits hold it
    torch.testing.assert_close(fast.to(expected.dtype), expected, rtol=0, atol=2e-6 + phase)


def test_one_tissue_serves_several_fields_and_slabs(tissue, b0):
    sequence = PRESETS["bssfp"]
    steady = sequence.steady(tissue)[:1]
    together = sequence.precessed(steady, b0)
    for field, image in zip(b0, together, strict=True):
        torch.testing.assert_close(sequence.precessed(steady, field[None])[0], image, rtol=0, atol=0)
        torch.testing.assert_close(precess(sequence, steady, field[None])[0], image, rtol=0, atol=0)


def test_gradients_go_through_the_equations(tissue):
    field = torch.full(SHAPE, 10.0, requires_grad=True)
    PRESETS["bssfp"].precessed(PRESETS["bssfp"].steady(tissue), field).abs().sum().backward()
    assert bool((field.grad != 0).any())
