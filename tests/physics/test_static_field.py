import numpy as np
import pytest
import torch

from qontrast.physics.susceptibility import field_of, shimmed

EDGE = 48
SPACING = (2.0, 2.0, 2.0)


def axes(n=EDGE, spacing=2.0):
    edge = spacing * (torch.arange(n) - (n - 1) / 2)
    return torch.meshgrid(edge, edge, edge, indexing="ij")


@pytest.mark.parametrize("direction", [(0.0, 0.0, 1.0), (0.0, 2.0, 0.0), (1.0, 0.0, 1.0)])
def test_a_sphere_has_the_field_of_a_dipole_outside_and_none_within(direction):
    x, y, z = axes()
    radius, step = 15.0, 9.4
    distance = torch.sqrt(x**2 + y**2 + z**2)
    chi = torch.where(distance < radius, step, 0.0) - 9.05
    field = field_of(chi, SPACING, direction, surroundings=-9.05)
    unit = np.array(direction) / np.linalg.norm(direction)
    cosine = (unit[0] * x + unit[1] * y + unit[2] * z) / distance
    expected = step / 3 * (radius / distance) ** 3 * (3 * cosine**2 - 1)
    outside = (distance > 1.4 * radius) & (distance < 2.5 * radius)
    assert float((field - expected)[outside].abs().max()) < 0.03 * step
    assert float((field - expected)[outside].abs().mean()) < 0.005 * step
    assert float(field[distance < 0.7 * radius].mean().abs()) < 0.002 * step


def test_a_cylinder_across_the_field_shifts_its_inside_by_a_sixth():
    x, y, z = axes()
    radius, step = 12.0, 1.0
    distance = torch.sqrt(x**2 + y**2)
    chi = torch.where(distance < radius, step, 0.0)  # along z, as long as the grid: its images make it endless
    field = field_of(torch.nn.functional.pad(chi, (0, 0, 24, 24, 24, 24)), SPACING, (1.0, 0.0, 0.0), padding=1.0)
    field = field[24:-24, 24:-24]
    assert float(field[distance < 0.6 * radius].mean()) == pytest.approx(-step / 6, abs=0.01)
    expected = step / 2 * (radius / distance) ** 2 * (x**2 - y**2) / distance**2
    outside = (distance > 1.4 * radius) & (distance < 3 * radius)
    assert float((field - expected)[outside].abs().max()) < 0.03
    along = field_of(chi, SPACING, (0.0, 0.0, 1.0), padding=1.0)
    inside, beside = along[distance < 0.6 * radius].mean(), along[outside].mean()
    assert float(inside - beside) == pytest.approx(step / 3, abs=0.01)
    assert z.shape == chi.shape


def test_the_field_is_linear_and_blind_to_a_uniform_background():
    chi = torch.randn(12, 14, 10, generator=torch.Generator().manual_seed(1))
    one = field_of(chi, (1.0, 2.0, 3.0))
    torch.testing.assert_close(field_of(3 * chi + 5, (1.0, 2.0, 3.0), surroundings=5.0), 3 * one, rtol=1e-4, atol=1e-5)


def test_without_padding_the_neighbouring_images_are_felt():
    x, y, z = axes(24)
    ball = (torch.sqrt(x**2 + y**2 + z**2) < 20).float()
    near, far = field_of(ball, SPACING, padding=1.0), field_of(ball, SPACING, padding=3.0)
    far = far - far.mean() + near.mean()
    assert float((near - far).abs().max()) > 5 * float(
        (field_of(ball, SPACING, padding=2.5) - field_of(ball, SPACING, padding=3.0)).std()
    )


def test_the_shim_takes_off_second_order_harmonics_and_leaves_the_third():
    x, y, z = (a / 48 for a in axes())
    where = x**2 + y**2 + z**2 < 0.8
    removed = 3 + x - 2 * y + 0.5 * x * z + x * y - y * z + (x**2 - y**2) - 2 * (2 * z**2 - x**2 - y**2)
    assert float(shimmed(removed, where, SPACING).abs().max()) < 1e-5
    third = z * (2 * z**2 - 3 * x**2 - 3 * y**2)
    left = shimmed(removed + third, where, SPACING)
    assert float(left[where].std()) > 0.5 * float(third[where].std())
    assert float(left[where].mean()) == pytest.approx(0.0, abs=1e-5)
