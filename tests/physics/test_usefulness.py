"""Protocols that would show nothing are drawn again, and counted."""

import math

import pytest
from oracles.draws import try_prior

from qontrast.basics.randomness import derive
from qontrast.physics.clinical import CLINICAL
from qontrast.physics.gradient_echo import SPGR
from qontrast.physics.presets import PRESETS
from qontrast.physics.usefulness import draw_useful_protocol, reference_brain, useless


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_are_of_use(name):
    assert useless(PRESETS[name], snr=20.0) == ""


def test_a_protocol_without_signal_or_contrast_is_of_none():
    assert "of PD" in useless(SPGR(0.002, 0.003, math.radians(0.2)))
    # PD weighting at a repetition time that nothing recovers in less than: its contrast drowns in noise.
    assert "times the noise" in useless(SPGR(0.002, 0.02, math.radians(4)), snr=4.0)
    assert useless(SPGR(0.002, 0.02, math.radians(4)), snr=50.0) == ""


def test_rejected_draws_are_counted():
    counts = [draw_useful_protocol("spgr", 3.0, derive(i), snr=3.0)[1] for i in range(60)]
    assert sum(counts) > 10
    assert sum(draw_useful_protocol("spgr", 3.0, derive(i))[1] for i in range(60)) == 0


def test_a_protocol_that_came_through_is_of_use():
    for i in range(20):
        assert useless(draw_useful_protocol("mprage", 3.0, derive(3, i))[0]) == ""


def test_the_prior_is_broad_and_its_flairs_are_dark():
    """A small version of what make physics does on real heads."""
    found = try_prior("embedded", 400, heads=1, people=3)
    shares = [n / found.count for n in found.orders.values()]
    assert found.impossible == 0
    assert found.rejected < 0.02 * found.count
    assert max(shares) < 0.5
    assert sum(share > 0.04 for share in shares) >= 4
    assert sum(abs(ratio) < 0.1 for ratio in found.flair) > 0.85 * len(found.flair)


RATIOS = {  # of grey and of fluid to white matter: what real scans of that kind show
    # Five T1-weighted volumes (ICBM 2009a and avg152 averages, Colin27, two MPRAGE), measured with their tissue maps.
    "ixi-guys-t1": ((0.60, 0.80), (0.08, 0.35)),
    # Five T2-weighted turbo spin echoes of four people (public MS data, TE 100 ms at 1.5 T): 1.27 to 1.52 and 3.4 to
    # 3.9; more of fluid at IXI's longer TR.
    "ixi-guys-t2": ((1.25, 1.60), (3.3, 5.0)),
    # The avg152PD average (TE 35 ms at 1.5 T): 1.16 to 1.24 and 1.26 to 1.35.
    "ixi-guys-pd": ((1.12, 1.26), (1.20, 1.45)),
}


@pytest.mark.parametrize("name", sorted(RATIOS))
def test_simulated_ixi_has_the_ratios_of_real_scans(name):
    sequence = CLINICAL[name].sequence
    white, grey, fluid = sequence.image(sequence.signal(reference_brain(sequence.field_strength))).flatten().tolist()
    (low, high), (dark, bright) = RATIOS[name]
    assert low < grey / white < high
    assert dark < fluid / white < bright
