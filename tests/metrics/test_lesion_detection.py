"""Lesions counted as pieces, against a flood fill over single voxels."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qontrast.basics.errors import InputError
from qontrast.metrics.lesion_detection import detect_lesions

SHAPE = (7, 6, 5)


def pieces(mask):
    """Sets of voxels that touch by a face, an edge or a corner."""
    left = {tuple(v) for v in torch.nonzero(mask).tolist()}
    found = []
    while left:
        piece, edge = set(), [left.pop()]
        while edge:
            voxel = edge.pop()
            piece.add(voxel)
            for step in itertools.product((-1, 0, 1), repeat=3):
                near = tuple(v + s for v, s in zip(voxel, step, strict=True))
                if near in left:
                    left.remove(near)
                    edge.append(near)
        found.append(piece)
    return found


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.sampled_from([0.0, 0.02, 0.06, 0.15]))
def test_the_counts_are_those_of_a_flood_fill(seed, share):
    generator = torch.Generator().manual_seed(seed)
    prediction, truth = (torch.rand(SHAPE, generator=generator) < share for _ in range(2))
    own, true = pieces(prediction), pieces(truth)
    found = sum(any(t & p for p in own) for t in true)
    invented = sum(not any(t & p for t in true) for p in own)
    score = detect_lesions(prediction, truth)
    assert (score.truth, score.predicted, score.found, score.invented) == (len(true), len(own), found, invented)
    missed = len(true) - found
    wanted = 1.0 if not own and not true else found / (found + (missed + invented) / 2)
    assert score.f1 == pytest.approx(wanted)


def test_empty_images_score_as_the_docs_say():
    none, some = torch.zeros(SHAPE, dtype=torch.bool), torch.zeros(SHAPE, dtype=torch.bool)
    some[2, 2, 2] = some[5, 5, 4] = True
    assert detect_lesions(none, none).f1 == 1
    assert detect_lesions(none, some).f1 == detect_lesions(some, none).f1 == 0
    assert detect_lesions(some, some).f1 == 1


def test_one_large_prediction_over_two_lesions_finds_both_and_invents_none():
    truth = torch.zeros(SHAPE, dtype=torch.bool)
    truth[1, 1, 1] = truth[5, 4, 3] = True
    score = detect_lesions(torch.ones(SHAPE, dtype=torch.bool), truth)
    assert (score.found, score.predicted, score.invented, score.f1) == (2, 1, 0, 1.0)


def test_other_shapes_are_refused():
    with pytest.raises(InputError, match="shape"):
        detect_lesions(torch.zeros(3, 3, 3, dtype=torch.bool), torch.zeros(3, 3, 4, dtype=torch.bool))
