"""A label map scanned by a table gives what scanning each voxel gives, wherever a view reads."""

import pytest
import torch

from qontrast.anatomy.cohort import find_subjects
from qontrast.anatomy.pathology import PathologyRanges
from qontrast.basics.randomness import derive
from qontrast.geometry.reach import Reach
from qontrast.geometry.sample import whole
from qontrast.physics.catalogue import SEQUENCES
from qontrast.physics.clinical import protocol_of
from qontrast.physics.presets import PRESETS
from qontrast.physics.sequence import acquire
from qontrast.physics.usefulness import draw_useful_protocol

SICK = PathologyRanges(lesions=1.0, ageing=1.0)


@pytest.fixture(scope="module")
def head(new_labels_folder):
    return find_subjects(str(new_labels_folder()))[0].open()


def part_of(x, y, z):
    """The reach that is a smaller box in one of 25 x 33 x 25 voxels."""
    start, stop = torch.zeros(2, 25, 33, dtype=torch.int16)
    start[x, y], stop[x, y] = z.start, z.stop
    return Reach(start, stop)


def exactly(tissue, sequence, box):
    return acquire(sequence, tissue.block(box, sequence.field_strength, with_b0=sequence.uses_b0))


@pytest.mark.parametrize("name", [*PRESETS, "swi-3t"])
@pytest.mark.parametrize("pathology", [None, SICK])
def test_the_table_errs_by_less_than_a_five_hundredth_of_pd(head, name, pathology):
    box, sequence = whole(head.grid.shape), protocol_of(name)
    assert sequence.uses_b0 == (name in ("bssfp", "swi-3t"))
    for seed in range(2):
        tissue = head.draw(derive(seed, "person"), pathology)
        signal, _ = tissue.scan(sequence, box)
        torch.testing.assert_close(signal, exactly(tissue, sequence, box), rtol=0, atol=2e-3)


@pytest.mark.parametrize("field_strength", [0.064, 1.5, 3.0, 7.0])
@pytest.mark.parametrize("name", SEQUENCES)
def test_so_it_does_for_drawn_protocols_at_any_field(head, name, field_strength):
    box = whole(head.grid.shape)
    tissue = head.draw(derive(2, "person"))
    for seed in range(3):
        sequence, _ = draw_useful_protocol(name, field_strength, derive(seed, name))
        signal, _ = tissue.scan(sequence, box)
        torch.testing.assert_close(signal, exactly(tissue, sequence, box), rtol=0, atol=2.5e-3)


@pytest.mark.parametrize("name", ["mprage", "bssfp"])
def test_what_is_needed_is_there_and_the_rest_may_be_zero(head, name):
    box = ((5, 30), (3, 36), (8, 33))
    reach = part_of(slice(4, 20), slice(5, 25), slice(6, 21))
    needed = reach.mask(25)
    tissue = head.draw(derive(1, "person"), SICK)
    signal, _ = tissue.scan(PRESETS[name], box, lambda: reach)
    expected = exactly(tissue, PRESETS[name], box)
    torch.testing.assert_close(signal[0, 0][needed], expected[0, 0][needed], rtol=0, atol=2e-3)
    assert not signal[0, 0][~needed].any()


def test_another_need_in_the_same_box_is_another_row(head):
    box = ((5, 30), (3, 36), (8, 33))
    tissue = head.draw(derive(1, "person"))
    for half in (slice(12), slice(12, None)):
        reach = part_of(half, slice(None), slice(0, 25))
        signal, _ = tissue.scan(PRESETS["gre"], box, lambda reach=reach: reach)
        assert torch.equal(signal[0, 0] != 0, (exactly(tissue, PRESETS["gre"], box)[0, 0] != 0) & reach.mask(25))


def test_a_box_of_air_is_dark(head):
    tissue = head.draw(derive(1, "person"))
    signal, _ = tissue.scan(PRESETS["fse"], ((0, 2), (0, 2), (0, 2)))
    assert signal.shape == (1, 1, 2, 2, 2)
    assert not signal.any()
