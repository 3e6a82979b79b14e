"""The one training loop: it learns, stops, and goes on as if it had never stopped."""

import json
import os
import signal

import pytest
import torch
from rich.progress import Progress as Bar

from qontrast.basics.errors import InputError, QontrastError, WriteError
from qontrast.engine.checkpoint import CHECKPOINT, Progress, load_checkpoint
from qontrast.engine.journal import JOURNAL
from qontrast.engine.loop import Watch
from qontrast.engine.stopping import Stopped

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


def test_the_bar_shows_the_share_of_time_spent_waiting_for_data(train, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(Bar, "update", lambda *_, said="", **__: shown.append(said))
    train(slow=0.05)
    lines = journal(tmp_path / "run")
    assert all(line["waiting"] * 16 / line["examples_per_second"] >= 0.049 for line in lines)
    assert [said.rsplit("  ", 1)[1] for said in shown if "waiting" in said] == [
        f"{line['waiting']:.0%} waiting" for line in lines
    ]


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


@pytest.mark.parametrize("stop", [1, 2, 5])
def test_an_interrupted_run_keeps_every_step_that_was_done(train, toy, tmp_path, stop):
    with pytest.raises(KeyboardInterrupt):
        train("stopped", stop=stop)
    assert saved(tmp_path / "stopped", toy()) == Progress(stop, "plan")
    assert alike(train("stopped", resume=True), train("whole"))
    assert [line["step"] for line in journal(tmp_path / "stopped")] == list(range(STEPS))


def test_a_run_without_a_checkpoint_begins_anew(train, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train("stopped", stop=2)
    (tmp_path / "stopped" / CHECKPOINT).unlink()  # as if it had been killed outright
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
        train("spoilt", spoil=spoil, patience=1)
    assert str(tmp_path / "spoilt") in str(caught.value)
    assert [line["step"] for line in journal(tmp_path / "spoilt")] == [0, 1, 2, 3]
    assert saved(tmp_path / "spoilt", toy()) == Progress(3, "plan")
    assert alike(train("spoilt", resume=True), train("whole"))


@pytest.mark.parametrize("last", [4, STEPS - 1])
def test_a_gradient_that_is_not_finite_never_reaches_a_checkpoint(train, toy, tmp_path, last):
    def spoil(step, loss):
        return loss + (loss - loss.detach()).sqrt() if step == last else loss  # finite, but its slope is not

    with pytest.raises(QontrastError, match=rf"step {last} is [\d.]+, the norm of its gradient (nan|inf).*another"):
        train("spoilt", spoil=spoil, checkpoint_steps=1, patience=1)
    fresh = toy()
    assert saved(tmp_path / "spoilt", fresh) == Progress(last, "plan")
    assert all(torch.isfinite(p).all() for p in fresh.parameters())


def test_a_step_that_is_not_finite_is_left_out_and_counted(train, tmp_path):
    def spoil(step, loss):
        return loss * float("nan") if step in (2, 3, 5) else loss

    whole = train("whole")
    model = train("spoilt", spoil=spoil, patience=3)
    lines = journal(tmp_path / "spoilt")
    assert [line["step"] for line in lines if line.get("left_out")] == [2, 3, 5]
    assert [line["step"] for line in lines if line["loss"] is None] == [2, 3, 5]
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert not alike(model, whole)


def test_patience_counts_steps_in_a_row(train, tmp_path):
    with pytest.raises(QontrastError, match=r"as in the 2 steps before"):
        train("spoilt", spoil=lambda step, loss: loss * float("nan") if step in (0, 2, 3, 4) else loss, patience=3)
    assert [line["step"] for line in journal(tmp_path / "spoilt")] == [0, 1, 2, 3]


def test_the_average_follows_the_weights_and_is_what_a_run_gives(train, toy, tmp_path):
    plain, averaged = train("plain", checkpoint_steps=1), train("averaged", average=0.5)
    steps = [toy(), *(interrupted(train, toy, tmp_path, stop) for stop in range(1, STEPS)), plain]
    wanted = [p.detach().clone() for p in steps[0].parameters()]
    for number, net in enumerate(steps[1:]):
        keep = min(0.5, (1 + number) / (10 + number))
        wanted = [keep * w + (1 - keep) * p.detach() for w, p in zip(wanted, net.parameters(), strict=True)]
    for found, w in zip(averaged.parameters(), wanted, strict=True):
        torch.testing.assert_close(found.detach(), w, rtol=1e-5, atol=1e-6)
    assert not alike(averaged, plain)


def interrupted(train, toy, tmp_path, stop):
    """The toy after ``stop`` steps."""
    with pytest.raises(KeyboardInterrupt):
        train(f"to-{stop}", stop=stop)
    net = toy()
    saved(tmp_path / f"to-{stop}", net)
    return net


def test_a_resumed_run_has_the_same_average(train):
    with pytest.raises(KeyboardInterrupt):
        train("stopped", stop=5, average=0.9)
    assert alike(train("stopped", resume=True, average=0.9), train("whole", average=0.9))


def test_the_learning_rate_rises_and_then_falls(train, tmp_path):
    train(warmup=3)
    rates = [line["learning_rate"] for line in journal(tmp_path / "run")]
    assert rates == pytest.approx([0.05 * min(1, (s + 1) / 4) * (1 - s / STEPS) ** 0.9 for s in range(STEPS)])


def test_what_is_watched_stands_in_the_journal_and_changes_nothing(train, tmp_path):
    def measure(model, steps):
        torch.manual_seed(steps)
        torch.rand(3)
        return {"probe_steps": float(steps)}

    watched = train("watched", watch=Watch(3, measure))
    assert alike(watched, train("alone"))
    found = {line["step"]: line["probe_steps"] for line in journal(tmp_path / "watched") if "probe_steps" in line}
    assert found == {0: 0.0, 3: 3.0, 6: 6.0, STEPS: STEPS}
    again = (tmp_path / "watched" / JOURNAL).read_text()
    train("watched", watch=Watch(3, measure), resume=True)
    assert (tmp_path / "watched" / JOURNAL).read_text() == again


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_a_signal_ends_a_run_after_its_step_with_a_checkpoint(train, toy, tmp_path, name):
    def spoil(step, loss):
        if step == 4:
            os.kill(os.getpid(), getattr(signal, name))
        return loss

    before = signal.getsignal(getattr(signal, name))
    with pytest.raises(Stopped, match=rf"stopped by {name} after 5 of {STEPS} steps.*--resume"):
        train("stopped", spoil=spoil, checkpoint_steps=1000)
    assert signal.getsignal(getattr(signal, name)) == before
    assert saved(tmp_path / "stopped", toy()) == Progress(5, "plan")
    assert alike(train("stopped", resume=True), train("whole"))


def test_a_loader_process_that_dies_ends_the_run_with_what_was_learned(train, toy, tmp_path):
    def spoil(step, loss):
        if step == 5:
            raise RuntimeError("DataLoader worker (pid 17) is killed by signal: Killed.")
        return loss

    with pytest.raises(QontrastError, match=r"a loader process died after 5 steps.*fewer --workers"):
        train("died", spoil=spoil)
    assert saved(tmp_path / "died", toy()) == Progress(5, "plan")


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
    assert saved(tmp_path / "full", toy()) == Progress(4, "plan")
    assert alike(train("full", resume=True), train("whole"))


def test_a_checkpoint_is_written_when_its_time_has_come(train, toy, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train("timed", stop=2, checkpoint_steps=1000, checkpoint_seconds=1e-9)
    assert saved(tmp_path / "timed", toy()) == Progress(2, "plan")
