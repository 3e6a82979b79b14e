"""Which sequences a subject's maps suffice for."""

from itertools import product

import pytest

from qontrast.basics.errors import MissingMapError
from qontrast.physics.catalogue import SEQUENCES, possible
from qontrast.physics.presets import PRESETS
from qontrast.physics.tissue import TissueMaps, spoken


@pytest.mark.parametrize(("r2", "r2star"), list(product([True, False], repeat=2)))
def test_possible_names_just_the_sequences_that_give_a_signal(r2, r2star, brain):
    maps = {"pd": brain.pd, "r1": brain.r1}
    maps |= {"r2": brain.r2} if r2 else {}
    maps |= {"r2star": brain.r2star} if r2star else {}
    tissue = TissueMaps(**maps)
    works = []
    for name in SEQUENCES:
        try:
            PRESETS[name].signal(tissue)
            works.append(name)
        except MissingMapError:
            pass
    assert possible(tissue) == works
    assert "mp2rage" in works


def test_names_are_those_of_the_classes():
    assert all(name == sequence.name for name, sequence in SEQUENCES.items())
    assert set(PRESETS) == set(SEQUENCES)
    assert all(type(PRESETS[name]) is SEQUENCES[name] for name in SEQUENCES)


def test_maps_are_spoken_as_the_field_writes_them():
    assert spoken(("pd", "r1", "r2star", "mt")) == "PD, R1, R2*, MTsat"


def test_apply_reaches_every_map_and_keeps_the_field(brain):
    cut = brain.apply(lambda m: m[:, :, :2])
    assert sorted(cut.present()) == sorted(brain.present())
    assert {tuple(m.shape) for m in cut.present().values()} == {(1, 1, 2, 1, 1)}
    assert cut.shape == (1, 1, 2, 1, 1)
    assert cut.field_strength == brain.field_strength
