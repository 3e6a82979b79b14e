"""Analytic gradients against finite differences, in every map and every number of every sequence."""

from dataclasses import fields, replace

import pytest
import torch
from oracles.tissues import random_protocols, random_tissues

from qontrast.physics.catalogue import SEQUENCES

WHOLE = ("echo_train_length", "excitations")  # counts: nothing to differentiate
SETTINGS = ("field_strength", "phase_increment", "robustness")


def numbers(protocol):
    found = {f.name: getattr(protocol, f.name) for f in fields(protocol)}
    return {n: v for n, v in found.items() if n not in WHOLE + SETTINGS and not isinstance(v, bool | int)}


@pytest.mark.parametrize("name", list(SEQUENCES))
def test_gradients_are_those_of_finite_differences(name):
    protocol = random_protocols(name, 3)[2]
    if hasattr(protocol, "echo_spacing") and hasattr(protocol, "echo_train_length"):
        # At an echo the slope over TE jumps: stand between two.
        between = protocol.echo_time + 0.3 * protocol.echo_spacing
        protocol = replace(protocol, echo_time=between, echo_train_length=protocol.echo_train_length + 1)
    tissue = random_tissues(2, 5).maps
    maps = {n: v.clone().requires_grad_() for n, v in tissue.present().items() if n in (*protocol.needs, "b1_transmit")}
    if name == "bssfp":
        maps["b0"] = tissue.b0.clone().requires_grad_()
    values, build = [], {}
    for number, value in numbers(protocol).items():
        parts = value if isinstance(value, tuple) else (value,)
        tensors = [torch.tensor([float(p)], dtype=torch.float64, requires_grad=True) for p in parts]
        build[number] = (len(values), len(parts), isinstance(value, tuple))
        values += tensors

    def signal(*inputs):
        given = dict(zip(maps, inputs, strict=False))
        rest = inputs[len(maps) :]
        changed = {n: tuple(rest[i : i + k]) if pair else rest[i] for n, (i, k, pair) in build.items()}
        made = replace(protocol, **changed).signal(replace(tissue, **given))
        return torch.view_as_real(made) if made.is_complex() else made

    # The tables of echo trains are linear between their nodes: within a cell, finite differences see the same slope.
    assert torch.autograd.gradcheck(signal, (*maps.values(), *values), eps=1e-7, atol=1e-5, rtol=1e-3)
