"""The one training loop: it learns, stops, and goes on as if it had never stopped."""

import json

import pytest
import torch

from qontrast.basics.errors import InputError, QontrastError, WriteError
from qontrast.engine.checkpoint import CHECKPOINT, Progress, load_checkpoint
from qontrast.engine.journal import JOURNAL

STEPS = 8


def journal(folder):
    return [json.loads(line) for line in (folder / JOURNAL).read_text().splitlines()]


def saved(folder, net):
    """Progress of the folder's checkpoint, and its weights in ``net``."""
    return load_checkpoint(folder, net, torch.optim.AdamW(net.parameters()))


def alike(one, other):
    states = one.state_dict(), other.state_dict()
    return all(torch.equal(states[0][k], states[1][k]) for k in states[0])


def test_a_run_learns_and_writes_down_every_step(train, toy, tmp_path):
    start = toy()
    model = train()
    lines = journal(tmp_path / "run")
    assert [line["step"] for line in lines] == list(range(STEPS))
    x = torch.randn((64, 4), generator=torch.Generator().manual_seed(1))
    before, after = (
        float((net.eval()(x).detach() - x.sum(dim=1, keepdim=True)).square().mean()) for net in (start, model)
    )
    assert after < 0.8 * before
    for line in lines:
        assert line["twice"] == pytest.approx(2 * line["loss"])
        assert line["gradient_norm"] > 0
        assert line["examples_per_second"] > 0
        assert 0 <= line["waiting"] <= 1
    assert not alike(model, start)
    fresh = toy()
    assert saved(tmp_path / "run", fresh) == Progress(STEPS, "plan")
    assert alike(fresh, model)


def test_two_runs_of_one_seed_are_one_run_and_of_two_seeds_two(train):
    assert alike(train("one"), train("two"))
    assert not alike(train("three", seed=1), train("four"))


@pytest.mark.parametrize("stop", [3, 4, 5, 7])
def test_a_stopped_and_resumed_run_is_the_whole_run_to_the_bit(train, tmp_path, stop):
    whole = train("whole")
    with pytest.raises(KeyboardInterrupt):
        train("stopped", stop=stop)
    torch.manual_seed(999)
    assert alike(train("stopped", resume=True), whole)
    one, other = journal(tmp_path / "whole"), journal(tmp_path / "stopped")
    for name in ("step", "loss", "learning_rate", "gradient_norm"):
        assert [line[name] for line in one] == [line[name] for line in other]


def test_a_run_stopped_before_its_first_checkpoint_begins_anew(train, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train("stopped", stop=2)
    assert not (tmp_path / "stopped" / CHECKPOINT).exists()
    assert len(journal(tmp_path / "stopped")) == 2
    assert alike(train("stopped", resume=True), train("whole"))
    assert [line["step"] for line in journal(tmp_path / "stopped")] == list(range(STEPS))


def test_a_finished_run_is_resumed_without_a_step(train, tmp_path):
    model = train()
    before = (tmp_path / "run" / JOURNAL).read_text()
    assert alike(train(resume=True), model)
    assert (tmp_path / "run" / JOURNAL).read_text() == before


def test_dropout_is_at_work_while_training(train, toy):
    still = toy()
    still[1].p = 0.0
    assert not alike(train("dropped"), train("still", model=still))


def test_a_run_of_another_plan_is_not_resumed(train, tmp_path):
    train(plan="one plan")
    before = (tmp_path / "run" / JOURNAL).read_text()
    with pytest.raises(InputError, match=r"a checkpoint of another plan.*same plan") as caught:
        train(plan="another", resume=True)
    assert str(tmp_path / "run") in str(caught.value)
    assert (tmp_path / "run" / JOURNAL).read_text() == before


def test_a_run_of_another_network_is_not_resumed(train, toy):
    train()
    with pytest.raises(InputError, match="weights of another network"):
        train(resume=True, model=toy(hidden=5))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_its_checkpoint(train, toy, tmp_path, value):
    def spoil(step, loss):
        return loss * value if step == 4 else loss

    with pytest.raises(QontrastError, match=r"the loss of step 4 is -?(nan|inf).*another --out") as caught:
        train("spoilt", spoil=spoil)
    assert str(tmp_path / "spoilt") in str(caught.value)
    assert [line["step"] for line in journal(tmp_path / "spoilt")] == [0, 1, 2, 3]
    assert saved(tmp_path / "spoilt", toy()) == Progress(3, "plan")
    assert alike(train("spoilt", resume=True), train("whole"))


@pytest.mark.parametrize("last", [4, STEPS - 1])
def test_a_gradient_that_is_not_finite_never_reaches_a_checkpoint(train, toy, tmp_path, last):
    def spoil(step, loss):
        return loss + (loss - loss.detach()).sqrt() if step == last else loss  # finite, but its slope is not

    with pytest.raises(QontrastError, match=rf"the gradient of step {last} is (nan|inf).*another --out"):
        train("spoilt", spoil=spoil, checkpoint_steps=1)
    fresh = toy()
    assert saved(tmp_path / "spoilt", fresh) == Progress(last, "plan")
    assert all(torch.isfinite(p).all() for p in fresh.parameters())


def test_gradients_are_clipped_to_the_stated_norm(train, tmp_path):
    wide, narrow = train("wide", clip=1e6, weight_decay=0.0), train("narrow", clip=1e-3, weight_decay=0.0)
    assert not alike(wide, narrow)
    assert journal(tmp_path / "narrow")[0]["gradient_norm"] > 1e-3  # before it was clipped


def test_frozen_weights_stay_as_they_are(train, toy):
    net = toy()
    net[0].requires_grad_(False)
    trained = train(model=net)
    assert torch.equal(trained[0].weight, toy()[0].weight)
    assert not torch.equal(trained[3].weight, toy()[3].weight)


def test_a_disk_that_fills_up_while_training_leaves_the_last_checkpoint(train, toy, tmp_path, small_disk):
    with pytest.raises(KeyboardInterrupt):
        train("full", stop=4)
    size = (tmp_path / "full" / CHECKPOINT).stat().st_size - 1
    with small_disk(size), pytest.raises(WriteError, match=r"checkpoint\.safetensors: could not.*--resume"):
        train("full", resume=True, checkpoint_steps=1)
    assert saved(tmp_path / "full", toy()) == Progress(3, "plan")
    assert alike(train("full", resume=True), train("whole"))


def test_a_checkpoint_is_written_when_its_time_has_come(train, toy, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train("timed", stop=2, checkpoint_steps=1000, checkpoint_seconds=1e-9)
    assert saved(tmp_path / "timed", toy()) == Progress(2, "plan")
