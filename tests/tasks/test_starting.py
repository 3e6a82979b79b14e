"""Where fine-tuning starts: which encoder, and with what draw of the rest."""

import pytest
import torch

from qontrast.basics.errors import InputError, PlanError
from qontrast.nets.catalogue import build_encoder
from qontrast.tasks.people_plan import PeoplePlan
from qontrast.tasks.plans import FinetunePlan
from qontrast.tasks.starting import start_from


@pytest.mark.parametrize("kind", [FinetunePlan, PeoplePlan])
def test_the_rest_is_drawn_alike_whatever_the_encoder_is(kind):
    given = build_encoder("cnn-nano")
    draws = []
    for at_hand in (None, given):
        start = start_from(kind(seed=3), at_hand)
        draws.append(torch.rand(4))
    assert start.arm == "external"
    assert start.encoder is not given
    assert torch.equal(draws[0], draws[1])
    start_from(kind(seed=4), None)
    assert not torch.equal(draws[0], torch.rand(4))


def test_a_new_encoder_is_the_seeds():
    first, second, other = (start_from(FinetunePlan(seed=seed), None).encoder.state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("kind", [FinetunePlan, PeoplePlan])
def test_a_new_encoder_drops_what_the_plan_says_and_begins_alike(kind):
    usual, never = (start_from(kind(dropout=share), None).encoder for share in (None, 0.0))
    assert (usual.settings["dropout"], never.settings["dropout"]) == (0.2, 0.0)
    one, other = usual.state_dict(), never.state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one)
    with pytest.raises(PlanError, match="drops nothing"):
        start_from(kind(net="residual", dropout=0.1), None)


def test_several_processes_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(InputError, match="found 4 processes; wanted one"):
        start_from(FinetunePlan(), None)
