"""T1 from UNI: the inverse of the simulated sequence, its errors, and its limits."""

import math

import numpy as np
import pytest
import torch

from qontrast.fits.mp2rage import t1_of_uni, uni_of_parts
from qontrast.physics.inversion_trains import MP2RAGE
from qontrast.physics.tissue import TissueMaps

# The protocol of Marques et al. 2010 at 3 T is of this kind.
SEQUENCE = MP2RAGE(
    echo_time=0.00292,
    repetition_time=5.0,
    inversion_times=(0.7, 2.5),
    flip_angles=(math.radians(4), math.radians(5)),
    echo_spacing=0.0071,
    excitations=176.0,
)


def parts(t1, b1=1.0):
    r1 = torch.from_numpy(1 / t1)[None, None, :, None, None]
    maps = TissueMaps(pd=torch.ones_like(r1), r1=r1, b1_transmit=torch.full_like(r1, b1))
    return SEQUENCE.signal(maps)


def uni(t1, b1=1.0):
    return SEQUENCE.image(parts(t1, b1)).numpy().reshape(-1)


def test_the_table_inverts_the_sequence_from_0p3_to_5_s():
    t1 = np.geomspace(0.3, 5.0, 300)
    found, _, valid = t1_of_uni(SEQUENCE, uni(t1))
    assert valid.all()
    np.testing.assert_allclose(found, t1, rtol=1e-4)


@pytest.mark.parametrize("b1", [0.753, 1.0, 1.241])
def test_with_a_transmit_field(b1):
    t1 = np.geomspace(0.5, 3.0, 60)
    found, _, valid = t1_of_uni(SEQUENCE, uni(t1, b1), b1=np.full(60, b1))
    assert valid.all()
    np.testing.assert_allclose(found, t1, rtol=3e-4)
    if b1 != 1.0:
        assert np.abs(t1_of_uni(SEQUENCE, uni(t1, b1))[0] / t1 - 1).max() > 0.02


def test_errors_are_the_spread_of_repetitions():
    rng, count = np.random.default_rng(8), 20_000
    for t1 in (0.85, 1.4):
        one, two = parts(np.array([t1])).numpy().reshape(2)
        sigma = 0.02 * abs(two)
        noise = rng.normal(0, sigma, (2, 2, count))
        phase = np.exp(0.7j)
        values, errors = uni_of_parts(
            (one + noise[0, 0] + 1j * noise[0, 1]) * phase, (two + noise[1, 0] + 1j * noise[1, 1]) * phase, sigma
        )
        found, error, _ = t1_of_uni(SEQUENCE, values, errors)
        assert np.median(found) == pytest.approx(t1, rel=5e-3)
        z = (found - t1) / error
        assert 1.4826 * np.median(np.abs(z)) == pytest.approx(1.0, abs=0.05)


def test_a_uni_beyond_the_table_has_no_t1():
    found, error, valid = t1_of_uni(SEQUENCE, np.array([-0.5001, 0.5001]), 0.01)
    assert valid.tolist() == [False, False]
    assert found.tolist() == error.tolist() == [0, 0]
