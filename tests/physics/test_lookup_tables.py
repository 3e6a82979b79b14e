"""Most contrasts of measured maps are read from a table of their protocol, within 0.3 % of PD."""

from dataclasses import replace

import pytest
import torch

from qontrast.basics.randomness import derive
from qontrast.geometry.reach import Reach, everywhere
from qontrast.physics.field import at_field
from qontrast.physics.lookup import HIGHEST, LOWEST, Lookup, tabulated
from qontrast.physics.presets import PRESETS
from qontrast.physics.protocols import draw_protocol
from qontrast.physics.sequence import acquire
from qontrast.physics.tissue import TissueMaps

TABULATED = ("fse", "flair", "ir", "stir", "dir", "bssfp", "spgr", "gre", "t2star", "mprage", "mp2rage")


SHAPE = (1, 1, 64, 32, 32)
BOX = ((0, 64), (0, 32), (0, 32))


def tissue(shape=SHAPE, **more):
    """As maps are kept, in half precision."""
    generator = derive(0, "tissue")

    def maps(low, high):
        return (low * (high / low) ** torch.rand(shape, generator=generator)).half().float()

    found = {"pd": maps(0.3, 1.0), "r1": maps(0.2, 4.0), "r2": maps(0.4, 60.0)}
    # A fifth of the fits gave R2* below R2.
    found["r2star"] = (found["r2"] * maps(0.8, 2.0)).half().float()
    return TissueMaps(**(found | more))


def shown(maps, sequence):
    """Without the decay that a sequence leaves out where it is not asked for."""
    return maps if "r2star" in sequence.needs else replace(maps, r2star=None)


@pytest.mark.parametrize("name", TABULATED)
@pytest.mark.parametrize("field", [0.064, 1.5, 3.0, 7.0])
@pytest.mark.parametrize("transmit", [False, True])
def test_a_table_errs_by_less_than_three_thousandths_of_pd(name, field, transmit):
    b1 = 0.4 + 1.2 * torch.rand(SHAPE, generator=derive(1)) if transmit else None
    maps = tissue(b1_transmit=b1)
    lookup = Lookup(maps, everywhere(BOX))
    for seed in range(3):
        sequence = draw_protocol(name, field, derive(seed, name), mt_known=False)
        assert tabulated(sequence, maps)
        found = lookup.signal(sequence)
        expected = acquire(sequence, at_field(shown(maps, sequence), field))
        assert float((found - expected).abs().max()) < 3e-3


def test_only_what_depends_on_three_numbers_is_tabulated():
    maps = tissue(mt=torch.full(SHAPE, 0.01))
    assert {name for name, sequence in PRESETS.items() if tabulated(sequence, maps)} == set(TABULATED)
    assert not tabulated(PRESETS["fse"], tissue((1, 1, 10, 10, 1)))
    assert not tabulated(PRESETS["fse"], tissue(b1_receive=torch.ones(SHAPE)))


def test_one_kind_of_tissue_has_a_table_too():
    even = torch.ones(SHAPE)
    maps = TissueMaps(pd=0.8 * even, r1=1.1 * even, r2=13.0 * even).apply(lambda m: m.half().float())
    found = Lookup(maps, everywhere(BOX)).signal(PRESETS["flair"])
    torch.testing.assert_close(found, acquire(PRESETS["flair"], maps), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["fse", "spgr"])
def test_out_of_reach_and_in_air_there_is_no_signal(name):
    maps = tissue()
    maps.pd[..., 3:5] = 0
    maps.r1[..., 3:4] = 0  # as maps are outside of the brain
    start = torch.randint(0, 30, SHAPE[2:4], generator=derive(2)).to(torch.int16)
    stop = torch.randint(0, 33, SHAPE[2:4], generator=derive(3)).to(torch.int16)
    reach = Reach(start, stop)
    part, whole = (Lookup(maps, r).signal(PRESETS[name]) for r in (reach, everywhere(BOX)))
    there = reach.mask(32)[None, None]
    assert not part[~there].any()
    assert torch.equal(part[there], whole[there])
    assert not whole[..., 3:5].any()
    assert 0.1 < float(there.float().mean()) < 0.5


def test_the_rates_of_air_do_not_stretch_a_table(monkeypatch):
    sizes = []

    def counted(sequence, maps):
        sizes.append(maps.pd.numel())
        return acquire(sequence, maps)

    monkeypatch.setattr("qontrast.physics.lookup.acquire", counted)
    maps = tissue()
    maps.pd[..., 3:5] = 0
    for rate, air in ((1.0, 1.0), (0.0, 300.0)):
        maps.r1[..., 3], maps.r1[..., 4] = rate, air
        Lookup(maps, everywhere(BOX)).signal(PRESETS["fse"])
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("value", [0.0, 1e-6, -3.0, 6e4, torch.inf])
@pytest.mark.parametrize("name", ["fse", "t2star"])
def test_absurd_rates_are_read_as_the_nearest_that_are_not(value, name):
    maps, nearest = tissue(), tissue()
    for rate in ("r1", "r2", "r2star"):
        getattr(maps, rate)[:, :, 5, 5, 5] = value
        getattr(nearest, rate)[:, :, 5, 5, 5] = min(max(value, LOWEST), HIGHEST)
    found, expected = (Lookup(m, everywhere(BOX)).signal(PRESETS[name]) for m in (maps, nearest))
    torch.testing.assert_close(found, expected, rtol=0, atol=5e-3)


def test_what_is_not_a_number_does_no_harm_to_the_rest():
    maps, sound = tissue(b1_transmit=torch.full(SHAPE, 0.9)), tissue(b1_transmit=torch.full(SHAPE, 0.9))
    for values in maps.present().values():
        values[:, :, 5, 5, 5] = torch.nan
    for name in ("fse", "t2star"):
        found, expected = (Lookup(m, everywhere(BOX)).signal(PRESETS[name]) for m in (maps, sound))
        rest = torch.ones(SHAPE, dtype=torch.bool)
        rest[:, :, 5, 5, 5] = False
        torch.testing.assert_close(found[rest], expected[rest], rtol=0, atol=2e-3)
