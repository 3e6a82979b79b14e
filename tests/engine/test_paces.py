"""In each schedule the promised weights move at the promised steps, and nothing else; so does a run that goes on."""

import json
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

from qontrast.basics.randomness import derive
from qontrast.engine.fabric import make_fabric
from qontrast.engine.loop import Run, Watch, fit
from qontrast.engine.optimisation import Optimisation
from qontrast.engine.pace import Group, Pace
from qontrast.engine.passes import in_one_pass
from qontrast.tasks.schedules import Schedule

STEPS = 10


class Toy(nn.Module):
    """An encoder with dropout and batch norm, and a head."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.GELU())
        self.head = nn.Linear(6, 1)
        self.seen: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = self.encoder(x)
        self.seen.append(features.detach().clone())
        return self.head(features)


@dataclass
class Trace:
    """Weights and buffers before each step and after the last, the features of each step, and the journal."""

    states: list[dict[str, torch.Tensor]] = field(default_factory=list)
    features: list[torch.Tensor] = field(default_factory=list)
    lines: list[dict[str, float]] = field(default_factory=list)


def train(folder: Path, schedule: Schedule, *, stop: int | None = None, resume: bool = False, **how) -> Trace:
    folder.mkdir(exist_ok=True)
    model, trace = Toy(), Trace()
    optimisation = Optimisation(**{"steps": STEPS, "learning_rate": 0.05, "checkpoint_steps": 1, **how})

    def batches(start):
        for step in range(start, STEPS):
            if step == stop:
                raise KeyboardInterrupt
            x = torch.randn((16, 4), generator=derive(0, step))
            yield {"x": x, "y": x.sum(dim=1, keepdim=True)}

    def watch(net: nn.Module, step: int) -> dict[str, float]:
        trace.states.append({name: value.clone() for name, value in net.state_dict().items()})
        return {}

    losses = in_one_pass(lambda net, batch: {"loss": (net(batch["x"]) - batch["y"]).square().mean()})
    run = Run(folder, "toy", 0, "plan", 16, resume=resume, quiet=True)
    groups = schedule.groups((model.encoder,), (model.head,), optimisation)
    try:
        fit(make_fabric("cpu", "32"), model, losses, batches, optimisation, run, Watch(1, watch), groups)
    except KeyboardInterrupt:
        if stop is None:
            raise
    trace.features = model.seen
    trace.lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    return trace


def moved(trace: Trace, part: str) -> list[bool]:
    """For each step, whether anything of a part moved; if so, all of its weights did."""
    found = []
    for before, after in pairwise(trace.states):
        names = [name for name in before if name.startswith(part)]
        same = [torch.equal(before[name], after[name]) for name in names]
        if not all(same):
            # A linear layer's bias before a norm has no gradient but rounding; the norm's own weights always have one.
            assert not any(same) or same == [name == "encoder.0.bias" for name in names]
        found.append(not all(same))
    return found


ALONE = {"full": 0, "frozen": STEPS, "linear-probe": STEPS, "warm-up": 3, "sawtooth": 4}
SCHEDULES = {
    "full": Schedule("full"),
    "frozen": Schedule("frozen"),
    "linear-probe": Schedule("linear-probe"),
    "warm-up": Schedule("warm-up", head=0.3),
    "sawtooth": Schedule("sawtooth", head=0.4, rise=0.2),
}


@pytest.mark.parametrize("average", [0.0, 0.9])
@pytest.mark.parametrize("kind", SCHEDULES)
def test_the_promised_weights_move_at_the_promised_steps_and_no_others(kind, average, tmp_path):
    trace = train(tmp_path / "run", SCHEDULES[kind], average=average)
    assert moved(trace, "head") == [True] * STEPS
    assert moved(trace, "encoder") == [step >= ALONE[kind] for step in range(STEPS)]


@pytest.mark.parametrize("kind", SCHEDULES)
def test_an_encoder_that_is_held_drops_nothing_and_one_that_moves_does(kind, tmp_path):
    trace = train(tmp_path / "run", SCHEDULES[kind])
    for step, features in enumerate(trace.features):
        dropped = float((features == 0).float().mean())  # GELU is 0 at 0 alone
        assert (dropped > 0.2) == (step >= ALONE[kind]), step


@pytest.mark.parametrize("stop", [2, 3, 4, 5, 6, 8])
@pytest.mark.parametrize("kind", SCHEDULES)
def test_a_run_that_goes_on_from_any_phase_is_the_run_that_was_never_stopped(kind, stop, tmp_path):
    whole = train(tmp_path / "whole", SCHEDULES[kind])
    train(tmp_path / "stopped", SCHEDULES[kind], stop=stop)
    again = train(tmp_path / "stopped", SCHEDULES[kind], resume=True)
    assert len(again.states) == STEPS - stop + 1
    for name, value in whole.states[-1].items():
        assert torch.equal(value, again.states[-1][name]), name
    kept = ("loss", "learning_rate", "learning_rate_encoder", "gradient_norm")
    assert [[line.get(k) for k in kept] for line in again.lines] == [
        [line.get(k) for k in kept] for line in whole.lines
    ]


def rates(trace: Trace) -> tuple[list[float], list[float]]:
    lines = [line for line in trace.lines if "loss" in line]
    return tuple([line[name] / 0.05 for line in lines] for name in ("learning_rate", "learning_rate_encoder"))


def test_a_warm_up_lets_the_encoder_rise_to_a_tenth_of_the_heads_rate(tmp_path):
    head, encoder = rates(train(tmp_path / "run", SCHEDULES["warm-up"], warmup=2))
    falling = [(1 - step / 10) ** 0.9 for step in range(10)]
    assert head == pytest.approx([f * min(1, (s + 1) / 3) for s, f in enumerate(falling)])
    assert encoder == pytest.approx([0, 0, 0] + [0.1 * f * min(1, (s + 1) / 3) for s, f in enumerate(falling[3:])])


def test_a_stated_factor_is_kept(tmp_path):
    head, encoder = rates(train(tmp_path / "run", Schedule("full", encoder_rate=0.25)))
    assert encoder == pytest.approx([0.25 * rate for rate in head])


@pytest.mark.parametrize(("kind", "faster"), [("full", 1.0), ("frozen", 7.0), ("warm-up", 7.0), ("sawtooth", 7.0)])
def test_a_last_convolution_that_learns_alone_learns_faster_and_a_new_decoder_does_not(kind, faster):
    schedule, how = Schedule(kind, readout_rate=7.0), Optimisation(steps=40)
    rate, slower = schedule.shares(how)
    lone, _ = schedule.groups((nn.Linear(4, 4),), (nn.Conv3d(4, 2, 1),), how)
    decoder, encoder = schedule.groups((nn.Linear(4, 4),), (nn.Linear(4, 4), nn.Conv3d(4, 2, 1)), how)
    for step in (0, 3, 39):
        assert lone.share(step) == pytest.approx(faster * rate(step))
        assert (decoder.share(step), encoder.share(step)) == (rate(step), slower(step))


def test_a_sawtooth_rises_and_falls_twice(tmp_path):
    head, encoder = rates(train(tmp_path / "run", SCHEDULES["sawtooth"]))
    first, second = [0.5, 1.0, 1.0, 0.5**0.9], [0.5, 1.0, *((1 - step / 4) ** 0.9 for step in range(4))]
    assert head == pytest.approx(first + second)
    assert encoder == pytest.approx([0.0] * 4 + second)


def test_the_published_sawtooth_of_150_epochs_comes_out_of_the_defaults():
    """Of the published code: heads rise for 7 epochs and fall for 8; all rise for 15 and fall for 120, power 0.9."""
    new, old = Schedule("sawtooth").shares(Optimisation(steps=150))
    assert [new(step) for step in (0, 6, 7, 14)] == pytest.approx([1 / 7, 1, 1, (1 / 8) ** 0.9])
    assert [old(step) for step in (0, 14, 15, 29, 30, 90, 149)] == pytest.approx(
        [0, 0, 1 / 15, 1, 1, 0.5**0.9, (1 / 120) ** 0.9]
    )


def test_weights_that_need_no_gradient_at_the_start_never_move(tmp_path):
    model, how = Toy(), Optimisation(steps=STEPS)
    model.encoder[0].weight.requires_grad_(False)
    pace = Pace(model, how, Schedule("warm-up", head=0.3).groups((model.encoder,), (model.head,), how))
    optimizer = pace.optimizer()
    for step in range(STEPS):
        pace.set(step, optimizer)
        assert not model.encoder[0].weight.requires_grad
        assert model.encoder[1].weight.requires_grad == (step >= 3)
        assert model.head.weight.requires_grad


def test_groups_that_miss_a_weight_or_hold_it_twice_are_refused():
    model, how = Toy(), Optimisation()
    for modules in ((model.head,), (model.head, model.head, model.encoder)):
        with pytest.raises(ValueError, match="each weight of the model once"):
            Pace(model, how, [Group("all", modules, lambda step: 1.0)])


def test_without_groups_nothing_is_switched():
    model, how = Toy().eval(), Optimisation(steps=STEPS)
    pace = Pace(model, how)
    assert pace.set(0, pace.optimizer()) == {"learning_rate": how.learning_rate}
    assert not model.training
