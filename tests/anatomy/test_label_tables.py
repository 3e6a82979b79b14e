"""A label map scanned by a table gives what scanning each voxel gives, wherever a view reads."""

import pytest
import torch

from qontrast.anatomy.cohort import find_subjects
from qontrast.anatomy.pathology import PathologyRanges
from qontrast.basics.randomness import derive
from qontrast.geometry.sample import whole
from qontrast.physics.presets import PRESETS
from qontrast.physics.sequence import acquire

SICK = PathologyRanges(lesions=1.0, ageing=1.0)


@pytest.fixture(scope="module")
def head(new_labels_folder):
    return find_subjects(str(new_labels_folder()))[0].open()


def exactly(tissue, sequence, box):
    return acquire(sequence, tissue.block(box, sequence.field_strength, with_b0=sequence.uses_b0))


@pytest.mark.parametrize("name", list(PRESETS))
@pytest.mark.parametrize("pathology", [None, SICK])
def test_the_table_errs_by_less_than_a_five_hundredth_of_pd(head, name, pathology):
    box = whole(head.grid.shape)
    for seed in range(2):
        tissue = head.draw(derive(seed, "person"), pathology)
        signal, _ = tissue.scan(PRESETS[name], box)
        torch.testing.assert_close(signal, exactly(tissue, PRESETS[name], box), rtol=0, atol=2e-3)


@pytest.mark.parametrize("name", ["mprage", "bssfp"])
def test_what_is_needed_is_there_and_the_rest_may_be_zero(head, name):
    box = ((5, 30), (3, 36), (8, 33))
    needed = torch.zeros(25, 33, 25, dtype=torch.bool)
    needed[4:20, 5:25, 6:21] = True
    tissue = head.draw(derive(1, "person"), SICK)
    signal, _ = tissue.scan(PRESETS[name], box, lambda: needed)
    expected = exactly(tissue, PRESETS[name], box)
    torch.testing.assert_close(signal[0, 0][needed], expected[0, 0][needed], rtol=0, atol=2e-3)
    assert not signal[0, 0][~needed].any()


def test_another_need_in_the_same_box_is_another_row(head):
    box = ((5, 30), (3, 36), (8, 33))
    tissue = head.draw(derive(1, "person"))
    masks = [torch.zeros(25, 33, 25, dtype=torch.bool) for _ in range(2)]
    masks[0][:12], masks[1][12:] = True, True
    for mask in masks:
        signal, _ = tissue.scan(PRESETS["gre"], box, lambda mask=mask: mask)
        assert torch.equal(signal[0, 0] != 0, (exactly(tissue, PRESETS["gre"], box)[0, 0] != 0) & mask)


def test_a_box_of_air_is_dark(head):
    tissue = head.draw(derive(1, "person"))
    signal, _ = tissue.scan(PRESETS["fse"], ((0, 2), (0, 2), (0, 2)))
    assert signal.shape == (1, 1, 2, 2, 2)
    assert not signal.any()
