"""Every window is brought to one scale, by itself alone."""

import pytest
import torch

from qontrast.basics.randomness import derive
from qontrast.views.normalise import _percentiles, normalise

SHAPE = (12, 14, 10)


def window(seed=0, batch=1):
    return torch.rand((batch, 1, *SHAPE), generator=derive(seed)) ** 2


def test_mean_is_zero_and_deviation_one():
    done = normalise(window(batch=3))
    torch.testing.assert_close(done.mean(dim=(1, 2, 3, 4)), torch.zeros(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(done.std(dim=(1, 2, 3, 4), correction=0), torch.ones(3), rtol=0, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 1.0, -3.7, 1e-20, 1234.567, 1e8])
def test_a_constant_window_becomes_zero(value):
    assert torch.equal(normalise(torch.full((2, 1, *SHAPE), value)), torch.zeros(2, 1, *SHAPE))


@pytest.mark.parametrize("scale", [1e-6, 0.3, 1.0, 4095.0, 1e6])
@pytest.mark.parametrize("shift", [0.0, 0.5, -2.0])
def test_units_and_offset_do_not_matter(scale, shift):
    image = window(4)
    torch.testing.assert_close(normalise(scale * (image + shift)), normalise(image), rtol=1e-3, atol=1e-3)


def test_a_batch_is_normalised_window_by_window():
    images = torch.cat([window(0), 100 * window(1) + 5, torch.zeros(1, 1, *SHAPE)])
    torch.testing.assert_close(normalise(images), torch.cat([normalise(i[None]) for i in images]), rtol=1e-6, atol=1e-6)


def test_a_few_wild_voxels_are_clipped():
    image = window(2)
    wild = image.clone()
    wild[0, 0, 3, 3, 3], wild[0, 0, 7, 2, 5] = 1e6, -1e6
    apart = (normalise(wild) - normalise(image)).abs()
    apart[0, 0, 3, 3, 3] = apart[0, 0, 7, 2, 5] = 0
    assert float(apart.max()) < 0.05
    assert float(normalise(wild).abs().max()) < 5


def test_order_is_kept_and_the_input_too():
    image = window(3)
    given = image.clone()
    done = normalise(image)
    assert torch.equal(image, given)
    order = given.flatten().argsort()
    assert bool((done.flatten()[order].diff() >= 0).all())


def test_air_around_a_head_stays_finite():
    image = torch.zeros(1, 1, *SHAPE)
    image[..., 5, 5, 5] = 1e-3
    assert torch.isfinite(normalise(image)).all()


@pytest.mark.parametrize("kind", ["normal", "mostly air", "constant", "few values", "one sided"])
def test_percentiles_are_those_of_all_ranked_voxels(kind):
    """Most voxels are left out before they are ranked, and that must not show."""
    generator = torch.Generator().manual_seed(3)
    flat = torch.randn(40_000, generator=generator)
    if kind == "mostly air":
        flat = torch.where(torch.rand(40_000, generator=generator) < 0.9, 0.0, flat.abs())
    elif kind == "constant":
        flat = torch.full_like(flat, 0.3)
    elif kind == "few values":
        flat = flat.round()
    elif kind == "one sided":
        flat[::48] = -50.0 - torch.arange(len(flat[::48]))  # just where the sample looks
    ordered = flat[::3].sort().values
    low, high = round(0.005 * (len(ordered) - 1)), round(0.995 * (len(ordered) - 1))
    assert _percentiles(flat) == (float(ordered[low]), float(ordered[high]))
