"""What every artefact promises: a record that is drawn once and replays."""

from dataclasses import is_dataclass

import pytest
import torch

from qontrast.artefacts.bias import draw_bias, draw_coil_array
from qontrast.artefacts.dropout import Dephasing, draw_cavities
from qontrast.artefacts.encoding import Encoding
from qontrast.artefacts.erasure import draw_erasure
from qontrast.artefacts.kspace import TREATMENTS, PartialFourier, Resolution, draw_phase
from qontrast.artefacts.motion import draw_motion
from qontrast.artefacts.noise import draw_noise
from qontrast.artefacts.slices import SliceStack
from qontrast.basics.randomness import choice, derive, uniform

SHAPE = (12, 10, 9)
VOXEL = (2.0, 2.0, 2.0)


def resolution(generator):
    return Resolution(choice((0, 1, 2), generator), uniform((2.4, 3.6), generator), 2.0, 0.3)


def slices(generator, axes=(0, 1, 2)):
    return SliceStack(choice(axes, generator), uniform((3.0, 6.0), generator), 1.0, 2.0)


def partial_fourier(generator):
    return PartialFourier(choice((0, 1, 2), generator), uniform((0.55, 0.8), generator), choice(TREATMENTS, generator))


def dropout(generator):
    return Dephasing(0.02, (2.0, 2.0, 5.0), VOXEL, 3.0, draw_cavities((24.0, 20.0, 18.0), generator), 0)


DRAWS = {
    "noise": lambda generator: draw_noise(20.0, generator),
    "noise of many coils": lambda generator: draw_noise(20.0, generator, coils=20),
    "resolution": resolution,
    "thick slices": slices,
    "encoding": lambda generator: Encoding(
        (Resolution(0, 2.0 + uniform((0.5, 1.0), generator), 2.0), slices(generator, (1, 2)))
    ),
    "partial Fourier": partial_fourier,
    "phase": lambda generator: draw_phase(0.3, generator),
    "linear motion": lambda generator: draw_motion((1.0, 1.0), 1, "linear", VOXEL, generator),
    "interleaved motion": lambda generator: draw_motion((1.0, 1.0), 0, "interleaved", VOXEL, generator, shots=4),
    "dropout": dropout,
    "coil array": lambda generator: draw_coil_array(VOXEL, generator),
    "bias": lambda generator: draw_bias(0.25, generator),
    "erasure": lambda generator: draw_erasure(SHAPE, 2, (0.1, 0.3), generator),
}
every_artefact = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())


def image(batch=2):
    return 0.2 + torch.rand((batch, 1, *SHAPE), generator=torch.Generator().manual_seed(5))


@every_artefact
def test_the_same_seed_draws_the_same_artefact(draw):
    torch.testing.assert_close(draw(derive(1))(image()), draw(derive(1))(image()), rtol=0, atol=0)


@every_artefact
def test_another_seed_draws_another(draw):
    assert not torch.equal(draw(derive(1))(image()), draw(derive(2))(image()))


@every_artefact
def test_a_record_replays_whatever_happened_in_between(draw):
    artefact = draw(derive(1))
    before = artefact(image())
    torch.rand(3)
    artefact(image(batch=1))
    torch.testing.assert_close(artefact(image()), before, rtol=0, atol=0)


@every_artefact
def test_the_global_random_state_is_left_alone(draw):
    torch.manual_seed(11)
    untouched = torch.rand(1)
    torch.manual_seed(11)
    draw(derive(1))(image())
    assert torch.equal(torch.rand(1), untouched)


@every_artefact
def test_the_image_given_is_not_written_to(draw):
    given = image()
    draw(derive(1))(given)
    assert torch.equal(given, image())


@every_artefact
@pytest.mark.parametrize("shape", [SHAPE, (7, 8, 11), (1, 5, 4), (24, 23, 22)])
def test_shape_is_kept_and_everything_finite(draw, shape):
    for seed in range(6):
        for signal in (torch.rand(2, 1, *shape), torch.zeros(1, 1, *shape)):
            spoilt = draw(derive(seed))(signal)
            assert spoilt.shape == signal.shape
            assert torch.isfinite(spoilt).all()


@every_artefact
def test_it_changes_the_image_and_keeps_its_precision(draw):
    for given in (image(), image().double()):
        spoilt = draw(derive(1))(given)
        assert spoilt.abs().dtype == given.dtype
        assert not torch.equal(spoilt, given + 0 * spoilt)


@pytest.mark.parametrize("draw", [d for name, d in DRAWS.items() if name != "erasure"])  # that is for images
@pytest.mark.parametrize("batch", [1, 3])
def test_complex_components_are_treated_too(draw, batch):
    given = torch.complex(torch.rand(batch, 2, *SHAPE), torch.rand(batch, 2, *SHAPE))
    spoilt = draw(derive(1))(given)
    assert spoilt.shape == given.shape
    assert spoilt.is_complex()
    assert torch.isfinite(torch.view_as_real(spoilt)).all()


@every_artefact
def test_it_is_a_frozen_record_that_describes_itself(draw):
    artefact = draw(derive(1))
    assert is_dataclass(artefact)
    assert type(artefact).__dataclass_params__.frozen
    described = artefact.describe()
    assert isinstance(described, str)
    assert described.strip()
    assert "\n" not in described
