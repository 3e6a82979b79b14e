"""The tables of echo trains against the graph that they were made of, and the graph against isochromats."""

import math

import numpy as np
import pytest
import torch
from oracles.spins import Spins

from qontrast.physics.echo_train import _last_echoes, _residue_by_loops, echo_amplitudes, echo_train, residue


@pytest.mark.parametrize("degrees", [180, 150, 120, 60, 25])
@pytest.mark.parametrize("echoes", [1, 2, 5, 12])
def test_the_graph_is_what_isochromats_do(degrees, echoes):
    r1, r2, flip, spacing = np.array([1.2, 0.3]), np.array([12.0, 1.0]), math.radians(degrees), 0.009
    tensors = [torch.tensor(v, dtype=torch.float64) for v in (r1, r2, flip)]
    amplitude = echo_amplitudes(*tensors, spacing, echoes)[..., -1].numpy()
    start = Spins(r1, r2, [1, 1], [1, 1], isochromats=8 * echoes + 8)
    assert start.echo_train(flip, spacing, echoes, echoes) == pytest.approx(amplitude, abs=1e-12)
    kept, gained = (v.numpy() for v in residue(*tensors, spacing, echoes))
    for mz in (0.0, 1.0):
        spins = Spins(r1, r2, [1, 1], [mz, mz], isochromats=8 * echoes + 8)
        for _ in range(echoes):
            spins.wait(spacing / 2)
            spins.crush()
            spins.pulse(flip, -np.pi / 2)
            spins.crush()
            spins.wait(spacing / 2)
        assert spins.mean()[:, 0] == pytest.approx(kept * mz + gained, abs=2e-3 if echoes > 7 else 1e-12)


@pytest.mark.parametrize("echoes", [1, 2, 3, 7, 8, 9, 40])
def test_the_loops_follow_the_same_graph(echoes):
    r1, r2 = torch.tensor([0.2, 1.6, 5.0], dtype=torch.float64), torch.tensor([0.0, 3.0, 60.0], dtype=torch.float64)
    flip, spacing = torch.tensor([3.14, 2.0, 0.7, 4.2], dtype=torch.float64), torch.tensor(0.011, dtype=torch.float64)
    tissue = r1[:, None, None], r2[None, None], flip[None, :, None], spacing, echoes
    exact = echo_amplitudes(*tissue)
    found = _last_echoes(*tissue)
    torch.testing.assert_close(found[..., 1], exact[..., -1], rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(
        found[..., 0], exact[..., -2] if echoes > 1 else 0 * found[..., 0], rtol=1e-12, atol=1e-14
    )
    for one, other in zip(_residue_by_loops(*tissue), residue(*tissue), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("spacing", "echo", "length"), [(0.012, 1, 4), (0.009, 2, 6), (0.010, 9, 16), (0.005, 20, 30)])
@pytest.mark.parametrize("degrees", [180, 150, 110])
def test_the_tables_err_by_less_than_they_state(spacing, echo, length, degrees):
    rng = np.random.default_rng(echo + degrees)
    count = 3000
    t1 = np.exp(rng.uniform(np.log(0.2), np.log(5.0), count))
    t2 = np.minimum(np.exp(rng.uniform(np.log(0.012), np.log(2.0), count)), t1)
    r1, r2, b1 = (torch.tensor(v).reshape(1, 1, -1, 1, 1) for v in (1 / t1, 1 / t2, rng.uniform(0.5, 1.5, count)))
    flip = math.radians(degrees)
    read = echo_train(r1, r2, b1, flip, echo * spacing, spacing, float(length))
    exact = echo_amplitudes(r1, r2, flip * b1, spacing, echo)[..., -1]
    kept, gained = residue(r1, r2, flip * b1, spacing, length)
    strong = exact.abs() > 0.01
    assert float(((read.echo - exact) / exact).abs()[strong].max()) < 0.02
    assert float((read.echo - exact).abs().max()) < 3e-3
    # What is kept counts in so far as the excitation left it.
    assert float(((read.kept - kept) * torch.cos(0.5 * math.pi * b1)).abs().max()) < 0.08
    assert float(((read.kept - kept) * torch.cos(0.5 * math.pi * b1)).abs().median()) < 5e-3
    assert float((read.gained - gained).abs().max()) < 0.01


def test_between_two_echoes_lies_what_lies_between_them():
    r1, r2, b1 = (torch.full((1, 1, 1, 1, 1), v, dtype=torch.float64) for v in (1.0, 10.0, 0.9))
    at = [float(echo_train(r1, r2, b1, 2.4, time, 0.01, 8.0).echo) for time in (0.03, 0.034, 0.04)]
    assert at[0] > at[1] > at[2]


def test_one_protocol_for_each_subject_of_a_batch():
    r1, r2, b1 = (torch.full((2, 1, 2, 1, 1), v, dtype=torch.float64) for v in (1.0, 10.0, 0.9))
    times = torch.tensor([0.03, 0.05], dtype=torch.float64)
    both = echo_train(r1, r2, b1, 2.4, times, 0.01, 8.0)
    for i, time in enumerate(times.tolist()):
        one = echo_train(r1[:1], r2[:1], b1[:1], 2.4, time, 0.01, 8.0)
        for together, alone in zip(both, one, strict=True):
            torch.testing.assert_close(together[i : i + 1], alone)
