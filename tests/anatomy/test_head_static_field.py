"""The static field of label maps: of a head with one sinus, and of a real one."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from qontrast.anatomy.cohort import find_subjects
from qontrast.anatomy.label_table import BUILT_IN
from qontrast.anatomy.labelled import LabelSubject
from qontrast.basics.grid import Grid
from qontrast.basics.randomness import derive
from qontrast.geometry.sample import box_slices, whole

HEAD = Path(os.environ.get("QONTRAST_DATA", "/QONTRAST_DATA-is-not-set")) / "anatomies" / "sub-07"
BOX = ((10, 61), (15, 80), (8, 50))


def brain_of(head):
    classes = head.classes(whole(head.grid.shape))
    return (classes == 1) | (classes == 2)


def test_b0_is_there_only_when_it_is_asked_for_and_grows_with_the_field(big_head):
    tissue = big_head.draw(derive(1, "x"))
    assert tissue.block(BOX, 3.0).b0 is None
    at_3, at_7 = (tissue.block(BOX, f, with_b0=True).b0 for f in (3.0, 7.0))
    assert at_3.shape == (1, 1, 51, 65, 42)
    torch.testing.assert_close(at_7, at_3 * 7 / 3)
    full = tissue.block(whole(big_head.grid.shape), 3.0, with_b0=True).b0
    torch.testing.assert_close(at_3, full[:, :, *box_slices(BOX)], rtol=1e-4, atol=1e-3)


def test_the_field_is_highest_above_the_sinus_and_shimmed_over_the_brain(big_head):
    b0 = big_head.static_field.hertz(whole(big_head.grid.shape), 3.0)[0, 0]
    brain = brain_of(big_head)
    assert float(b0[brain].mean()) == pytest.approx(0.0, abs=2.0)
    assert 2 < float(b0[brain].std()) < 60
    top = np.unravel_index(int(torch.where(brain, b0, -1e9).argmax()), b0.shape)
    sinus = np.array([37.5, 43.5 + 33, 39.5 - 24])
    assert np.linalg.norm(np.array(top) - sinus) < 16


def test_without_its_sinus_the_head_has_less_of_a_field(big_head):
    labels = big_head.labels(whole(big_head.grid.shape)).numpy().astype(np.int32)
    x, y, z = (i - (n - 1) / 2 for i, n in zip(np.indices(labels.shape), labels.shape, strict=True))
    labels[((x / 36) ** 2 + (y / 42) ** 2 + (z / 38) ** 2 < 1) & (labels == 0)] = 258
    filled = LabelSubject("x", labels, big_head.grid, BUILT_IN, "x")
    brain = brain_of(big_head)
    spread = [float(h.static_field.hertz(whole(h.grid.shape), 3.0)[0, 0][brain].std()) for h in (big_head, filled)]
    assert spread[1] < 0.9 * spread[0]


def test_the_field_does_not_depend_on_the_order_of_the_axes(big_head):
    labels = big_head.labels(whole(big_head.grid.shape)).numpy().astype(np.int32)
    turned = np.ascontiguousarray(labels.transpose(2, 0, 1)[::-1])
    affine = big_head.grid.affine[:, [2, 0, 1, 3]].copy()
    affine[:3, 3] += affine[:3, 0] * (labels.shape[2] - 1)
    affine[:3, 0] *= -1
    other = LabelSubject("x", turned, Grid(turned.shape, affine), BUILT_IN, "x")
    one = big_head.static_field.hertz(whole(labels.shape), 3.0)[0, 0]
    two = other.static_field.hertz(whole(turned.shape), 3.0)[0, 0].flip(0).permute(1, 2, 0)
    brain = brain_of(big_head)
    assert float((one - two)[brain].abs().max()) < 0.02 * float(one[brain].abs().max())


@pytest.mark.skipif(not HEAD.is_dir(), reason=f"no real head: {HEAD} is absent (set QONTRAST_DATA)")
def test_a_real_head_has_tens_of_hertz_most_of_it_by_the_sinuses_and_ears():
    (source,) = find_subjects(str(HEAD))
    head = source.open()
    b0 = head.static_field.hertz(whole(head.grid.shape), 3.0)[0, 0]
    brain = brain_of(head)
    assert 8 < float(b0[brain].std()) < 50
    assert 100 < float(b0[brain].max()) < 800
    where = torch.nonzero(brain & (b0 > 100)).float()
    lowest, height = head.region[2][0], head.region[2][1] - head.region[2][0]
    # All of the hot spots lie in the lower half of the brain: frontal base and temporal lobes.
    assert float((where[:, 2] < lowest + 0.5 * height).float().mean()) > 0.95
