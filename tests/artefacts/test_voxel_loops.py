"""Loops that do to each voxel what PyTorch does in several passes."""

import numpy as np
import torch

from qontrast.artefacts.bias import draw_bias, draw_coil_array, shaded
from qontrast.artefacts.kspace import draw_phase
from qontrast.artefacts.voxel_loops import shade, take_magnitude, take_phase, turn
from qontrast.basics.randomness import derive


def test_a_gain_is_the_exponential_of_its_logarithm_at_any_strength():
    log_gain = np.linspace(-87, 87, 9001, dtype=np.float32)
    image = np.stack([np.full(9001, 0.5, np.float32), np.linspace(-1, 1, 9001, dtype=np.float32)])
    out = np.empty_like(image)
    shade(image, log_gain, out)
    np.testing.assert_allclose(out, image * np.exp(log_gain.astype(float)), rtol=2e-7, atol=0)


def test_images_of_several_components_and_planes_are_shaded_as_in_double_precision():
    gains = draw_bias(0.4, derive(1)), draw_coil_array((2.0, 2.0, 2.0), derive(2))
    image = torch.randn((2, 3, 70, 60, 50), generator=derive(3))
    torch.testing.assert_close(shaded(image, *gains).double(), shaded(image.double(), *gains), rtol=2e-6, atol=1e-7)
    turned = image.transpose(2, 4)
    torch.testing.assert_close(shaded(turned, *gains), shaded(turned.contiguous(), *gains), rtol=0, atol=0)


def test_a_turn_is_that_of_any_phase():
    phase = np.linspace(-300, 300, 20001, dtype=np.float32)
    image = np.stack([np.ones_like(phase), np.linspace(-2, 2, len(phase), dtype=np.float32)])
    real, imaginary = np.empty_like(image), np.empty_like(image)
    turn(image, phase, real, imaginary)
    expected = image.astype(float) * np.exp(1j * phase.astype(float))
    np.testing.assert_allclose(real + 1j * imaginary, expected, rtol=0, atol=5e-7)


def test_images_of_several_components_get_the_phase_that_they_get_in_double_precision():
    phase, image = draw_phase(0.8, derive(6)), torch.randn((2, 3, 10, 11, 12), generator=derive(7))
    for given in (image, image.transpose(2, 4)):
        torch.testing.assert_close(phase(given).to(torch.complex128), phase(given.double()), rtol=0, atol=2e-6)


def test_a_magnitude_is_that_of_a_complex_number():
    real, imaginary = torch.randn((2, 1000), generator=derive(4))
    expected = torch.complex(real, imaginary).abs()
    take_magnitude(real.numpy(), imaginary.numpy())
    torch.testing.assert_close(real, expected)


def test_what_takes_a_phase_keeps_its_part_along_it_and_nothing_where_there_is_none():
    real, imaginary, cosine, sine = torch.randn((4, 1000), generator=derive(5))
    cosine[::7] = sine[::7] = 0
    given, direction = torch.complex(real, imaginary), torch.complex(cosine, sine)
    unit = torch.where(direction == 0, 0, direction / direction.abs())
    take_phase(real.numpy(), imaginary.numpy(), cosine.numpy(), sine.numpy())
    torch.testing.assert_close(torch.complex(real, imaginary), (given * unit.conj()).real * unit)
