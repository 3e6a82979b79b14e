"""Every sequence against an answer that shares no code with it, over random tissues and protocols at five fields."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from oracles.catalogue import ORACLES, compare, mt
from oracles.tissues import random_protocols, random_tissues

from qontrast.physics.catalogue import SEQUENCES
from qontrast.physics.presets import PRESETS

CLOSED = {"mprage", "mp2rage", "spgr", "gre", "bssfp", "mt", "t2star"}
PAIRS = [(name, *pair) for name, pairs in ORACLES.items() for pair in pairs]


@pytest.mark.parametrize(("name", "what", "oracle"), PAIRS, ids=[f"{n}, {w}" for n, w, _ in PAIRS])
def test_a_sequence_is_what_its_oracle_says(name, what, oracle):
    errors = compare(name, oracle, [replace(p) for p in random_protocols(name, 15)])
    assert float(errors.max()) < (2e-5 if name in CLOSED else 0.02)


def test_every_sequence_has_an_oracle():
    assert set(ORACLES) == set(SEQUENCES)


def test_the_mt_pulse_of_spgr_is_that_of_mt():
    tissues = random_tissues(20, 3)
    for protocol in random_protocols("spgr", 4):
        protocol = replace(protocol, mt_pulse=True)
        assert protocol.signal(tissues.maps).flatten().numpy() == pytest.approx(mt(protocol, tissues)[0], rel=1e-9)


def test_an_oracle_notices_what_is_slightly_wrong():
    """A comparison that passed whatever the sequence does would be worth nothing."""
    for name, wrong in (
        ("mprage", {"inversion_time": 1.03}),
        ("fse", {"echo_time": 1.1}),
        ("bssfp", {"flip_angle": 1.05}),
    ):
        protocols = random_protocols(name, 3)
        changed = [replace(p, **{k: v * getattr(p, k) for k, v in wrong.items()}) for p in protocols]
        (_, oracle), *_ = ORACLES[name]
        tissues = random_tissues(10, 0)
        truths = [oracle(p, tissues)[0] for p in protocols]
        ours = [p.signal(tissues.maps).abs().flatten().numpy() for p in changed]
        worst = max(
            np.max(np.abs(o - np.abs(t)) / np.maximum(np.abs(t), 0.01)) for o, t in zip(ours, truths, strict=True)
        )
        assert worst > 0.02, name


@pytest.mark.parametrize("name", ["mprage", "mp2rage", "spgr", "bssfp"])
def test_single_precision_is_precise_enough(name):
    tissues = random_tissues(50, 7).maps
    single = PRESETS[name].signal(tissues.apply(lambda m: m.float()))
    assert single.abs().dtype == torch.float32
    torch.testing.assert_close(single.abs().double(), PRESETS[name].signal(tissues).abs(), rtol=5e-4, atol=1e-6)
