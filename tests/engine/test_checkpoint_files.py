"""A checkpoint holds all that a run needs, and appears whole or not at all."""

import os
from contextlib import contextmanager

import pytest
import safetensors.torch
import torch
from torch import nn

from qontrast.basics.errors import InputError, WriteError
from qontrast.engine.checkpoint import CHECKPOINT, Progress, load_checkpoint, save_checkpoint


def trained(net, steps=3, seed=0):
    """Network and optimiser after a few steps, so that the moments are not zero."""
    optimizer = torch.optim.AdamW(net.parameters(), 0.01)
    for step in range(steps):
        optimizer.zero_grad()
        x = torch.randn((8, 4), generator=torch.Generator().manual_seed(100 * seed + step))
        net(x).square().mean().backward()
        optimizer.step()
    return net, optimizer


def alike(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_it_gives_back_weights_and_moments_to_the_bit(tmp_path, toy):
    net, optimizer = trained(toy())
    save_checkpoint(tmp_path, net, optimizer, Progress(17, "a plan"))
    fresh, other = trained(toy(), steps=1, seed=5)
    assert not alike(fresh.state_dict(), net.state_dict())
    assert load_checkpoint(tmp_path, fresh, other) == Progress(17, "a plan")
    assert alike(fresh.state_dict(), net.state_dict())
    states, restored = optimizer.state_dict()["state"], other.state_dict()["state"]
    assert states.keys() == restored.keys() == {0, 1, 2, 3}
    for index, state in states.items():
        assert state.keys() == {"step", "exp_avg", "exp_avg_sq"}
        assert alike(restored[index], state)
        assert float(state["step"]) == 3
    trained_on = [trained_once(n, o) for n, o in ((net, optimizer), (fresh, other))]
    assert alike(*trained_on)


def trained_once(net, optimizer):
    torch.manual_seed(3)
    optimizer.zero_grad()
    net(torch.ones(2, 4)).square().mean().backward()
    optimizer.step()
    return net.state_dict()


def test_buffers_and_frozen_weights_are_kept_too(tmp_path):
    net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    net[0].requires_grad_(False)
    optimizer = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad])
    net(torch.randn(8, 4)).square().mean().backward()
    optimizer.step()
    save_checkpoint(tmp_path, net, optimizer, Progress(1, ""))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    net(torch.randn(8, 4))
    nn.init.zeros_(net[0].weight)
    load_checkpoint(tmp_path, net, optimizer)
    assert alike(net.state_dict(), before)
    assert int(net[1].num_batches_tracked) == 1


def test_without_a_file_there_is_no_progress(tmp_path, toy):
    assert load_checkpoint(tmp_path, *trained(toy())) is None


DAMAGE = {
    "empty": lambda good: b"",
    "torn header": lambda good: good[:30],
    "torn tensors": lambda good: good[:-7],
    "appended": lambda good: good + b"more",
    "noise": lambda good: bytes(range(256)) * 4,
    "zeros": lambda good: bytes(len(good)),
    "no progress": lambda good: safetensors.torch.save(safetensors.torch.load(good)),
    "no number": lambda good: good.replace(b'"step":"17"', b'"step":"xy"'),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_file_is_refused_by_name_and_changes_nothing(tmp_path, toy, damage):
    net, optimizer = trained(toy())
    save_checkpoint(tmp_path, net, optimizer, Progress(17, "a plan"))
    file = tmp_path / CHECKPOINT
    good = file.read_bytes()
    file.write_bytes(damage(good))
    assert file.read_bytes() != good
    fresh, other = trained(toy(), steps=1)
    before = {k: v.clone() for k, v in fresh.state_dict().items()}
    with pytest.raises(InputError, match="a damaged checkpoint") as caught:
        load_checkpoint(tmp_path, fresh, other)
    assert str(file) in str(caught.value)
    assert alike(fresh.state_dict(), before)


@pytest.mark.parametrize("other", ["names", "shapes"])
def test_another_networks_checkpoint_is_refused_by_name(tmp_path, toy, other):
    save_checkpoint(tmp_path, *trained(toy()), Progress(1, ""))
    net = toy(hidden=5) if other == "shapes" else nn.Sequential(nn.Linear(4, 1))
    with pytest.raises(InputError, match=r"checkpoint.*weights of another network"):
        load_checkpoint(tmp_path, net, torch.optim.AdamW(net.parameters()))


@contextmanager
def failing_flush():
    def full(_):
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", full)
        yield


@pytest.mark.parametrize("how", ["at the flush", "in the middle"])
def test_a_disk_that_fills_up_leaves_the_previous_checkpoint(tmp_path, toy, small_disk, how):
    net, optimizer = trained(toy())
    save_checkpoint(tmp_path, net, optimizer, Progress(1, "x"))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    trained_once(net, optimizer)
    full = failing_flush() if how == "at the flush" else small_disk(200)
    with full, pytest.raises(WriteError, match=r"checkpoint.*untouched.*--resume"):
        save_checkpoint(tmp_path, net, optimizer, Progress(2, "x"))
    assert [p.name for p in tmp_path.iterdir()] == [CHECKPOINT]
    fresh, other = trained(toy(), steps=1)
    assert load_checkpoint(tmp_path, fresh, other) == Progress(1, "x")
    assert alike(fresh.state_dict(), before)
