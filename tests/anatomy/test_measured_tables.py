"""Measured maps of many voxels are scanned by table: as voxel by voxel, in whatever order boxes and needs come."""

import pytest
import torch

from qontrast.anatomy.measured import MeasuredTissue
from qontrast.basics.randomness import derive
from qontrast.geometry.reach import Reach
from qontrast.geometry.sample import box_slices
from qontrast.physics.field import at_field
from qontrast.physics.lookup import tabulated
from qontrast.physics.presets import PRESETS
from qontrast.physics.sequence import acquire
from qontrast.physics.tissue import TissueMaps

SHAPE = (50, 52, 48)
BOXES = (((2, 46), (0, 50), (3, 47)), ((6, 50), (2, 52), (0, 44)))


@pytest.fixture(scope="module")
def maps():
    generator = derive(3, "maps")

    def between(low, high):
        return (low * (high / low) ** torch.rand(1, 1, *SHAPE, generator=generator)).half()

    found = {"pd": between(0.4, 1.0), "r1": between(0.25, 3.0), "r2": between(0.5, 40.0), "mt": between(0.001, 0.02)}
    found["r2star"] = (found["r2"].float() * between(0.9, 2.0).float()).half()
    air = torch.rand(1, 1, *SHAPE, generator=generator) < 0.3
    return {name: torch.where(air, 0.0, values.float()).half() for name, values in found.items()}


def part_of(maps, box, names):
    return TissueMaps(**{n: maps[n][(..., *box_slices(box))].float() for n in names}, field_strength=3.0)


def needs(seed):
    start = torch.randint(0, 20, (44, 50), generator=derive(seed, "start")).to(torch.int16)
    reach = Reach(start, start + torch.randint(0, 30, (44, 50), generator=derive(seed, "stop")).to(torch.int16))
    return lambda: reach


def test_any_order_of_boxes_needs_and_sequences_gives_what_each_alone_would(maps):
    asked = []

    def read(name, box):
        asked.append((name, box))
        return maps[name][(..., *box_slices(box))]

    tissue = MeasuredTissue(tuple(maps), read, 3.0)
    first, second = needs(1), needs(2)
    for name, box, needed in (
        ("fse", BOXES[0], first),
        ("t2star", BOXES[0], first),
        ("spgr", BOXES[0], second),
        ("mt", BOXES[0], second),
        ("flair", BOXES[1], second),
        ("mprage", BOXES[1], None),
        ("fse", BOXES[0], first),
    ):
        sequence = PRESETS[name]
        whole = part_of(maps, box, ("pd", "r1", *sequence.needs, "r2"))
        assert tabulated(sequence, whole) == (name != "mt")
        found, _ = tissue.scan(sequence, box, needed)
        alone = torch.ones_like(whole.pd, dtype=torch.bool)
        there = (whole.pd > 0) & (alone if needed is None else needed().mask(44))
        one = TissueMaps(**{n: v[there].reshape(1, 1, -1, 1, 1) for n, v in whole.present().items()})
        expected = acquire(sequence, at_field(one, sequence.field_strength))
        for component, values in zip(found[0], expected[0], strict=True):
            assert float((component[there[0, 0]] - values.flatten()).abs().max()) < 3e-3
            assert not component[~there[0, 0]].any()
    assert len(asked) == len(set(asked)) + 3  # the first box's maps of its last sequence are read again
