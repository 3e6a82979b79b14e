"""What the probe set tells of encoders whose answers are known."""

import pytest
import torch
from torch import nn

from qontrast.nets.encoder import CNNEncoder
from qontrast.tasks.probe import ProbeSet
from qontrast.tasks.probe_measures import evaluating, measure, pyramid_of

A, C = 6, 4


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def probe():
    """Six crops of three heads in four contrasts; the places are those of one anatomy's in another order."""
    places = 31 * torch.rand((A, 1, 30, 3), generator=torch.Generator().manual_seed(1))
    return ProbeSet(
        images=noise(A, C, 32, 32, 32),
        places=places.expand(A, C, 30, 3),
        heads=torch.arange(A) % 3,
        contrasts=("T1w", "T2w", "FLAIR", "PDw"),
        echo_times=(3e-3, 0.1, 0.09, 8e-3),
        held_out=True,
    )


def told(table):
    """An encoder that answers with the rows of a table, one after the other."""
    rows = iter(table)
    return lambda images: torch.stack([next(rows) for _ in images])


def test_an_encoder_of_anatomy_alone(probe):
    found = measure(probe, told(noise(A, 9).repeat_interleave(C, dim=0)), batch=5)
    assert found["probe_retrieval"] == 1
    assert found["probe_retrieval_chance"] == pytest.approx(1 / 6)
    assert found["probe_alignment"] == pytest.approx(0, abs=1e-9)
    assert found["probe_spread"] == pytest.approx(2, abs=0.6)
    assert found["probe_leak_sequence"] == pytest.approx(0, abs=0.1)
    assert found["probe_leak_echo_time"] < 0.1
    assert 4 < found["probe_rank"] <= 6
    assert found["probe_rank_most"] == 9
    assert "probe_correspondence" not in found
    assert all(name.startswith("probe_") and isinstance(value, float) for name, value in found.items())


def test_an_encoder_of_the_contrast_alone(probe):
    found = measure(probe, told(torch.eye(C).repeat(A, 1)))
    assert found["probe_retrieval"] == pytest.approx(found["probe_retrieval_chance"])
    assert found["probe_spread"] == pytest.approx(0, abs=1e-9)
    assert found["probe_alignment"] == pytest.approx(2)
    assert found["probe_leak_sequence"] == pytest.approx(1)
    assert found["probe_leak_echo_time"] > 0.9
    assert found["probe_rank"] == pytest.approx(4)


def test_a_collapsed_encoder(probe):
    found = measure(probe, told(torch.ones(A * C, 5)))
    assert found["probe_rank"] == pytest.approx(1)
    assert found["probe_retrieval"] == pytest.approx(found["probe_retrieval_chance"])
    assert (found["probe_spread"], found["probe_uniformity"]) == (pytest.approx(0), pytest.approx(0))
    assert found["probe_leak_sequence"] == pytest.approx(0)


def test_feature_maps_that_agree_find_every_voxel_and_others_find_by_chance(probe):
    field = noise(1, 8, 16, 16, 16), noise(1, 4, 8, 8, 8)
    rows = told(noise(A * C, 5))

    def same(images):
        return tuple(level.expand(len(images), *level.shape[1:]) for level in field)

    found = measure(probe, rows, same, batch=7)
    for name in ("probe_correspondence", "probe_correspondence_2", "probe_correspondence_4"):
        assert found[name] == 1
    assert found["probe_correspondence_place"] == 1  # nothing is moved in this set
    assert found["probe_correspondence_chance"] == pytest.approx(1 / 30)

    seeds = iter(range(100))
    found = measure(
        probe, told(noise(A * C, 5)), lambda images: (noise(len(images), 8, 16, 16, 16, seed=next(seeds)),), batch=1
    )
    assert found["probe_correspondence"] == pytest.approx(1 / 30, abs=0.03)
    assert found["probe_correspondence_near_2"] >= found["probe_correspondence_2"]
    assert measure(probe, told(noise(A * C, 5)), lambda images: None).keys().isdisjoint({"probe_correspondence"})


def test_places_are_read_where_each_image_has_them(probe):
    """Each image's map is rolled by as much as its places are: with the roll they are found, without it not."""
    field, rolls = noise(6, 32, 32, 32), torch.arange(A * C) % 5
    places = probe.places.clone().clamp(max=20)
    moved = ProbeSet(
        probe.images,
        places + rolls.reshape(A, C, 1, 1) * torch.tensor([1.0, 0, 0]),
        probe.heads,
        probe.contrasts,
        (),
        True,
    )
    images = torch.stack([field.roll(int(n), dims=1) for n in rolls])
    for set_, right in ((moved, True), (ProbeSet(probe.images, places, probe.heads, probe.contrasts, (), True), False)):
        maps = iter(images.split(6))
        found = measure(set_, told(noise(A * C, 5)), lambda some, maps=maps: (next(maps),), batch=6)
        assert (found["probe_correspondence"] > 0.95) == right
        assert "probe_leak_echo_time" not in found


def test_an_encoder_runs_once_and_the_measures_repeat(probe):
    torch.manual_seed(0)
    encoder = CNNEncoder((2, 4, 4, 8, 12), dropout=0.5)
    runs = []
    encoder.conv_0.register_forward_hook(lambda *_: runs.append(1))
    state = torch.get_rng_state()
    first, second = (measure(probe, *pyramid_of(encoder), model=encoder, batch=12) for _ in range(2))
    assert first == second  # no dropout
    assert len(runs) == 2 * A * C / 12
    assert torch.equal(torch.get_rng_state(), state)
    assert {f"probe_correspondence_{s}" for s in (1, 2, 4, 8, 16)} <= first.keys()
    alone = measure(probe, encoder.embed, model=encoder)
    assert alone["probe_rank"] == pytest.approx(first["probe_rank"], rel=1e-4)


def test_every_part_is_put_back_as_it_was():
    model = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout(), nn.Linear(1, 1)))
    model[1][0].eval()
    before = [part.training for part in model.modules()]

    def fail():
        with evaluating(model):
            assert not any(part.training for part in model.modules())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [part.training for part in model.modules()] == before
