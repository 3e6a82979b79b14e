"""Most contrasts of measured maps are read from a table of their protocol, within 0.3 % of PD."""

from dataclasses import replace

import pytest
import torch

from qontrast.basics.randomness import derive
from qontrast.physics.field import at_field
from qontrast.physics.lookup import WORTH_IT, Lookup, tabulated
from qontrast.physics.presets import PRESETS
from qontrast.physics.protocols import draw_protocol
from qontrast.physics.sequence import acquire
from qontrast.physics.tissue import TissueMaps

TABULATED = ("fse", "flair", "ir", "stir", "dir", "bssfp", "spgr", "gre", "t2star", "mprage", "mp2rage")


def tissue(voxels=WORTH_IT, **more):
    generator = derive(0, "tissue")

    def maps(low, high):
        return low * (high / low) ** torch.rand((1, 1, voxels, 1, 1), generator=generator)

    found = {"pd": maps(0.3, 1.0), "r1": maps(0.2, 4.0), "r2": maps(0.4, 60.0)}
    # A fifth of the fits gave R2* below R2.
    found["r2star"] = found["r2"] * maps(0.8, 2.0)
    return TissueMaps(**(found | more))


def shown(maps, sequence):
    """Without the decay that a sequence leaves out where it is not asked for."""
    return maps if "r2star" in sequence.needs else replace(maps, r2star=None)


@pytest.mark.parametrize("name", TABULATED)
@pytest.mark.parametrize("field", [0.064, 1.5, 3.0, 7.0])
@pytest.mark.parametrize("transmit", [False, True])
def test_a_table_errs_by_less_than_three_thousandths_of_pd(name, field, transmit):
    b1 = 0.4 + 1.2 * torch.rand((1, 1, WORTH_IT, 1, 1), generator=derive(1)) if transmit else None
    maps = tissue(b1_transmit=b1)
    lookup = Lookup(maps)
    for seed in range(3):
        sequence = draw_protocol(name, field, derive(seed, name), mt_known=False)
        assert tabulated(sequence, maps)
        found = lookup.signal(sequence, maps)
        expected = acquire(sequence, at_field(shown(maps, sequence), field))[0].flatten(1)
        assert float((found - expected).abs().max()) < 3e-3


def test_only_what_depends_on_three_numbers_is_tabulated():
    maps = tissue(mt=torch.full((1, 1, WORTH_IT, 1, 1), 0.01))
    assert {name for name, sequence in PRESETS.items() if tabulated(sequence, maps)} == set(TABULATED)
    assert not tabulated(PRESETS["fse"], tissue(voxels=100))
    assert not tabulated(PRESETS["fse"], tissue(b1_receive=torch.ones(1, 1, WORTH_IT, 1, 1)))


def test_one_kind_of_tissue_has_a_table_too():
    even = torch.ones(1, 1, WORTH_IT, 1, 1)
    maps = TissueMaps(pd=0.8 * even, r1=1.1 * even, r2=13.0 * even)
    found = Lookup(maps).signal(PRESETS["flair"], maps)
    torch.testing.assert_close(found, acquire(PRESETS["flair"], maps)[0].flatten(1), rtol=1e-3, atol=1e-5)
