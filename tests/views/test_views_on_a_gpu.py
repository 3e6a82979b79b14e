"""What a GPU is given: operations on whole tensors make the views that compiled loops make.

Without a GPU these operations run on the CPU; with one, views are made there, too.
"""

import sys
from contextlib import contextmanager

import pytest
import torch

from qontrast.anatomy.pathology import PathologyRanges
from qontrast.artefacts.dropout import Dephasing, displaced
from qontrast.basics.white_noise import complex_white_noise, white_noise
from qontrast.geometry.warp import WarpRanges
from qontrast.physics.catalogue import SEQUENCES
from qontrast.views.denoising import NoiseRanges, NoisyMaker, SimulatedClean
from qontrast.views.labelled import CropMaker, SimulatedCase
from qontrast.views.lesioned import LesionedCase
from qontrast.views.maker import PairMaker
from qontrast.views.normalise import standardise
from qontrast.views.plan import ArtefactRanges
from qontrast.views.targets import Wanted

EVERYTHING = Wanted(points=64, maps=True, protocol=True, hidden=4, share=0.5)
EVERYONE_ILL = PathologyRanges(lesions=1.0, ageing=1.0)
APART = WarpRanges(shared=False, shift=0.1)


@pytest.fixture(params=["tensors", "cuda"])
def device(request):
    """Gives a context in which views are made: the CPU without its loops, or a GPU. Outside of it loops are used."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU")

    @contextmanager
    def there():
        with pytest.MonkeyPatch.context() as patch:
            for name, module in list(sys.modules.items()):
                if request.param == "tensors" and name.startswith("qontrast.") and hasattr(module, "by_loops"):
                    patch.setattr(module, "by_loops", lambda _: False)
            yield "cuda" if request.param == "cuda" else "cpu"

    return there


def alike(found, wanted, share=0.002):
    """Equal but for rounding, and for a few voxels where rounding put a label on the other side of a border."""
    assert found.keys() == wanted.keys()
    for name, one in found.items():
        one, other = one.cpu().double(), wanted[name].double()
        assert one.shape == other.shape, name
        apart = (one - other).abs() > 2e-3
        assert float(apart.double().mean()) <= share, (name, float((one - other).abs().max()))


def both(maker, device, which=0, step=0):
    """An example as loops make it, and as the device does."""
    wanted = maker("cpu")(which, step, 1)
    with device() as where:
        return maker(where)(which, step, 1), wanted


@pytest.mark.parametrize("step", range(6))
def test_pairs_of_label_maps(heads, plan, device, step):
    views = plan(crop=16, spacing=4.0, pathology=EVERYONE_ILL, geometry=APART)
    alike(*both(lambda where: PairMaker(heads, views, 5, EVERYTHING, where), device, step=step))


@pytest.mark.parametrize("step", range(6))
def test_pairs_of_maps(measured, plan, device, step):
    views = plan(crop=32, spacing=2.0, geometry=APART)
    alike(*both(lambda where: PairMaker([measured], views, 5, EVERYTHING, where), device, step=step))


@pytest.mark.parametrize("name", sorted(SEQUENCES))
@pytest.mark.parametrize("worth_it", [1, 1 << 30])
def test_every_sequence_from_tables_and_without(heads, measured, plan, device, name, worth_it, monkeypatch):
    monkeypatch.setattr("qontrast.physics.lookup.WORTH_IT", worth_it)
    views = plan(crop=32, spacing=2.0, sequences=(name,))
    able = [head for head in (heads[0], measured) if name in head.sequences]
    made = [both(lambda where, h=head: PairMaker([h], views, 1, Wanted(), where), device) for head in able]
    assert made
    for found, wanted in made:
        alike(found, wanted)


@pytest.mark.parametrize("lesioned", [False, True])
def test_labelled_crops(head, plan, device, lesioned):
    views = plan(crop=16, spacing=4.0, pathology=EVERYONE_ILL, stripped=1.0)
    case = (LesionedCase if lesioned else SimulatedCase)(head, ("flair", "spgr"), drawn=True)
    found, wanted = both(lambda where: CropMaker([case], views, 3, where), device)
    alike(found, wanted, share=0.005)


def test_noisy_crops(head, plan, device):
    case = SimulatedClean(head, ("fse",), drawn=True)
    alike(*both(lambda where: NoisyMaker([case], plan(), NoiseRanges(), 3, where), device))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("shape", [(5, 6, 7), (5, 1, 7)])
def test_dephasing_and_displacement(device, axis, shape):
    generator = torch.Generator().manual_seed(axis)
    signal, b0 = torch.rand(2, 3, *shape, generator=generator), 400 * torch.randn(2, 1, *shape, generator=generator)
    lost = Dephasing(0.03, (2.0, 3.0, 4.0), (1.0, 1.0, 2.0), 3.0, readout=axis)
    wanted, moved = lost(signal, b0), displaced(signal, b0[:, 0] / 100, axis)
    with device() as where:
        signal, b0 = signal.to(where), b0.to(where)
        torch.testing.assert_close(lost(signal, b0).cpu(), wanted, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(displaced(signal, b0[:, 0] / 100, axis).cpu(), moved, atol=1e-5, rtol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("shape", [(7,), (3, 5, 9)])
def test_noise_is_the_same_to_the_bit(shape):
    assert torch.equal(complex_white_noise(shape, 4, "cuda").cpu(), complex_white_noise(shape, 4))
    assert torch.equal(white_noise(shape, 4, "cuda").cpu(), white_noise(shape, 4))


def test_images_of_one_value_become_zero(device):
    image = torch.cat((torch.full((1, 1, 8, 8, 8), 3.0), torch.arange(512.0).reshape(1, 1, 8, 8, 8)))
    wanted = standardise(image)
    with device() as where:
        found = standardise(image.to(where))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one.cpu(), other, atol=1e-5, rtol=1e-5)


def test_views_without_artefacts(head, plan, device):
    views = plan(artefacts=ArtefactRanges(strength=0.0))
    alike(*both(lambda where: PairMaker([head], views, 5, Wanted(), where), device), share=0.0)
