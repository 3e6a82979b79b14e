"""Examples leave no circles of references: their volumes would stay in memory until all garbage is collected."""

import gc
from contextlib import contextmanager

import pytest
import torch

from qontrast.anatomy.pathology import PathologyRanges
from qontrast.views.denoising import NoiseRanges, NoisyMaker, SimulatedClean
from qontrast.views.labelled import CropMaker, SimulatedCase
from qontrast.views.lesioned import LesionedCase
from qontrast.views.maker import PairMaker
from qontrast.views.targets import Wanted

ILL = PathologyRanges(lesions=1.0, ageing=1.0)
EVERYTHING = Wanted(points=64, maps=True, protocol=True, hidden=4, share=0.5)


@contextmanager
def left_over():
    """Gives a list that is filled, at the end, with the tensors that only a collection of garbage would free."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    found = []
    try:
        yield found
        gc.collect()
        found += [tuple(one.shape) for one in gc.garbage if isinstance(one, torch.Tensor)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def pairs(head, measured, plan):
    return PairMaker([head], plan(pathology=ILL), 5, EVERYTHING)


def pairs_of_maps(head, measured, plan):
    return PairMaker([measured], plan(), 5, EVERYTHING)


def crops(head, measured, plan):
    return CropMaker([SimulatedCase(head, ("flair", "spgr"), drawn=True)], plan(pathology=ILL, stripped=0.5), 3)


def lesioned_crops(head, measured, plan):
    return CropMaker([LesionedCase(head, ("flair", "spgr"), drawn=True)], plan(pathology=ILL), 3)


def noisy_crops(head, measured, plan):
    return NoisyMaker([SimulatedClean(head, ("fse",), drawn=True)], plan(), NoiseRanges(), 3)


@pytest.mark.parametrize("make", [pairs, pairs_of_maps, crops, lesioned_crops, noisy_crops])
def test_an_example_is_gone_when_nobody_holds_it(make, head, measured, plan):
    maker = make(head, measured, plan)
    maker(0, 0, 0)  # what is kept for a head is made
    with left_over() as found:
        for step in range(1, 7):
            maker(0, step, 0)
    assert found == []


def test_a_circle_would_be_found():
    with left_over() as found:
        circle = [torch.zeros(3)]
        circle.append(circle)
        del circle
    assert found == [(3,)]
